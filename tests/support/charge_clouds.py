"""Random charges and an independent sum over them, for the tests of sums and energies."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from coulombfield import Charges, Gaussian, Laplace, Plummer

KERNELS = {
    "plummer": Plummer(),
    "plummer 2": Plummer(exponent=2.0, softening=0.7),
    "plummer 3": Plummer(exponent=3.0, softening=1.5),
    "plummer 4": Plummer(exponent=4.0, softening=2.0),
    "plummer 2.5": Plummer(exponent=2.5, softening=1.2),
    "gaussian": Gaussian(width=1.3),
    "laplace": Laplace(width=1.7),
    "sum": 0.5 * Plummer(softening=0.8) + Gaussian(width=2.0),
}
"""Kernels that vary over lengths of about 1, one of each kind."""

seeds = st.integers(0, 2**32 - 1)
dimensions = st.integers(1, 4)
counts = st.integers(1, 9)


def cloud(rng, count, dimension, dtype="float64"):
    """Positions and charges of size 1."""
    return rng.standard_normal((count, dimension)).astype(dtype), rng.standard_normal(count).astype(dtype)


def charges_in(library, positions, weights):
    return Charges(library.put(positions), library.put(weights))


def pair_sum(targets, positions, weights, pair):
    """Sum of weight · pair(a − b) in long double, pair by pair: the oracle, and its sum of magnitudes."""
    targets, positions, weights = (np.asarray(x, np.longdouble) for x in (targets, positions, weights))
    terms = np.array([[w * pair(a - b) for b, w in zip(positions, weights, strict=True)] for a in targets])
    return terms.sum(axis=1), np.abs(terms).sum(axis=1)


def plummer_pair(exponent, softening):
    """Eq 5 as it is printed."""
    return lambda d: 1 / np.sqrt(np.sum(d * d) + np.longdouble(softening) ** 2) ** np.longdouble(exponent)


def plummer_field_pair(exponent, softening):
    """Minus the gradient of Eq 5: d (a − b) (r² + ε²)^(−d/2 − 1)."""
    return lambda d: (
        exponent * d / np.sqrt(np.sum(d * d) + np.longdouble(softening) ** 2) ** np.longdouble(exponent + 2)
    )
