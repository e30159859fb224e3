r"""Sums of doubles without rounding, which therefore do not depend on the order of their terms.

A double is :math:`\pm k\, 2^{e-53}` with an integer k below 2⁵³. The k of all terms with one exponent e are added up
as integers, in two halves so that 2³⁶ terms can't overflow, and the sums of all exponents together as integers of any
length: long accumulators (Kulisch 1971), but by exponents.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..arrays import jit

LOWEST = -1080  # below every exponent of a double
EXPONENTS = 2112
HALF = 26  # bits of the lower half of k


def empty_sum() -> np.ndarray:
    """A sum of no terms; sums of several sets of terms are added up like arrays."""
    return np.zeros((EXPONENTS, 2), np.int64)


def value_of(total: np.ndarray) -> float:
    """The double nearest to a sum; infinite beyond the largest."""
    whole = 0
    exponents = np.flatnonzero(total.any(axis=1))
    if not len(exponents):
        return 0.0
    least = int(exponents[0])
    for index in exponents.tolist():
        high, low = total[index].tolist()
        whole += ((high << HALF) + low) << (index - least)
    try:
        return float(Fraction(whole) * Fraction(2) ** (least + LOWEST - 53))
    except OverflowError:
        return math.copysign(math.inf, whole)


def sum_of(terms: np.ndarray) -> np.ndarray:
    """The sum of an array of doubles; what is not finite is left out."""
    total = empty_sum()
    _add_all(np.ravel(terms).astype(np.float64, copy=False), total)
    return total


@jit(no_cpython_wrapper=True)
def add(term, total):
    """Add a finite double to a sum."""
    mantissa, exponent = math.frexp(term)
    # k and its halves have the sign of the term.
    k = np.int64(mantissa * 9007199254740992.0)
    high = k >> HALF
    total[exponent - LOWEST, 0] += high
    total[exponent - LOWEST, 1] += k - (high << HALF)


@jit
def _add_all(terms, total):
    for i in range(len(terms)):
        if abs(terms[i]) < np.inf:
            add(terms[i], total)
