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
    kind = "" if signed else "non-negative, " if zero else "positive, "
    number = finite_number(name, getattr(owner, name), kind)
    if not (number > 0 or signed or (zero and number == 0)):
        raise ValueError(f"{name}: expected a {kind}finite number, got {number:g}")
    object.__setattr__(owner, name, number)
