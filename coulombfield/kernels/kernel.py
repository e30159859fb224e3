"""What all kernels have in common, and multiples and sums of kernels."""

from __future__ import annotations

import abc
import functools
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import finite_number
from ..arrays import Array, backend
from ..profiles import Added, Profile, Scaled, numbers_of


class RadialKernel(abc.ABC):
    """A kernel k(a, b) = f(‖a − b‖²).

    ``kernel + kernel`` and ``number * kernel`` are kernels again. With positive numbers a sum of positive definite
    kernels is one too.
    """

    __array_ufunc__ = None  # so that an array times a kernel is an error, not an array of kernels

    @property
    @abc.abstractmethod
    def profile(self) -> Any:
        """The formulas, with the parameters as Python floats (``coulombfield.profiles``)."""

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
    if not isinstance(kernel, RadialKernel) or not isinstance(kernel.profile, Profile):
        given = kernel.__name__ if isinstance(kernel, type) else type(kernel).__name__
        raise TypeError(
            f"kernel: expected a RadialKernel such as Plummer(), got {given}; functions of your own become one by "
            "coulombfield.Custom(value, slope, curvature)"
        )


def check_derivatives(profile: Any, needed: int) -> None:
    """Raise unless a kernel's profile has as many derivatives by s."""
    if profile.derivatives < needed:
        name, what = ("curvature", "f″(s)") if needed == 2 else ("slope", "f′(s)")
        raise ValueError(f"kernel: this needs its {what}, which it does not have; give Custom a {name}")


def value_at_zero(kernel: RadialKernel) -> float:
    """k(a, a), which is infinite for a bare inverse power."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(kernel.value(np.zeros(1))[0])


@dataclass(frozen=True)
class ScaledKernel(RadialKernel):
    """A finite number times a kernel, written ``weight * kernel``."""

    weight: float
    kernel: RadialKernel

    def __post_init__(self) -> None:
        store_number(self, "weight", positive=False)

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


def store_number(kernel: RadialKernel, name: str, *, positive: bool = True) -> None:
    """Replace a parameter by the float that it is, or say why it can't be one."""
    given = getattr(kernel, name)
    number = finite_number(name, given, "positive" if positive else "")
    if positive and number < sys.float_info.min:  # half an exponent of 5e-324 would be 0, and the kernel a constant
        raise ValueError(
            f"{name}: expected at least {sys.float_info.min}, got {given}, which leaves the range of a double"
        )
    object.__setattr__(kernel, name, number)


def check_range(kernel: RadialKernel, name: str) -> None:
    """Raise if a power of the parameters is too large or too small for a double."""
    try:
        in_range = all(0 < abs(number) < math.inf for number in numbers_of(kernel.profile))
    except (OverflowError, ZeroDivisionError):
        in_range = False
    if not in_range:
        raise ValueError(f"{name}: in {kernel} a power of it leaves the range of a double")
