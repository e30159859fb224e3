r"""Splitting inverse powers into a smooth part, for Fourier series, and a part of short range, for lists of neighbours.

With x = s + ε² every inverse power is a mixture over lengths λ of one and the same bump h,

.. math:: x^{-d/2} \propto \int_0^\infty \lambda^{-d-1}\, h(\sqrt{x}/\lambda)\, d\lambda .

The lengths above R make the smooth part, the others the rest. For h = exp(−v²) these are the incomplete gamma functions
of Ewald's split. Here h is the Kaiser–Bessel bump instead, :math:`h(v) = I_0(\beta\sqrt{1 - v^2})` and 0 for v > 1: the
rest then vanishes beyond :math:`r_c = (R^2 - \varepsilon^2)^{1/2}`, and but for some :math:`e^{-\beta}` the smooth part
holds no wave number above β/R. With Gaussians, the product of range and largest wave number is twice as large for the
same error. For the Coulomb kernel of three dimensions Liang, Lu, Barnett, Greengard and Jiang (2025, arXiv:2505.09727)
use a prolate function in this way. With y = x/R², the smooth part is :math:`x^{-d/2}` where y ≥ 1 and within

.. math:: R^{-d} G(y), \qquad G(y) = \frac{\int_0^1 w^{d/2-1} I_0(\beta\sqrt{1 - y w})\, dw}
                                        {\int_0^1 w^{d/2-1} I_0(\beta\sqrt{1 - w})\, dw}.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy  # whose parts load when they are first used

QUADRATURE = 32  # Gauss–Jacobi nodes: rounding is all that is left up to β = 40
MOST_TERMS = 33  # of the polynomial: enough for 1e-16 at β = 36
LENGTHS = (12, 20, MOST_TERMS)  # of polynomials: loops are compiled for each length that occurs


class Split(NamedTuple):
    """A profile's smooth part: the profile itself for s ≥ cutoff, a polynomial in 2 s / cutoff − 1 below."""

    profile: Any
    cutoff: float
    """Square of the range r_c of the short part [length²]."""
    coefficients: np.ndarray
    """Coefficients of the powers of 2 s / cutoff − 1, in ascending order."""

    @property
    def slopes(self) -> np.ndarray:
        """Coefficients of the polynomial's derivative by s, as many as its own."""
        powers = np.arange(1.0, len(self.coefficients))
        return np.append(self.coefficients[1:] * powers, 0.0) * (2 / self.cutoff)

    def smooth(self, s: np.ndarray) -> np.ndarray:
        """The smooth part for any s, in float64."""
        near = s < self.cutoff
        inside = np.polynomial.polynomial.polyval(2 / self.cutoff * s[near] - 1, self.coefficients)
        values = self.profile.value(np, np.maximum(s, self.cutoff))
        values[near] = inside
        return values

    def smooth_slope(self, s: np.ndarray) -> np.ndarray:
        """The smooth part's derivative by s."""
        near = s < self.cutoff
        inside = np.polynomial.polynomial.polyval(2 / self.cutoff * s[near] - 1, self.slopes)
        values = self.profile.slope(np, np.maximum(s, self.cutoff))
        values[near] = inside
        return values


def split(profile: Any, reach: float, beta: float, error: float) -> Split:
    """Split a sum of inverse powers.

    Parameters
    ----------
    profile : profile
        A sum of inverse powers.
    reach : float
        Range r_c of the short part [length].
    beta : float
        Shape β of the bump; the split's own error is about e^(−β) of the smooth part's largest value.
    error : float
        Error that the polynomial may have, relative to its largest value.
    """
    terms = profile.inverse_powers()
    assert terms, "refused before"
    cutoff = reach * reach

    def inside(u: np.ndarray) -> np.ndarray:
        s = (u + 1) * (cutoff / 2)
        values = np.zeros_like(s)
        for factor, numerator, shift, d in terms:
            square = cutoff + shift
            values += factor * (numerator / square) ** (d / 2) * _mixture((s + shift) / square, d, beta)
        return values

    series: Any = np.polynomial.chebyshev.chebinterpolate(inside, MOST_TERMS - 1)
    remainders = np.cumsum(np.abs(series[::-1]))[::-1]
    needed = max(2, int(np.count_nonzero(remainders > error * remainders[0])))
    length = next(length for length in LENGTHS if length >= needed)
    coefficients = np.zeros(length)
    powers = np.polynomial.chebyshev.cheb2poly(series[:needed])
    coefficients[: len(powers)] = powers
    return Split(profile, cutoff, coefficients)


def _mixture(y: np.ndarray, exponent: float, beta: float) -> np.ndarray:
    """G(y) for 0 ≤ y ≤ 1."""
    # The nodes' weight holds the power of w, which may be singular, so that what is left is an entire function.
    nodes, weights = scipy.special.roots_jacobi(QUADRATURE, 0, exponent / 2 - 1)
    w = (nodes + 1) / 2
    return _bump(np.multiply.outer(y, w), beta) @ weights / (_bump(w, beta) @ weights)


def _bump(square: np.ndarray, beta: float) -> np.ndarray:
    """h(v) / e^β for squares v² from 0 to 1."""
    root = np.sqrt(np.maximum(1 - square, 0))  # rounding may bring a square above 1
    return scipy.special.i0e(beta * root) * np.exp(beta * (root - 1))
