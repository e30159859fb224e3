"""Numbers among the arguments of public functions: errors name the argument, what was expected and what came."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

NO_NUMBERS = (bool, np.timedelta64)
"""Types that count as integers to Python or NumPy."""


def is_real(given: Any) -> bool:
    """Whether an argument is a real number: no boolean, and no span of time."""
    return isinstance(given, numbers.Real) and not isinstance(given, NO_NUMBERS)


def is_integer(given: Any) -> bool:
    """Whether an argument is an integer, of Python or NumPy: no boolean, and no span of time."""
    return isinstance(given, numbers.Integral) and not isinstance(given, NO_NUMBERS)


def finite_number(name: str, given: Any, kind: Literal["", "positive", "non-negative"] = "") -> float:
    """The float that an argument is; raises if it is none, not finite or not of the kind."""
    if not is_real(given):
        raise TypeError(f"{name}: expected a number, got {type(given).__name__}")
    try:
        number = float(given)
    except OverflowError:  # an integer beyond the largest double
        number = math.inf
    if not math.isfinite(number) or (number < 0 and kind) or (number == 0 and kind == "positive"):
        raise ValueError(f"{name}: expected a {kind and kind + ', '}finite number, got {number:g}")
    return number


def check_count(name: str, count: Any, *, least: int = 0) -> None:
    """Raise unless an argument is an integer and not too small."""
    if not is_integer(count):
        raise TypeError(f"{name}: expected an integer, got {type(count).__name__}")
    if count < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {count}")


def entries(name: str, given: Any, kind: str, count: int | None = None) -> list[Any]:
    """What is in a sequence; ``kind`` says what should be, and ``count`` how many."""
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or getattr(given, "ndim", 1) == 0:
        raise TypeError(f"{name}: expected a sequence of {kind}, got {type(given).__name__}")
    if count is not None and len(given) != count:
        raise ValueError(f"{name}: expected {count} {kind}, got {len(given)}")
    return list(given)
