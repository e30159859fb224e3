"""Rectangular boxes that repeat along some of their axes."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arguments import finite_number

MAX_DIMENSION = 3


@dataclass(frozen=True)
class Box:
    """A rectangular box in up to three dimensions, repeated along its periodic axes.

    Parameters
    ----------
    lengths : sequence of float
        L > 0 along each of the m axes [length]; along an axis that is not periodic it means nothing, and may be None.
    periodic : bool or sequence of bool
        Whether the box repeats along all axes, or along each; along one at least.

    Raises
    ------
    TypeError
        If a length is no number, or ``periodic`` no truth value.
    ValueError
        If there are no axes or more than three, a length is not positive and finite, the numbers of lengths and of
        truth values differ, or no axis is periodic.
    """

    lengths: tuple[float | None, ...]
    periodic: tuple[bool, ...] = (True,)

    def __init__(self, lengths: Sequence[float | None], periodic: bool | Sequence[bool] = True):
        given = _sequence("lengths", lengths)
        if not 1 <= len(given) <= MAX_DIMENSION:
            raise ValueError(f"lengths: expected one for each of up to {MAX_DIMENSION} axes, got {len(given)}")
        axes = [periodic] * len(given) if isinstance(periodic, bool | np.bool_) else _sequence("periodic", periodic)
        if len(axes) != len(given):
            raise ValueError(f"periodic: expected one truth value for each of {len(given)} axes, got {len(axes)}")
        for value in axes:
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"periodic: expected True or False for each axis, got {value!r}")
        if not any(axes):
            raise ValueError("periodic: expected one periodic axis at least; without any, sums need no box")
        sides = [
            finite_number("lengths", length, "positive") if repeats or length is not None else None
            for length, repeats in zip(given, axes, strict=True)
        ]
        object.__setattr__(self, "lengths", tuple(sides))
        object.__setattr__(self, "periodic", tuple(bool(value) for value in axes))

    @property
    def dimension(self) -> int:
        """Number m of axes."""
        return len(self.lengths)

    @property
    def axes(self) -> tuple[int, ...]:
        """Numbers of the periodic axes."""
        return tuple(axis for axis, repeats in enumerate(self.periodic) if repeats)

    @property
    def sides(self) -> np.ndarray:
        """Lengths of the periodic axes [length]."""
        return np.array([self.lengths[axis] for axis in self.axes], dtype=float)

    @property
    def volume(self) -> float:
        """Volume of a box that is periodic along all axes [length^m]; inf for another."""
        return float(np.prod(self.sides)) if all(self.periodic) else float("inf")

    def wrapped(self, points: np.ndarray) -> np.ndarray:
        """Points of shape (N, m) moved by whole periods into [0, L) along the periodic axes."""
        inside = _floating(points)
        for axis, side in zip(self.axes, self.sides, strict=True):
            column = inside[:, axis]
            column -= np.floor(column / side) * side
            column[column >= side] = 0.0  # of a coordinate that is less than 0 by its rounding
        return inside

    def nearest(self, differences: np.ndarray) -> np.ndarray:
        """Differences of shape (..., m) between each point and the nearest image of the other."""
        found = _floating(differences)
        for axis, side in zip(self.axes, self.sides, strict=True):
            found[..., axis] -= np.rint(found[..., axis] / side) * side
        return found


def _floating(given: np.ndarray) -> np.ndarray:
    """A copy; integers as float64."""
    copy = np.array(given, copy=True)
    return copy if copy.dtype.kind == "f" else copy.astype(np.float64)


def _sequence(name: str, given: object) -> list:
    if isinstance(given, str | bytes | numbers.Number) or not hasattr(given, "__iter__"):
        raise TypeError(f"{name}: expected a sequence with one entry for each axis, got {given!r}")
    return list(given)
