r"""Radial profiles f(s), f′(s) and f″(s), s = r²: what all have in common, and those that are made of others.

A profile is a named tuple of floats with the methods ``value``, ``slope`` and ``curvature``. Called with arrays, ``xp``
is the namespace of their library; a loop compiled by Numba inlines the same method for a scalar s, with ``xp`` = NumPy.
So that both work, and a float32 stays one, a formula has no branch, writes numbers by
:func:`~coulombfield.elementary.literal`, and calls another formula by :func:`value_at`, :func:`slope_at` or
:func:`curvature_at`. Only the type of a profile is compiled in: its numbers may change at every training step for free.

What engines want to know of a profile it answers itself (:class:`Profile`). Those of the kernels are in the kernels'
files (:mod:`coulombfield.kernels`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

from .arrays import Array
from .elementary import literal


def value_at(self: Any, xp: ModuleType, s: Array) -> Array:
    """f(s) of a profile."""
    return self.value(xp, s)


def slope_at(self: Any, xp: ModuleType, s: Array) -> Array:
    """f′(s) of a profile, the derivative by s."""
    return self.slope(xp, s)


def curvature_at(self: Any, xp: ModuleType, s: Array) -> Array:
    """f″(s) of a profile, the second derivative by s."""
    return self.curvature(xp, s)


class Work(NamedTuple):
    """What a value of a profile takes a processor, as numbers of operations of each kind; engines know their cost."""

    others: float = 0.0
    """Additions and products beside those that belong to what follows."""
    roots: float = 0.0
    further_roots: float = 0.0
    """Roots of a root that is counted already."""
    powers: float = 0.0
    quick_powers: float = 0.0
    """Powers of numbers from 1 on, in compiled loops that have a formula for them."""
    exponentials: float = 0.0
    calls: float = 0.0
    """Calls of a user's function."""

    def plus(self, other: Work) -> Work:
        """The sum of two works."""
        return Work(*(one + another for one, another in zip(self, other, strict=True)))


class Power(NamedTuple):
    """factor · (numerator / (s + shift))^(exponent / 2); a power of its own might leave the range of a double."""

    factor: float
    numerator: float
    shift: float
    exponent: float

    def laplacian(self, dimension: float) -> list[Power]:
        """∇² x^(−d/2) = d (d + 2 − m) x^(−d/2 − 1) − d (d + 2) ε² x^(−d/2 − 2)."""
        factor, numerator, shift, d = self
        factor *= d / numerator
        return [
            Power(factor * (d + 2 - dimension), numerator, shift, d + 2),
            Power(-factor * (d + 2) * (shift / numerator), numerator, shift, d + 4),
        ]


class Profile:
    """What a profile tells engines of itself beside its formulas, and what holds unless it says otherwise."""

    __slots__ = ()

    cuda: ClassVar[str] = ""
    """CUDA C++ of a struct with the type's name, the same fields in the same order and the same formulas, for
    ``sums/pairs/cuda.py``; what a base class has goes before. A type without one is refused there."""

    is_power: ClassVar[bool] = False
    """Whether it is an inverse power itself, with the fields of ``kernels/inverse_power.py``."""

    def __eq__(self, other: object) -> bool:
        """As tuples of one type: those of others may have the same numbers."""
        return type(self) is type(other) and tuple(self) == tuple(other)  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:  # or it would be the tuples'
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), *self))  # type: ignore[misc]

    @property
    def length(self) -> float | None:
        """Length over which f varies [length]; None if it has none of its own."""
        return None

    @property
    def smooth_length(self) -> float | None:
        """Length on which f is smooth, such that its Fourier transform falls at least like exp(−k · length).

        None if there is no such length: where the value or a derivative jumps or has a pole at r = 0.
        """
        return None

    @property
    def derivatives(self) -> int:
        """How many derivatives by s it has, up to 2."""
        return 2

    def stretched(self, factor: float) -> Any:
        """The profile with which points stretched by a factor have the values that these points had."""
        raise NotImplementedError

    def work(self, quick: bool) -> Work:
        """Operations that f takes, or that it takes in the quick formulas of compiled loops."""
        return Work(exponentials=1.0)

    def inverse_powers(self) -> list[Power] | None:
        """The inverse powers that f is a sum of; None if it isn't one."""
        return None

    def power_parts(self) -> Iterator[Any]:
        """The profiles of inverse powers in it, its own included."""
        yield from ()

    def rise(self) -> float | None:
        """The number c if f is c √s; None if it is something else."""
        return None

    def laplacian(self, dimension: int) -> Any:
        """∇²k in that many dimensions as a profile whose terms cancel as little as they can."""
        return Laplacian.of(self, dimension)

    def uncompiled(self, dtype: Any) -> str:
        """Why loops for arrays of that dtype can't be compiled with it; empty if they can."""
        return ""

    def cuda_numbers(self) -> Iterator[float]:
        """Fields of the struct in ``cuda``, in their order."""
        for number in self:  # type: ignore[attr-defined]
            if isinstance(number, Profile):
                yield from number.cuda_numbers()
            else:
                yield number


