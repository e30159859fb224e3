"""A kernel of the user's own functions."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.extending import overload

from ..arrays import Array, jit, library, namespace
from ..lanes import Lanes, each_lane, like
from ..profiles import Profile, Work
from .kernel import RadialKernel, check_derivatives

STEP = 2.0**-12  # of s, for the differences that :meth:`Custom.check` takes: their error is of its fourth power
TOLERANCE = 1e-6  # of f′ and f″ against these differences, relative to them and to f/s and f′/s
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SQUARES = np.geomspace(1e-2, 1e2, 33)
SQUARES.flags.writeable = False


class Function:
    """A function of s that a user has given, for arrays and for compiled loops."""

    def __init__(self, name: str, given: Callable[[Any], Any]):
        self.name, self.given = name, given
        self._reasons: dict[str, str] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and self.name == other.name and self.given == other.given

    def __hash__(self) -> int:
        return hash((self.name, self.given))

    def __reduce__(self) -> tuple[Any, ...]:
        return Function, (self.name, self.given)

    @functools.cached_property
    def compiled(self) -> Any:
        """The function as Numba compiles it when it is called; None if it can't be one."""
        if isinstance(self.given, Dispatcher):
            return self.given
        try:
            return numba.njit(nogil=True, error_model="numpy")(self.given)
        except TypeError:  # no function in Python, but a class with __call__ or a part of one
            return None

    def uncompiled(self, dtype: Any) -> str:
        """Why Numba can't compile it for numbers of that dtype; empty if it can."""
        name = str(dtype)
        if name not in self._reasons:
            self._reasons[name] = self._tried(getattr(numba, name))
        return self._reasons[name]

    def _tried(self, kind: Any) -> str:
        if self.compiled is None:
            return f"{self.name} is no Python function"
        try:
            self.compiled.compile((kind,))
        except Exception as error:  # of Numba's many kinds, and Python's own
            return f"Numba can't compile {self.name}: {_first_reason(error)}"
        result = self.compiled.overloads[(kind,)].signature.return_type
        if not isinstance(result, (numba.types.Float, numba.types.Integer)):
            return f"{self.name} of a number gives {result}, not a number"
        return ""

    def of_array(self, s: Array) -> Array:
        """The function of each number of an array, of its dtype."""
        function = getattr(self.given, "py_func", self.given)
        numpy = isinstance(s, np.ndarray)
        try:
            found = function(s)
            if getattr(found, "shape", None) != s.shape:
                found = 0 * s + found  # a constant
            return found if found.dtype == s.dtype else namespace(s).astype(found, s.dtype)
        except Exception as error:  # whatever a user's function may raise
            if numpy and not self.uncompiled(s.dtype):  # it is one of single numbers, with branches or of math
                return _each(self.compiled, np.ascontiguousarray(s).reshape(-1)).reshape(s.shape)
            raise TypeError(
                f"{self.name}: expected a function that takes an array of {library(type(s))}, or one of a number that "
                f"Numba can compile; it raised {type(error).__name__}: {error}"
            ) from error


def _first_reason(error: Exception) -> str:
    """The first line of Numba's message that says something of the function."""
    lines = (COLOURS.sub("", line).strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("Failed in")), type(error).__name__)


@jit
def _each(function, numbers):
    found = np.empty_like(numbers)
    for i in range(numbers.size):
        found[i] = function(numbers[i])
    return found


def applied(function: Any, s: Array) -> Array:
    """A user's function of an array; in compiled loops of a number, or of each number of a vector."""
    return function.of_array(s)


@overload(applied)
def _applied(function, s):
    if isinstance(s, Lanes):
        return lambda function, s: each_lane(function, s)
    return lambda function, s: like(s, function(s))


class UsersProfile(
    Profile, NamedTuple("UsersProfile", [("of_value", Any), ("of_slope", Any), ("of_curvature", Any), ("unit", float)])
):
    """f(s), f′(s) and f″(s) by functions g(t), g′(t) and g″(t) of t = unit · s."""

    __slots__ = ()

    @property
    def derivatives(self) -> int:
        """As many as there are functions for."""
        return 1 + (self.of_curvature is not None)

    def stretched(self, factor: float) -> UsersProfile:
        """The profile with which points stretched by a factor have the values that these points had."""
        return self._replace(unit=self.unit / (factor * factor))

    def work(self, quick: bool) -> Work:
        """A call."""
        return Work(calls=1.0)

    def functions(self) -> Iterator[Function]:
        """Those that there are."""
        return (function for function in self[:3] if function is not None)

    def uncompiled(self, dtype: Any) -> str:
        """Why Numba can't compile one of the functions."""
        return next((reason for one in self.functions() if (reason := one.uncompiled(dtype))), "")

    def value(self, xp, s):
        """f(s)."""
        return applied(self.of_value, self.unit * s)

    def slope(self, xp, s):
        """f′(s)."""
        return self.unit * applied(self.of_slope, self.unit * s)

    def curvature(self, xp, s):
        """f″(s)."""
        return self.unit * self.unit * applied(self.of_curvature, self.unit * s)


