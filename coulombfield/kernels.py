r"""Radial kernels: functions of s = r² with two derivatives.

With :math:`k(a, b) = f(s)` and :math:`s = \|a - b\|^2` in m dimensions,

.. math:: \nabla_a k = 2 f'(s)\,(a - b), \qquad \nabla_a^2 k = 4 s f''(s) + 2 m f'(s).

A kernel checks its parameters and turns them into a profile (:mod:`coulombfield.profiles`).
"""

from __future__ import annotations

import abc
import functools
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import finite_number
from .arrays import Array, backend
from .profiles import Added, Exponential, InversePower, Scaled, SquaredExponential, numbers_of

LAPLACE_FLOOR = 2.0**-30
"""Shortest distance, in widths, in the derivatives of :class:`Laplace`: with it, 1/(w r³) fits float32 for w > 1e-3."""


class RadialKernel(abc.ABC):
    """A kernel k(a, b) = f(‖a − b‖²).

    ``kernel + kernel`` and ``number * kernel`` are kernels again. With positive numbers a sum of positive definite
    kernels is one too.
    """

    __array_ufunc__ = None  # so that an array times a kernel is an error, not an array of kernels

    @property
    @abc.abstractmethod
    def profile(self) -> Any:
        """The formulas, with the parameters as Python floats."""

    def value(self, squared_distance: Array) -> Array:
        """f(s) for an array of squared distances s [length²]."""
        return self.profile.value(backend(squared_distance=squared_distance), squared_distance)

    def slope(self, squared_distance: Array) -> Array:
        """f′(s), the derivative by s, for an array of squared distances s [length²]."""
        return self.profile.slope(backend(squared_distance=squared_distance), squared_distance)

    def curvature(self, squared_distance: Array) -> Array:
        """f″(s), the second derivative by s, for an array of squared distances s [length²]."""
        return self.profile.curvature(backend(squared_distance=squared_distance), squared_distance)

    def softening_derivative(self) -> RadialKernel:
        """∂k/∂ε as a kernel.

        Raises
        ------
        TypeError
            If the kernel has no softening ε, or more than one.
        """
        raise TypeError(f"kernel: expected one softening to differentiate by, but {self} has none or several")

    def __add__(self, other: Any) -> RadialKernel:
        return KernelSum(self, other) if isinstance(other, RadialKernel) else NotImplemented

    def __rmul__(self, weight: float) -> RadialKernel:
        return ScaledKernel(weight, self)


def check_kernel(kernel: Any) -> None:
    """Raise unless an argument is a kernel."""
    if not isinstance(kernel, RadialKernel):
        raise TypeError(f"kernel: expected a RadialKernel such as Plummer(), got {type(kernel).__name__}")


def value_at_zero(kernel: RadialKernel) -> float:
    """k(a, a), which is infinite for a bare inverse power."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(kernel.value(np.zeros(1))[0])


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
        _store_number(self, "exponent")
        _store_number(self, "softening")
        _check_range(self, "softening")

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
        _store_number(self, "exponent")

    @functools.cached_property
    def profile(self) -> InversePower:
        """An inverse power of s."""
        return InversePower.with_exponent(self.exponent, numerator=1.0, shift=0.0, peak=1.0)


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
        _store_number(self, "width")
        _check_range(self, "width")

    @functools.cached_property
    def profile(self) -> SquaredExponential:
        """An exponential of s."""
        return SquaredExponential(-0.5 / (self.width * self.width))


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
        _store_number(self, "width")
        _check_range(self, "width")

    @functools.cached_property
    def profile(self) -> Exponential:
        """An exponential of the distance."""
        return Exponential(-1.0 / self.width, LAPLACE_FLOOR * self.width, 1.0, 0.5)


@dataclass(frozen=True)
class ScaledKernel(RadialKernel):
    """A finite number times a kernel, written ``weight * kernel``."""

    weight: float
    kernel: RadialKernel

    def __post_init__(self) -> None:
        _store_number(self, "weight", positive=False)

    @functools.cached_property
    def profile(self) -> Scaled:
        """The kernel's profile times the weight."""
        return Scaled(self.weight, self.kernel.profile)

    def softening_derivative(self) -> RadialKernel:
        """The weight times that of the kernel."""
        return ScaledKernel(self.weight, self.kernel.softening_derivative())


@dataclass(frozen=True)
class KernelSum(RadialKernel):
    """The sum of two kernels, written ``left + right``."""

    left: RadialKernel
    right: RadialKernel

    @functools.cached_property
    def profile(self) -> Added:
        """The sum of both profiles."""
        return Added(self.left.profile, self.right.profile)


def _store_number(kernel: RadialKernel, name: str, *, positive: bool = True) -> None:
    """Replace a parameter by the float that it is, or say why it can't be one."""
    given = getattr(kernel, name)
    number = finite_number(name, given, "positive" if positive else "")
    if positive and number < sys.float_info.min:  # half an exponent of 5e-324 would be 0, and the kernel a constant
        raise ValueError(
            f"{name}: expected at least {sys.float_info.min}, got {given}, which leaves the range of a double"
        )
    object.__setattr__(kernel, name, number)


def _check_range(kernel: Plummer | Gaussian | Laplace, name: str) -> None:
    """Raise if a power of the parameters is too large or too small for a double."""
    try:
        in_range = all(0 < abs(number) < math.inf for number in numbers_of(kernel.profile))
    except (OverflowError, ZeroDivisionError):
        in_range = False
    if not in_range:
        raise ValueError(f"{name}: in {kernel} a power of it leaves the range of a double")
