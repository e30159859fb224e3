"""Plummer's model of a star cluster."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..flow import Group
from .making import Put, check, directions, group

RADIUS = 3 * math.pi / 16  # Plummer's, in N-body units
HIGHEST = 0.1  # above the maximum 0.0927 of q² (1 − q²)^(7/2), for draws by rejection


def plummer_sphere(count: int, rng: np.random.Generator, *, dtype: Any = "float64", put: Put = np.asarray) -> Group:
    r"""Stars of a Plummer sphere in equilibrium, in N-body units: G = M = 1 and a total energy of −1/4.

    .. math:: \rho(r) = \frac{3}{4 \pi a^3} \Bigl(1 + \frac{r^2}{a^2}\Bigr)^{-5/2}, \qquad a = \frac{3\pi}{16}, \qquad
        f(x, v) \propto (-E)^{7/2}

    Parameters
    ----------
    count : int
        Number N of stars, 1 or more.
    rng : numpy.random.Generator
        What they are drawn by.
    dtype : dtype
        float32 or float64.
    put : callable
        What puts an array where the run computes, such as ``cupy.asarray``.

    Returns
    -------
    Group
        Positions and velocities in three dimensions, charges and masses of 1/N, for a system with ``coupling=-1`` and a
        kernel of exponent 1. Its centre of mass is at rest at the origin.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or out of range.

    Notes
    -----
    The potential energy is −1/2, the kinetic one 1/4 and the virial radius 1, for many stars and no softening; a
    sample's differ by about its size's inverse root. Half of the mass is within 1.305 a = 0.77. There are rare stars
    far out: the model has no edge. S. J. Aarseth, M. Hénon, R. Wielen, Astronomy and Astrophysics 37, 1974.
    """
    check(count, rng, dtype)
    mass = np.nextafter(0, 1) + rng.random(count)  # enclosed by the star's sphere, more than 0 and less than 1
    r = RADIUS / np.sqrt(np.expm1(-2 / 3 * np.log(mass)))
    escape = math.sqrt(2 / RADIUS) * (1 + (r / RADIUS) ** 2) ** -0.25
    x = r[:, None] * directions(count, 3, rng)
    v = (escape * _speeds(count, rng))[:, None] * directions(count, 3, rng)
    return group(put, dtype, x - x.mean(axis=0), v - v.mean(axis=0))


def _speeds(count: int, rng: np.random.Generator) -> np.ndarray:
    """Speeds in parts of that of escape, of density ∝ q² (1 − q²)^(7/2), by rejection."""
    kept = np.empty(0)
    while len(kept) < count:
        q, height = rng.random((2, 4 * count))
        kept = np.concatenate([kept, q[HIGHEST * height < q**2 * (1 - q**2) ** 3.5]])
    return kept[:count]
