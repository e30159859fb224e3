r"""Profiles for compiled loops that need neither a root nor a division of the processor, and the scales they wait for.

A sum over charges is linear in the kernel, so that constant factors of f, f′ and f″ may wait until the sum is there.
What is left of :math:`(s + \varepsilon^2)^{-d/2}` and its derivatives are powers of
:math:`y = (1 + s/\varepsilon^2)^{-1/2}`, which is exactly 1 where points coincide. y comes from the processor's
estimate :math:`y_0` and the first terms of a series in the residual :math:`e = 1 - x y_0^2`:

.. math:: x^{-1/2} = y_0 (1 - e)^{-1/2} = y_0 \bigl(1 + \tfrac12 e + \tfrac38 e^2 + \tfrac5{16} e^3 + \dots\bigr).

It holds in a range of x only: :func:`quickened` is told the largest s, and where x may go beyond, it keeps the root and
the division.
"""

from __future__ import annotations

import functools
import math
import sys
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from ...elementary import power_from_one
from ...lanes import (
    fused,
    has_avx512,
    like,
    next_powers,
    reciprocal_root_estimate,
    select,
    static_size,
    wide_reciprocal_root_estimate,
)
from ...profiles import (
    Added,
    GradientSize,
    Laplacian,
    Magnitude,
    Scaled,
    cast,
    curvature_at,
    slope_at,
    value_at,
)
from .tabled_powers import LARGEST_POWER, tabled_power

LARGEST_EXPONENT = 12  # of an integer power; beyond, pow() is no slower than the products
# Binary orders of magnitude that a power of y may fall below 1, in float32 and in float64: what is left to the smallest
# normal number is for the charges. x itself must fit float32, in which the estimate may be made.
ORDERS: dict[Any, float] = {np.float32: 90.0, np.float64: 900.0}
NORMAL = {scalar: (float(np.finfo(scalar).tiny), float(np.finfo(scalar).max)) for scalar in ORDERS}
LARGEST = 2.0**100
# f and f′ at s = 0 in the plain formulas: between what the charges may multiply it by and where it may fall to.
PEAK: dict[Any, float] = {np.float32: 2.0**40, np.float64: 2.0**300}


class Scales(NamedTuple):
    """A profile as three factors and another profile, whose f, f′ and f″ they multiply."""

    value: float
    slope: float
    curvature: float
    profile: Any


class RootPower(NamedTuple):
    """y^d, y^(d+2) and y^(d+4) in the place of f, f′ and f″."""

    inverse: float
    """1/ε²."""
    power: tuple[int, ...]
    """The static size d: the power is compiled to products."""

    def value(self, xp, s):
        """y^d."""
        return next_powers(reciprocal_root(self.inverse * s + like(s, 1)), self.power)[0]

    def slope(self, xp, s):
        """y^(d+2)."""
        return next_powers(reciprocal_root(self.inverse * s + like(s, 1)), self.power)[1]

    def curvature(self, xp, s):
        """y^(d+4)."""
        return next_powers(reciprocal_root(self.inverse * s + like(s, 1)), self.power)[2]


class BareRootPower(NamedTuple):
    """The same with y = 1/√s, the bare Coulomb kernel's: inf where points coincide."""

    power: tuple[int, ...]

    def value(self, xp, s):
        """y^d."""
        return next_powers(bare_reciprocal_root(s), self.power)[0]

    def slope(self, xp, s):
        """y^(d+2)."""
        return next_powers(bare_reciprocal_root(s), self.power)[1]

    def curvature(self, xp, s):
        """y^(d+4)."""
        return next_powers(bare_reciprocal_root(s), self.power)[2]