def numbers_of(profile: Any) -> Iterator[float]:
    """Every number in a profile and in those nested in it."""
    for number in profile:
        if isinstance(number, tuple):
            yield from numbers_of(number)
        elif isinstance(number, (float, int)):
            yield number


def cast(profile: Any, scalar: Callable[[float], Any]) -> Any:
    """The same profile for compiled loops, with each number turned into another type of scalar."""
    return type(profile)(*[_cast(part, scalar) for part in profile])


def _cast(part: Any, scalar: Callable[[float], Any]) -> Any:
    if isinstance(part, tuple):
        return cast(part, scalar)
    return part.compiled if hasattr(part, "compiled") else scalar(part)


class _Around(Profile):
    """What holds for a profile that is made of another one, ``profile``."""

    __slots__ = ()
    profile: Any

    @property
    def derivatives(self) -> int:
        """None: it has a value only."""
        return 0

    def work(self, quick: bool) -> Work:
        """That of the other profile and a few operations more."""
        return self.profile.work(quick).plus(Work(others=2.0))

    def power_parts(self) -> Iterator[Any]:
        """Those of the other profile."""
        return self.profile.power_parts()

    def uncompiled(self, dtype: Any) -> str:
        """As of the other profile."""
        return self.profile.uncompiled(dtype)


class Scaled(_Around, NamedTuple("Scaled", [("weight", float), ("profile", Any)])):
    """A weight times another profile."""

    __slots__ = ()

    cuda = """
template <class Profile>
struct Scaled {
  Real weight;
  Profile profile;

  __device__ Real value(Real s) const { return weight * profile.value(s); }
  __device__ Real slope(Real s) const { return weight * profile.slope(s); }
  __device__ Real curvature(Real s) const { return weight * profile.curvature(s); }
};
"""

    @property
    def length(self) -> float | None:
        """Length of the other profile."""
        return self.profile.length

    @property
    def smooth_length(self) -> float | None:
        """That of the other profile."""
        return self.profile.smooth_length

    @property
    def derivatives(self) -> int:
        """Those of the other profile."""
        return self.profile.derivatives

    def stretched(self, factor: float) -> Scaled:
        """The other one stretched, and the weight."""
        return Scaled(self.weight, self.profile.stretched(factor))

    def inverse_powers(self) -> list[Power] | None:
        """Those of the other profile."""
        powers = self.profile.inverse_powers()
        return powers and [power._replace(factor=self.weight * power.factor) for power in powers]

    def rise(self) -> float | None:
        """That of the other profile times the weight."""
        rise = self.profile.rise()
        return None if rise is None else self.weight * rise

    def laplacian(self, dimension: int) -> Any:
        """The weight times that of the other profile."""
        return Scaled(self.weight, self.profile.laplacian(dimension))

    def value(self, xp, s):
        """f(s)."""
        return self.weight * value_at(self.profile, xp, s)

    def slope(self, xp, s):
        """f′(s)."""
        return self.weight * slope_at(self.profile, xp, s)

    def curvature(self, xp, s):
        """f″(s)."""
        return self.weight * curvature_at(self.profile, xp, s)


