r"""Radial profiles f(s), f′(s) and f″(s) of the kernels, s = r², written once for arrays and for compiled loops.

A profile is a named tuple of floats with the methods ``value``, ``slope`` and ``curvature``. Called with arrays, ``xp``
is the namespace of their library; a loop compiled by Numba inlines the same method for a scalar s, with ``xp`` = NumPy.
So that both work, and a float32 stays one, a formula has no branch and no literal, and calls another formula by
:func:`value_at`, :func:`slope_at` or :func:`curvature_at`. Only the type of a profile is compiled in: its numbers may
change at every training step for free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from .arrays import Array


def value_at(self: Any, xp: ModuleType, s: Array) -> Array:
    """f(s) of a profile."""
    return self.value(xp, s)


def slope_at(self: Any, xp: ModuleType, s: Array) -> Array:
    """f′(s) of a profile, the derivative by s."""
    return self.slope(xp, s)


def curvature_at(self: Any, xp: ModuleType, s: Array) -> Array:
    """f″(s) of a profile, the second derivative by s."""
    return self.curvature(xp, s)


def numbers_of(profile: Any) -> Iterator[float]:
    """Every number in a profile and in those nested in it."""
    for number in profile:
        if isinstance(number, tuple):
            yield from numbers_of(number)
        else:
            yield number


def cast(profile: Any, scalar: Callable[[float], Any]) -> Any:
    """The same profile with each number turned into another type of scalar."""
    return type(profile)(*[cast(number, scalar) if isinstance(number, tuple) else scalar(number) for number in profile])


class InversePower(NamedTuple):
    """f(s) = peak · (numerator / (shift + s))^(d/2).

    With numerator = shift = ε² the fraction at s = 0 is exactly 1, so that k(a, a) is ``peak`` to the last bit: the
    double ε^(−d), rounded once to the arrays' dtype. The subclasses stand for the exponents that need no pow().
    """

    numerator: float
    shift: float
    peak: float
    half_exponent: float
    slope_factor: float
    curvature_factor: float

    @staticmethod
    def with_exponent(exponent: float, *, numerator: float, shift: float, peak: float) -> InversePower:
        """Profile of the cheapest type that serves this exponent."""
        cheap = {1.0: InversePower1, 2.0: InversePower2, 3.0: InversePower3, 4.0: InversePower4}
        half = exponent / 2
        factors = -half / numerator, -(half + 1) / numerator
        return cheap.get(exponent, InversePower)(numerator, shift, peak, half, *factors)

    @property
    def length(self) -> float | None:
        """ε, or None for the bare inverse power, which has no length of its own."""
        return math.sqrt(self.shift) or None

    def stretched(self, factor: float) -> InversePower:
        """The profile with which points stretched by a factor have the values that these points had."""
        square = factor * factor
        if self.shift == 0:
            return self._replace(peak=self.peak * factor ** (2 * self.half_exponent))
        return self._replace(
            numerator=self.numerator * square,
            shift=self.shift * square,
            slope_factor=self.slope_factor / square,
            curvature_factor=self.curvature_factor / square,
        )

    def value(self, xp, s):
        """f(s)."""
        return self.peak * (self.numerator / (self.shift + s)) ** self.half_exponent

    def slope(self, xp, s):
        """f′(s) = −(d/2) f(s) / (shift + s)."""
        return self.slope_factor * (self.numerator / (self.shift + s)) * value_at(self, xp, s)

    def curvature(self, xp, s):
        """f″(s) = −(d/2 + 1) f′(s) / (shift + s)."""
        return self.curvature_factor * (self.numerator / (self.shift + s)) * slope_at(self, xp, s)


class InversePower1(InversePower):
    """d = 1."""

    def value(self, xp, s):
        """f(s)."""
        return self.peak * xp.sqrt(self.numerator / (self.shift + s))


class InversePower2(InversePower):
    """d = 2."""

    def value(self, xp, s):
        """f(s)."""
        return self.peak * (self.numerator / (self.shift + s))


class InversePower3(InversePower):
    """d = 3."""

    def value(self, xp, s):
        """f(s)."""
        fraction = self.numerator / (self.shift + s)
        return self.peak * (fraction * xp.sqrt(fraction))


class InversePower4(InversePower):
    """d = 4."""

    def value(self, xp, s):
        """f(s)."""
        fraction = self.numerator / (self.shift + s)
        return self.peak * (fraction * fraction)


class SquaredExponential(NamedTuple):
    """f(s) = exp(rate · s)."""

    rate: float

    @property
    def length(self) -> float:
        """√2 w: where f is 1/e."""
        return math.sqrt(-1 / self.rate)

    def stretched(self, factor: float) -> SquaredExponential:
        """See :class:`InversePower`."""
        return SquaredExponential(self.rate / (factor * factor))

    def value(self, xp, s):
        """f(s)."""
        return xp.exp(self.rate * s)

    def slope(self, xp, s):
        """f′(s) = rate · f(s)."""
        return self.rate * value_at(self, xp, s)

    def curvature(self, xp, s):
        """f″(s) = rate · f′(s)."""
        return self.rate * slope_at(self, xp, s)


class Exponential(NamedTuple):
    """f(s) = exp(rate · r) with r = √s, in whose derivatives r counts as no less than ``floor``: finite at s = 0."""

    rate: float
    floor: float
    one: float
    half: float

    @property
    def length(self) -> float:
        """w: where f is 1/e."""
        return -1 / self.rate

    def stretched(self, factor: float) -> Exponential:
        """See :class:`InversePower`."""
        return self._replace(rate=self.rate / factor, floor=self.floor * factor)

    def value(self, xp, s):
        """f(s)."""
        return xp.exp(self.rate * xp.sqrt(s))

    def slope(self, xp, s):
        """f′(s) = rate f(s) / 2r."""
        return self.half * self.rate / xp.maximum(xp.sqrt(s), self.floor) * value_at(self, xp, s)

    def curvature(self, xp, s):
        """f″(s) = (rate − 1/r) f′(s) / 2r."""
        r = xp.maximum(xp.sqrt(s), self.floor)
        return self.half * (self.rate - self.one / r) / r * slope_at(self, xp, s)


class Scaled(NamedTuple):
    """A weight times another profile."""

    weight: float
    profile: Any

    @property
    def length(self) -> float | None:
        """Length of the other profile."""
        return self.profile.length

    def stretched(self, factor: float) -> Scaled:
        """See :class:`InversePower`."""
        return Scaled(self.weight, self.profile.stretched(factor))

    def value(self, xp, s):
        """f(s)."""
        return self.weight * value_at(self.profile, xp, s)

    def slope(self, xp, s):
        """f′(s)."""
        return self.weight * slope_at(self.profile, xp, s)

    def curvature(self, xp, s):
        """f″(s)."""
        return self.weight * curvature_at(self.profile, xp, s)


class Added(NamedTuple):
    """The sum of two profiles."""

    left: Any
    right: Any

    @property
    def length(self) -> float | None:
        """The shorter of both profiles' lengths."""
        return min((length for length in (self.left.length, self.right.length) if length is not None), default=None)

    def stretched(self, factor: float) -> Added:
        """See :class:`InversePower`."""
        return Added(self.left.stretched(factor), self.right.stretched(factor))

    def value(self, xp, s):
        """f(s)."""
        return value_at(self.left, xp, s) + value_at(self.right, xp, s)

    def slope(self, xp, s):
        """f′(s)."""
        return slope_at(self.left, xp, s) + slope_at(self.right, xp, s)

    def curvature(self, xp, s):
        """f″(s)."""
        return curvature_at(self.left, xp, s) + curvature_at(self.right, xp, s)


class Laplacian(NamedTuple):
    """∇²k in m dimensions, 4 s f″(s) + 2 m f′(s), as a profile of its own; it has a value only."""

    profile: Any
    four: float
    twice_dimension: float

    @staticmethod
    def of(profile: Any, dimension: int) -> Laplacian:
        """Laplacian of a kernel with this profile in that many dimensions."""
        return Laplacian(profile, 4.0, 2.0 * dimension)

    def value(self, xp, s):
        """4 s f″(s) + 2 m f′(s)."""
        return self.four * s * curvature_at(self.profile, xp, s) + self.twice_dimension * slope_at(self.profile, xp, s)


class Magnitude(NamedTuple):
    """The size |f(s)| of another profile; it has a value only."""

    profile: Any

    def value(self, xp, s):
        """|f(s)|."""
        return xp.abs(value_at(self.profile, xp, s))


class GradientSize(NamedTuple):
    """The length 2 |f′(s)| r of another profile's gradient, as a profile; it has a value only."""

    profile: Any
    two: float

    def value(self, xp, s):
        """2 |f′(s)| √s."""
        return self.two * xp.abs(slope_at(self.profile, xp, s)) * xp.sqrt(s)
