"""Whole numbers, other numbers and arrays among the arguments of layers and networks."""

from __future__ import annotations

import math
import numbers
from typing import Any

from coulombfield.arguments import is_integer, is_real
from coulombfield.arrays import PLAIN, Array, backend


def count_of(name: str, given: Any, *, least: int = 1) -> int:
    """The int that an argument is: NumPy's integers would wrap around in a product of widths.

    Raises
    ------
    TypeError
        If it is no integer; True is none.
    ValueError
        If it is below ``least``, 0 or 1.
    """
    if not is_integer(given):
        raise TypeError(f"{name}: expected an integer, got {_shown(given)}")
    if given < least:
        raise ValueError(f"{name}: expected a {'positive' if least else 'non-negative'} integer, got {given}")
    return int(given)


def counts_of(**given: Any) -> tuple[int, ...]:
    """The ints that positive counts are, in their order; an error says which of them isn't one, see :func:`count_of`.

    Who hands a width on to a layer asks here first, so that an error names the caller's argument and not the layer's.
    """
    return tuple(count_of(name, value) for name, value in given.items())


def number_of(name: str, given: Any, *, least: float = -math.inf) -> float:
    """The finite float that an argument is; NumPy's numbers would change the dtype of what they multiply.

    Raises
    ------
    TypeError
        If it is no number; True is none.
    ValueError
        If it is infinite, NaN or below ``least``.
    """
    if not is_real(given):
        raise TypeError(f"{name}: expected a number, got {_shown(given)}")
    if not math.isfinite(given) or given < least:
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise ValueError(f"{name}: expected a finite number{bound}, got {given}")
    return float(given)


def check_floats(name: str, array: Array) -> None:
    """Raise TypeError unless an argument is an array of float32 or float64, and nothing but its numbers."""
    if type(array) not in PLAIN:  # which needs no closer look
        backend(**{name: array})
    if array.dtype.name not in ("float32", "float64"):
        raise TypeError(f"{name}: expected float32 or float64, got {array.dtype}")


def _shown(given: Any) -> str:
    return str(given) if isinstance(given, bool | numbers.Number) else type(given).__name__
