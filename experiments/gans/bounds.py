"""What bounds a discriminator's parameters after a move, beside weight clipping."""

from __future__ import annotations

from collections.abc import Iterable

from coulombfield.arrays import module_of
from nets.parameters import Parameters


def project(params: Parameters, radius: float, names: Iterable[str] | None = None) -> None:
    """Move arrays whose l2 norm is beyond a radius to the nearest one within it, in place; by default any array."""
    for name in params if names is None else names:
        part, xp = params[name], module_of(params.vector)
        part *= radius / xp.maximum(xp.sqrt((part * part).sum()), radius)
