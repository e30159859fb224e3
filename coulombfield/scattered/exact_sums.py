r"""Sums of doubles without rounding, which therefore do not depend on the order of their terms.

A double is :math:`\pm k\, 2^{e-1075}` with its exponent e ≥ 1 as it is stored and an integer k below 2⁵³. The k of
all terms with one exponent are added up as integers, in two halves so that 2³⁶ terms can't overflow, and the sums of
all exponents together as integers of any length: long accumulators (Kulisch 1971), but by exponents.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..arrays import jit

EXPONENTS = 2**11
UNIT = -1075  # binary exponent of k where e is 0
HALF = 26  # bits of the lower half of k
MANTISSA = 2**52 - 1


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
        return float(Fraction(whole) * Fraction(2) ** (least + UNIT))
    except OverflowError:
        return math.copysign(math.inf, whole)


def sum_of(terms: np.ndarray) -> np.ndarray:
    """The sum of an array of doubles; what is not finite is left out."""
    total = empty_sum()
    _add_all(np.ravel(terms).astype(np.float64, copy=False), total)
    return total


@jit(no_cpython_wrapper=True)
def parts_of(bits):
    """The exponent of a finite double that is not negative, and the halves of its k, from its bits."""
    exponent = bits >> 52
    k = bits & MANTISSA
    if exponent:
        k |= MANTISSA + 1
    else:  # too small for a leading one
        exponent = 1
    return exponent, k >> HALF, k & ((1 << HALF) - 1)


@jit
def _add_all(terms, total):
    of_one = np.empty(1)
    bits = of_one.view(np.int64)
    for i in range(len(terms)):
        size = abs(terms[i])
        if size < np.inf:
            of_one[0] = size
            exponent, high, low = parts_of(bits[0])
            sign = 1 if terms[i] > 0 else -1
            total[exponent, 0] += sign * high
            total[exponent, 1] += sign * low
