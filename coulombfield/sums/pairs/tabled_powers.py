r"""Real powers of x ≥ 1 from tables in registers, at the cost of some twenty operations; see :class:`TabledPower`."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ...lanes import TABLE_SIZE, fused, like, lookup, polynomial, significand_and_places
from ...profiles import value_at

LARGEST_POWER = 4.0
"""Of 1/x: up to it, the series is right to half a unit of rounding."""
TERMS: dict[Any, int] = {np.float32: 5, np.float64: 10}
WIDTH = 1 / 32
"""Largest |r|."""


class TabledPower(NamedTuple):
    r"""x^(−a), x^(−a−1) and x^(−a−2) with x = 1 + s/ε² for f, f′ and f″, with 0 < a ≤ 4; exactly 1 for x = 1.

    With x = 2^e m, and j = 16 (m − 1) to the nearest integer, c ≈ 1/(1 + j/16) from a table and r = c m − 1, rounded
    once, at most 1/32 in size,

    .. math:: x^{-a} = c^a \, 2^{-ae} \, (1 + r)^{-a}, \qquad
              2^{-ae} = 2^{-a (e \bmod 16)} \, 2^{-16 a \lfloor e / 16 \rfloor},

    where the first three factors come from tables and the last is a series, by Chebyshev's polynomials. Within 3.5
    units in the last place.
    """

    inverse: Any
    """1/ε²."""
    centres: tuple[float, ...]
    """c by j."""
    of_centres: tuple[float, ...]
    """c^a."""
    of_twos: tuple[float, ...]
    """2^(−ae)."""
    of_sixteens: tuple[float, ...]
    """2^(−16ae)."""
    series: tuple[float, ...]
    """Coefficients of ((1 + r)^(−a) − 1) / r."""

    def value(self, xp, s):
        """x^(−a)."""
        m, j, e, h = significand_and_places(self.inverse * s + like(s, 1))
        r = fused(lookup(self.centres, j), m, like(s, -1))
        factor = lookup(self.of_centres, j) * (lookup(self.of_twos, e) * lookup(self.of_sixteens, h))
        return fused(factor * r, polynomial(r, self.series), factor)

    def slope(self, xp, s):
        """x^(−a−1)."""
        return value_at(self, xp, s) / (self.inverse * s + like(s, 1))

    def curvature(self, xp, s):
        """x^(−a−2)."""
        reciprocal = like(s, 1) / (self.inverse * s + like(s, 1))
        return reciprocal * reciprocal * value_at(self, xp, s)


@functools.lru_cache
def tabled_power(inverse: float, power: float, scalar: Any) -> TabledPower:
    """The profile with its tables, as numbers of the type ``scalar``."""
    centres = [float(scalar(1 / (1 + j / TABLE_SIZE))) for j in range(TABLE_SIZE)]
    tables = (
        centres,
        [c**power for c in centres],
        [_power_of_two(-Fraction(power) * e) for e in range(TABLE_SIZE)],
        [_power_of_two(-Fraction(power) * e * TABLE_SIZE) for e in range(TABLE_SIZE)],
        _series(power, TERMS[scalar]),
    )
    return TabledPower(scalar(inverse), *(tuple(map(scalar, table)) for table in tables))


def _power_of_two(power: Fraction) -> float:
    """2^power, rounded once or twice; 0 far below the normal numbers."""
    whole = math.floor(power)
    return math.ldexp(2.0 ** float(power - whole), max(whole, -2000))


def _series(power: float, terms: int) -> list[float]:
    """Coefficients of a polynomial in r for ((1 + r)^(−a) − 1) / r, |r| ≤ :data:`WIDTH`."""
    from numpy.polynomial import chebyshev  # which NumPy loads for who asks

    taylor, coefficient = [], 1.0
    for n in range(2 * terms):
        coefficient *= -(power + n) / (n + 1)
        taylor.append(coefficient * WIDTH**n)
    economised = chebyshev.cheb2poly(chebyshev.poly2cheb(taylor)[:terms])
    return [float(value) / WIDTH**n for n, value in enumerate(economised)]
