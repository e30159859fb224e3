"""The bare inverse power of the distance."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from .inverse_power import InversePower
from .kernel import RadialKernel, store_number


@dataclass(frozen=True)
class Coulomb(RadialKernel):
    r"""Bare inverse power of the distance.

    .. math:: k(a, b) = \|a - b\|^{-d}

    Parameters
    ----------
    exponent : float
        Decay d > 0; d = m − 2 is the Coulomb potential of m ≥ 3 dimensions.

    Raises
    ------
    TypeError
        If the exponent is no number.
    ValueError
        If it is not positive and finite, or so small that it leaves the range of a double.

    Notes
    -----
    Where a target and a charge coincide, the arithmetic's own answer stands: inf for the value, NaN for the
    derivatives. ``exclude_self=True`` leaves out each charge's term with itself.
    """

    exponent: float

    def __post_init__(self) -> None:
        store_number(self, "exponent")

    @functools.cached_property
    def profile(self) -> InversePower:
        """An inverse power of s."""
        return InversePower.with_exponent(self.exponent, numerator=1.0, shift=0.0, peak=1.0)