class Custom(RadialKernel):
    r"""A kernel of your own functions of s = r², for the exact engines.

    .. math:: k(a, b) = f(s), \qquad s = \|a - b\|^2

    Parameters
    ----------
    value : callable
        f(s). It is given arrays or single numbers, float32 or float64, and gives as many. For arrays of another library
        than NumPy it must be written in functions of that library, or in arithmetic alone.
    slope : callable
        f′(s), the derivative by s (not by r): fields and forces are made of it.
    curvature : callable, optional
        f″(s), for :func:`laplacian` and the derivatives of fields.

    Raises
    ------
    TypeError
        If one is not callable.

    Notes
    -----
    Numba compiles the functions where it can, branches, ``math`` and functions already compiled included: 'simd' and
    'gram' then sum them on NumPy, compiled anew in each process. Others go by arrays ('direct'), and :func:`explain`
    says why. 'cuda', 'nufft', 'split' and 'tree' need to know more of a kernel than its values, and refuse it.

    Kernels are equal if their functions are the same. Those of a module can be pickled.

    Examples
    --------
    >>> import numpy as np
    >>> import coulombfield as cf
    >>> cauchy = cf.Custom(lambda s: 1 / (1 + s), lambda s: -1 / (1 + s) ** 2)
    >>> cauchy.value(np.array([0.0, 1.0]))
    array([1. , 0.5])
    """

    def __init__(
        self,
        value: Callable[[Any], Any],
        slope: Callable[[Any], Any],
        curvature: Callable[[Any], Any] | None = None,
    ):
        given = {"value": value, "slope": slope} | ({} if curvature is None else {"curvature": curvature})
        for name, function in given.items():
            if not callable(function) or isinstance(function, type):
                raise TypeError(f"{name}: expected a function of s, got {function!r}")
        self._functions = {name: Function(name, function) for name, function in given.items()}

    @functools.cached_property
    def profile(self) -> UsersProfile:
        """The functions."""
        return UsersProfile(self._functions["value"], self._functions["slope"], self._functions.get("curvature"), 1.0)

    def curvature(self, squared_distance: Array) -> Array:
        """f″(s), for an array of squared distances s [length²].

        Raises
        ------
        ValueError
            If the kernel was made without it.
        """
        check_derivatives(self.profile, 2)
        return super().curvature(squared_distance)

    def check(self, squared_distances: Any = SQUARES) -> None:
        r"""Compare f′ and f″ with differences of f and f′, in float64.

        .. math:: f'(s) \approx \frac{4 D(h) - D(2h)}{3}, \qquad D(h) = \frac{f(s + h) - f(s - h)}{2h}

        Parameters
        ----------
        squared_distances : array_like
            Where, each s > 0 [length²].

        Raises
        ------
        ValueError
            If one differs by more than 1e-6 of its size and that of f/s (f′/s), with the place and both numbers.
        """
        s = np.asarray(squared_distances, dtype=np.float64).reshape(-1)
        if not np.all((s > 0) & np.isfinite(s)):
            raise ValueError(f"squared_distances: expected positive numbers, got {squared_distances!r}")
        names = [*self._functions]
        for of, name in itertools.pairwise(names):
            function, derivative = self._functions[of].of_array, self._functions[name].of_array(s)
            one, two = (function(s + h) - function(s - h) for h in (STEP * s, 2 * STEP * s))
            expected = (8 * one - two) / (12 * STEP * s)
            error = np.abs(derivative - expected)
            wrong = ~(error <= TOLERANCE * (np.abs(expected) + np.abs(function(s) / s)))
            if np.any(wrong):
                k = int(np.argmax(wrong))
                raise ValueError(
                    f"{name}: expected the derivative of {of} by s; at s = {s[k]:.6g} it gives {derivative[k]:.6g}, "
                    f"and differences of {of} {expected[k]:.6g}"
                )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Custom) and self._functions == other._functions

    def __hash__(self) -> int:
        return hash(tuple(self._functions.values()))

    def __getstate__(self) -> dict[str, Any]:
        return {"_functions": self._functions}

    def __repr__(self) -> str:
        named = (f"{name}={_name(function.given)}" for name, function in self._functions.items())
        return f"Custom({', '.join(named)})"


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or repr(function)
