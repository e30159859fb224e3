"""The Coulomb kernel of one dimension: charged sheets."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

from ..elementary import literal
from ..profiles import Profile, Work, slope_at
from .kernel import RadialKernel

SHEETS_FLOOR = 2.0**-80
"""Smallest square of a distance in the derivatives of :class:`Sheets`: with it, 1/r³ fits float32."""


class Rising(Profile, NamedTuple("Rising", [("factor", float), ("floor", float)])):
    """f(s) = factor · √s, in whose derivatives s counts as no less than ``floor``: finite at s = 0."""

    __slots__ = ()

    cuda = """
struct Rising {
  Real factor, floor;

  __device__ Real value(Real s) const { return factor * sqrt(s); }
  __device__ Real slope(Real s) const { return Real(0.5) * factor / sqrt(fmax(s, floor)); }
  __device__ Real curvature(Real s) const { return Real(-0.5) * slope(s) / fmax(s, floor); }
};
"""

    def stretched(self, factor: float) -> Rising:
        """The profile with which points stretched by a factor have the values that these points had."""
        return self._replace(factor=self.factor / factor, floor=self.floor * factor * factor)

    def work(self, quick: bool) -> Work:
        """A root."""
        return Work(roots=1.0)

    def rise(self) -> float:
        """Its factor."""
        return self.factor

    def value(self, xp, s):
        """f(s)."""
        return self.factor * xp.sqrt(s)

    def slope(self, xp, s):
        """f′(s) = factor / 2√s."""
        return literal(0.5, s) * self.factor / xp.sqrt(xp.maximum(s, self.floor))

    def curvature(self, xp, s):
        """f″(s) = −f′(s) / 2s."""
        return literal(-0.5, s) * slope_at(self, xp, s) / xp.maximum(s, self.floor)


@dataclass(frozen=True)
class Sheets(RadialKernel):
    r"""Kernel of charged sheets, the Coulomb kernel of one dimension.

    .. math:: k(a, b) = -\tfrac12 \|a - b\|, \qquad -k'' = \delta \quad (m = 1)

    Each sheet has the field ±q/2 on its sides, whatever the distance, and a sum over them is a Poisson equation
    :math:`-\Phi'' = \rho` solved without a grid.

    Notes
    -----
    The kernel is 0 at r = 0 and negative elsewhere, and positive definite only for charges that add up to zero. Its
    field has a step there: a coincident pair's is 0, its mean, and one of a pair nearer than 2^(−40), in the unit of
    length, is less than ½. In a box along a line (:mod:`coulombfield.periodic`) sums are exact and take
    O(N log N); there and in space any charge may be summed.
    """

    @functools.cached_property
    def profile(self) -> Rising:
        """A multiple of the distance."""
        return Rising(-0.5, SHEETS_FLOOR)
