"""Numbers among the parameters of integrators, schedules and stopping rules."""

from __future__ import annotations

import math
import numbers
from typing import Any


def store_number(owner: Any, name: str, *, zero: bool = False, signed: bool = False) -> None:
    """Replace a field of a frozen dataclass by the positive float that it is, or say why it isn't one.

    ``zero`` allows 0 too, ``signed`` all finite numbers. A number of NumPy's would change the dtype of what it
    multiplies.
    """
    kind = "" if signed else "non-negative, " if zero else "positive, "
    number = finite_number(name, getattr(owner, name), kind)
    if not (number > 0 or signed or (zero and number == 0)):
        raise ValueError(f"{name}: expected a {kind}finite number, got {number:g}")
    object.__setattr__(owner, name, number)


def finite_number(name: str, given: Any, kind: str = "") -> float:
    """The float that a parameter is; raises if it is none, or not finite."""
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {type(given).__name__}")
    if not math.isfinite(given):
        raise ValueError(f"{name}: expected a {kind}finite number, got {given}")
    return float(given)


def check_count(name: str, count: Any, *, least: int = 0) -> None:
    """Raise unless a parameter is an integer and not too small."""
    if isinstance(count, bool) or not isinstance(count, numbers.Integral):
        raise TypeError(f"{name}: expected an integer, got {type(count).__name__}")
    if count < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {count}")
