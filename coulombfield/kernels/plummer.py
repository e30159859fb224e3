"""The softened Coulomb kernel of the paper, Eq 5."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from .inverse_power import InversePower
from .kernel import RadialKernel, ScaledKernel, check_range, store_number


@dataclass(frozen=True)
class Plummer(RadialKernel):
    r"""Plummer kernel: the Coulomb potential softened at short range.

    .. math:: k(a, b) = \bigl(\|a - b\|^2 + \varepsilon^2\bigr)^{-d/2} \qquad \text{(Eq 5)}

    Parameters
    ----------
    exponent : float
        Decay d > 0. The authors' program calls d = 1 "dimension 3", and 1 is what gave the paper's results; Eq 5 read
        literally with the paper's d = 3 is ``exponent=3``.
    softening : float
        Short-range length ε > 0 [length].

    Raises
    ------
    TypeError
        If a parameter is no number.
    ValueError
        If one is not positive and finite, or a power of them leaves the range of a double.

    Notes
    -----
    The inverse multiquadric: strictly positive definite in every dimension for every d > 0. Its values lie in
    (0, ε^(−d)] [length^(−d)]; k(a, a) is ε^(−d) computed as a double and rounded once to the arrays' dtype.
    """

    exponent: float = 1.0
    softening: float = 1.0

    def __post_init__(self) -> None:
        store_number(self, "exponent")
        store_number(self, "softening")
        check_range(self, "softening")

    @functools.cached_property
    def profile(self) -> InversePower:
        """An inverse power of s."""
        square = self.softening * self.softening
        return InversePower.with_exponent(
            self.exponent, numerator=square, shift=square, peak=self.softening**-self.exponent
        )

    def softening_derivative(self) -> RadialKernel:
        """∂k/∂ε = −d ε (r² + ε²)^(−d/2 − 1) [length^(−d − 1)]: a Plummer kernel again, two exponents on."""
        return ScaledKernel(-self.exponent * self.softening, Plummer(self.exponent + 2, self.softening))
