"""The Gaussian kernel."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

from ..profiles import Profile, Work, slope_at, value_at
from .kernel import RadialKernel, check_range, store_number


class SquaredExponential(Profile, NamedTuple("SquaredExponential", [("rate", float)])):
    """f(s) = exp(rate · s)."""

    __slots__ = ()

    cuda = """
struct SquaredExponential {
  Real rate;

  __device__ Real value(Real s) const { return exp(rate * s); }
  __device__ Real slope(Real s) const { return rate * value(s); }
  __device__ Real curvature(Real s) const { return rate * slope(s); }
};
"""

    @property
    def length(self) -> float:
        """√2 w: where f is 1/e."""
        return math.sqrt(-1 / self.rate)

    @property
    def smooth_length(self) -> float:
        """That length: its Fourier transform falls faster still."""
        return self.length

    def stretched(self, factor: float) -> SquaredExponential:
        """The profile with which points stretched by a factor have the values that these points had."""
        return SquaredExponential(self.rate / (factor * factor))

    def work(self, quick: bool) -> Work:
        """An exponential."""
        return Work(exponentials=1.0)

    def value(self, xp, s):
        """f(s)."""
        return xp.exp(self.rate * s)

    def slope(self, xp, s):
        """f′(s) = rate · f(s)."""
        return self.rate * value_at(self, xp, s)

    def curvature(self, xp, s):
        """f″(s) = rate · f′(s)."""
        return self.rate * slope_at(self, xp, s)


@dataclass(frozen=True)
class Gaussian(RadialKernel):
    r"""Gaussian kernel, as in maximum mean discrepancy networks.

    .. math:: k(a, b) = \exp\bigl(-\|a - b\|^2 / (2 w^2)\bigr)

    Parameters
    ----------
    width : float
        Standard deviation w > 0 [length].

    Raises
    ------
    TypeError
        If the width is no number.
    ValueError
        If it is not positive and finite, or its square leaves the range of a double.
    """

    width: float

    def __post_init__(self) -> None:
        store_number(self, "width")
        check_range(self, "width")

    @functools.cached_property
    def profile(self) -> SquaredExponential:
        """An exponential of s."""
        return SquaredExponential(-0.5 / (self.width * self.width))