class HalvedRootPower(NamedTuple):
    """:class:`RootPower` for d = n + ½: √y y^n, √y y^(n+2) and √y y^(n+4)."""

    inverse: float
    power: tuple[int, ...]
    """The static size n."""

    def value(self, xp, s):
        """y^d."""
        y = reciprocal_root(self.inverse * s + like(s, 1))
        return xp.sqrt(y) * next_powers(y, self.power)[0]

    def slope(self, xp, s):
        """y^(d+2)."""
        y = reciprocal_root(self.inverse * s + like(s, 1))
        return xp.sqrt(y) * next_powers(y, self.power)[1]

    def curvature(self, xp, s):
        """y^(d+4)."""
        y = reciprocal_root(self.inverse * s + like(s, 1))
        return xp.sqrt(y) * next_powers(y, self.power)[2]


class RealPower(NamedTuple):
    """The same for any d > 0."""

    inverse: float
    exponent: float
    """−d/2."""

    def value(self, xp, s):
        """x^(−d/2)."""
        return power_from_one(self.inverse * s + like(s, 1), self.exponent)

    def slope(self, xp, s):
        """x^(−d/2 − 1)."""
        reciprocal = like(s, 1) / (self.inverse * s + like(s, 1))
        return reciprocal * value_at(self, xp, s)

    def curvature(self, xp, s):
        """x^(−d/2 − 2)."""
        reciprocal = like(s, 1) / (self.inverse * s + like(s, 1))
        return reciprocal * reciprocal * value_at(self, xp, s)


class Weighted(NamedTuple):
    """:class:`Scales` as a profile."""

    weight: float
    slope_weight: float
    curvature_weight: float
    profile: Any

    def value(self, xp, s):
        """f(s)."""
        return self.weight * value_at(self.profile, xp, s)

    def slope(self, xp, s):
        """f′(s)."""
        return self.slope_weight * slope_at(self.profile, xp, s)

    def curvature(self, xp, s):
        """f″(s)."""
        return self.curvature_weight * curvature_at(self.profile, xp, s)


def merged(profile: Any, scalar: Any, largest: float, derivatives: int) -> Any:
    """What :func:`quickened` gives as one profile, for sums in which f, f′ and f″ mix."""
    *scales, rest = quickened(profile, scalar, largest, derivatives)
    if not _fit(scales[: derivatives + 1], scalar):
        scales, rest = [1.0, 1.0, 1.0], cast(profile, scalar)
    weights = [scalar(scale if k <= derivatives else 1.0) for k, scale in enumerate(scales)]
    return Weighted(weights[0], weights[1], weights[2], rest)


def quickened(profile: Any, scalar: Any, largest: float, derivatives: int) -> Scales:
    """The profile for compiled loops, with numbers of the type ``scalar``.

    Parameters
    ----------
    profile : profile
        One of :mod:`coulombfield.profiles`.
    scalar : type
        numpy.float32 or numpy.float64.
    largest : float
        Bound of every s; NaN or inf if there is none.
    derivatives : int
        How many derivatives of f are wanted.
    """
    known = _of_order(profile, scalar, math.frexp(largest)[1], derivatives) if 0 < largest < math.inf else None
    return known or _quickened(profile, scalar, largest, derivatives)


@functools.lru_cache
def _of_order(profile, scalar, order, derivatives):
    """What :func:`quickened` gives for every ``largest`` from 2^(order−1) up to 2^order, if that is one and the same.

    Whether y will do depends on a bound of ``largest``, so that what both ends give, all between them do.
    """
    if order > sys.float_info.max_exp - 1:
        return None
    ends = [_quickened(profile, scalar, 2.0**power, derivatives) for power in (order - 1, order)]
    return ends[0] if ends[0] == ends[1] else None


