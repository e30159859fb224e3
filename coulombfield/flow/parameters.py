"""Numbers among the parameters of integrators, schedules and stopping rules."""

from __future__ import annotations

from typing import Any

from ..arguments import check_count, finite_number

__all__ = ["check_count", "finite_number", "store_number"]


def store_number(owner: Any, name: str, *, zero: bool = False, signed: bool = False) -> None:
    """Replace a field of a frozen dataclass by the positive float that it is, or say why it isn't one.

    ``zero`` allows 0 too, ``signed`` all finite numbers. A number of NumPy's would change the dtype of what it
    multiplies.
    """
    number = finite_number(name, getattr(owner, name), "" if signed else "non-negative" if zero else "positive")
    object.__setattr__(owner, name, number)