class Added(Profile, NamedTuple("Added", [("left", Any), ("right", Any)])):
    """The sum of two profiles."""

    __slots__ = ()

    cuda = """
template <class Left, class Right>
struct Added {
  Left left;
  Right right;

  __device__ Real value(Real s) const { return left.value(s) + right.value(s); }
  __device__ Real slope(Real s) const { return left.slope(s) + right.slope(s); }
  __device__ Real curvature(Real s) const { return left.curvature(s) + right.curvature(s); }
};
"""

    @property
    def length(self) -> float | None:
        """The shorter of both profiles' lengths."""
        return min((length for length in (self.left.length, self.right.length) if length is not None), default=None)

    @property
    def smooth_length(self) -> float | None:
        """The shorter of both profiles' lengths; None if one has none."""
        left, right = self.left.smooth_length, self.right.smooth_length
        return None if left is None or right is None else min(left, right)

    @property
    def derivatives(self) -> int:
        """Those that both have."""
        return min(self.left.derivatives, self.right.derivatives)

    def stretched(self, factor: float) -> Added:
        """Both stretched."""
        return Added(self.left.stretched(factor), self.right.stretched(factor))

    def work(self, quick: bool) -> Work:
        """That of both and the sum."""
        return self.left.work(quick).plus(self.right.work(quick)).plus(Work(others=2.0))

    def power_parts(self) -> Iterator[Any]:
        """Those of both."""
        yield from self.left.power_parts()
        yield from self.right.power_parts()

    def uncompiled(self, dtype: Any) -> str:
        """As of the first that can't be."""
        return self.left.uncompiled(dtype) or self.right.uncompiled(dtype)

    def inverse_powers(self) -> list[Power] | None:
        """Those of both; None if one is no sum of such."""
        left, right = self.left.inverse_powers(), self.right.inverse_powers()
        return left and right and left + right

    def laplacian(self, dimension: int) -> Any:
        """The sum of both Laplacians."""
        return Added(self.left.laplacian(dimension), self.right.laplacian(dimension))

    def value(self, xp, s):
        """f(s)."""
        return value_at(self.left, xp, s) + value_at(self.right, xp, s)

    def slope(self, xp, s):
        """f′(s)."""
        return slope_at(self.left, xp, s) + slope_at(self.right, xp, s)

    def curvature(self, xp, s):
        """f″(s)."""
        return curvature_at(self.left, xp, s) + curvature_at(self.right, xp, s)


class Laplacian(_Around, NamedTuple("Laplacian", [("profile", Any), ("four", float), ("twice_dimension", float)])):
    """∇²k in m dimensions, 4 s f″(s) + 2 m f′(s), as a profile of its own; it has a value only."""

    __slots__ = ()

    cuda = """
template <class Profile>
struct Laplacian {
  Profile profile;
  Real four, twice_dimension;

  __device__ Real value(Real s) const { return four * s * profile.curvature(s) + twice_dimension * profile.slope(s); }
};
"""

    @staticmethod
    def of(profile: Any, dimension: int) -> Laplacian:
        """Laplacian of a kernel with this profile in that many dimensions."""
        return Laplacian(profile, 4.0, 2.0 * dimension)

    @property
    def smooth_length(self) -> float | None:
        """That of the kernel."""
        return self.profile.smooth_length

    def inverse_powers(self) -> list[Power] | None:
        """Those of the Laplacians of the kernel's inverse powers."""
        powers = self.profile.inverse_powers()
        return powers and [part for power in powers for part in power.laplacian(self.twice_dimension / 2)]

    def value(self, xp, s):
        """4 s f″(s) + 2 m f′(s)."""
        return self.four * s * curvature_at(self.profile, xp, s) + self.twice_dimension * slope_at(self.profile, xp, s)


class Magnitude(_Around, NamedTuple("Magnitude", [("profile", Any)])):
    """The size |f(s)| of another profile; it has a value only."""

    __slots__ = ()

    cuda = """
template <class Profile>
struct Magnitude {
  Profile profile;

  __device__ Real value(Real s) const { return fabs(profile.value(s)); }
};
"""

    def value(self, xp, s):
        """|f(s)|."""
        return xp.abs(value_at(self.profile, xp, s))


class GradientSize(_Around, NamedTuple("GradientSize", [("profile", Any)])):
    """The length 2 |f′(s)| r of another profile's gradient, as a profile; it has a value only."""

    __slots__ = ()

    cuda = """
template <class Profile>
struct GradientSize {
  Profile profile;

  __device__ Real value(Real s) const { return Real(2) * fabs(profile.slope(s)) * sqrt(s); }
};
"""

    def value(self, xp, s):
        """2 |f′(s)| √s."""
        return literal(2.0, s) * xp.abs(slope_at(self.profile, xp, s)) * xp.sqrt(s)
