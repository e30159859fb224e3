"""The exponential kernel, which has a tip at distance 0."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

from ..elementary import literal
from ..profiles import Profile, Work, slope_at, value_at
from .kernel import RadialKernel, check_range, store_number

LAPLACE_FLOOR = 2.0**-30
"""Shortest distance, in widths, in the derivatives of :class:`Laplace`: with it, 1/(w r³) fits float32 for w > 1e-3."""


class Exponential(Profile, NamedTuple("Exponential", [("rate", float), ("floor", float)])):
    """f(s) = exp(rate · r) with r = √s, in whose derivatives r counts as no less than ``floor``: finite at s = 0."""

    __slots__ = ()

    cuda = """
struct Exponential {
  Real rate, floor;

  __device__ Real value(Real s) const { return exp(rate * sqrt(s)); }
  __device__ Real slope(Real s) const { return Real(0.5) * rate / fmax(sqrt(s), floor) * value(s); }

  __device__ Real curvature(Real s) const {
    const Real r = fmax(sqrt(s), floor);
    return Real(0.5) * (rate - Real(1) / r) / r * slope(s);
  }
};
"""

    @property
    def length(self) -> float:
        """w: where f is 1/e."""
        return -1 / self.rate

    def stretched(self, factor: float) -> Exponential:
        """The profile with which points stretched by a factor have the values that these points had."""
        return self._replace(rate=self.rate / factor, floor=self.floor * factor)

    def work(self, quick: bool) -> Work:
        """An exponential."""
        return Work(exponentials=1.0)

    def value(self, xp, s):
        """f(s)."""
        return xp.exp(self.rate * xp.sqrt(s))

    def slope(self, xp, s):
        """f′(s) = rate f(s) / 2r."""
        return literal(0.5, s) * self.rate / xp.maximum(xp.sqrt(s), self.floor) * value_at(self, xp, s)

    def curvature(self, xp, s):
        """f″(s) = (rate − 1/r) f′(s) / 2r."""
        r = xp.maximum(xp.sqrt(s), self.floor)
        return literal(0.5, s) * (self.rate - literal(1.0, s) / r) / r * slope_at(self, xp, s)


@dataclass(frozen=True)
class Laplace(RadialKernel):
    r"""Exponential kernel.

    .. math:: k(a, b) = \exp(-\|a - b\| / w)

    Parameters
    ----------
    width : float
        Decay length w > 0 [length].

    Raises
    ------
    TypeError
        If the width is no number.
    ValueError
        If it is not positive and finite.

    Notes
    -----
    The kernel has a tip at r = 0. The derivatives take r as no less than 2^(−30) w: the gradient of a coincident pair
    is 0, its mean over directions, and the Laplacian, which has no limit there, is a very large negative number.
    """

    width: float

    def __post_init__(self) -> None:
        store_number(self, "width")
        check_range(self, "width")

    @functools.cached_property
    def profile(self) -> Exponential:
        """An exponential of the distance."""
        return Exponential(-1.0 / self.width, LAPLACE_FLOOR * self.width)