def _quickened(profile, scalar, largest, derivatives):
    def inner(profile, derivatives=derivatives):
        return _quickened(profile, scalar, largest, derivatives)

    # what a composition multiplies by goes into the scales, so that loops sum what is left
    if profile.is_power:
        return _quick_power(profile, scalar, largest, derivatives)
    if isinstance(profile, Scaled):
        value, slope, curvature, rest = inner(profile.profile)
        return Scales(profile.weight * value, profile.weight * slope, profile.weight * curvature, rest)
    if isinstance(profile, Magnitude):
        value, _, _, rest = inner(profile.profile)
        return Scales(abs(value), 1.0, 1.0, Magnitude(rest))
    if isinstance(profile, GradientSize):
        _, slope, _, rest = inner(profile.profile, 1)
        return Scales(abs(slope), 1.0, 1.0, GradientSize(rest))
    if isinstance(profile, Laplacian):
        _, slope, curvature, rest = inner(profile.profile, 2)
        relative = profile.four * curvature / slope if slope else 0.0
        return Scales(slope, 1.0, 1.0, Laplacian(rest, scalar(relative), scalar(profile.twice_dimension)))
    if isinstance(profile, Added):
        return Scales(1.0, 1.0, 1.0, Added(*[merged(part, scalar, largest, derivatives) for part in profile]))
    return _plain(profile, scalar)


def _quick_power(profile, scalar, largest, derivatives):
    half, bare = profile.half_exponent, profile.shift == 0
    largest_x = largest / profile.numerator + 1
    slope = profile.peak * profile.slope_factor
    scales = profile.peak, slope, slope * profile.curvature_factor
    inverse, exponent = 1 / profile.numerator, 2 * half
    if not all(map(math.isfinite, scales[: derivatives + 1])):
        return _plain(profile, scalar)
    quick = largest_x <= LARGEST and math.log2(largest_x) * (half + derivatives) <= ORDERS[scalar]
    if not bare and not (quick and _fit([inverse], scalar)):
        unit = type(profile)(profile.numerator, profile.shift, PEAK[scalar], half, 1.0, 1.0)
        value, slope, curvature = (scale / PEAK[scalar] for scale in scales)
        return Scales(value, slope, curvature, cast(unit, scalar))
    if quick and exponent.is_integer() and exponent <= LARGEST_EXPONENT:
        power = static_size(int(exponent))
        return Scales(*scales, BareRootPower(power) if bare else RootPower(scalar(inverse), power))
    if bare:
        return _plain(profile, scalar)
    if (2 * exponent).is_integer() and exponent <= LARGEST_EXPONENT:
        return Scales(*scales, HalvedRootPower(scalar(inverse), static_size(int(exponent))))
    if has_avx512() and half <= LARGEST_POWER:
        return Scales(*scales, tabled_power(inverse, half, scalar))
    return Scales(*scales, RealPower(scalar(inverse), scalar(-half)))


def _plain(profile, scalar):
    return Scales(1.0, 1.0, 1.0, cast(profile, scalar))


def _fit(numbers, scalar):
    """Whether the numbers are normal in a dtype, or 0."""
    least, most = NORMAL[scalar]
    return all(number == 0 or least <= abs(number) <= most for number in numbers)


def reciprocal_root(x):
    """1/√x for 1 ≤ x ≤ 2^100, exactly 1 for 1; within 1.1 units of rounding, in float64 1.3."""
    raise NotImplementedError("a function for compiled loops")


def bare_reciprocal_root(x):
    """1/√x for 0 ≤ x ≤ 2^100, inf for 0."""
    raise NotImplementedError("a function for compiled loops")


@overload(reciprocal_root)
def _reciprocal_root(x):
    return lambda x: _refined(x, reciprocal_root_estimate(x))


@overload(bare_reciprocal_root)
def _bare_reciprocal_root(x):
    def compiled(x):
        estimate = wide_reciprocal_root_estimate(x)
        return select(estimate < like(x, np.inf), _refined(x, estimate), estimate)

    return compiled


def _refined(x, estimate):
    """1/√x from an estimate with a relative error of 2^−14 or less."""


@overload(_refined)
def _refined_overload(x, estimate):
    def single(x, estimate):
        e = fused(-(x * estimate), estimate, 1.0)
        return fused(estimate * like(x, 0.5), e, estimate)

    def double(x, estimate):
        e = fused(-(x * estimate), estimate, 1.0)
        return fused(estimate * e, fused(fused(e, 0.3125, like(x, 0.375)), e, like(x, 0.5)), estimate)

    return single if x.dtype == types.float32 else double
