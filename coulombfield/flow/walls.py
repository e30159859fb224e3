"""Walls that particles bounce off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from ..arguments import entries, is_real
from ..arrays import Array, namespace


@dataclass(frozen=True)
class Walls:
    r"""Walls across the axes: a particle that a drift carries beyond one is mirrored at it, and so is its velocity.

    Parameters
    ----------
    lower, upper : sequence of float
        Where the walls stand, one number for each axis [length]; an infinite one is no wall.

    Raises
    ------
    TypeError, ValueError
        If one is no sequence of numbers, they are of different lengths, or an upper wall is not above its lower one.

    Notes
    -----
    A free flight with mirrors is followed exactly, however often it bounces in a step, so that splitting methods stay
    reversible and symplectic. Energies stay, and so does the momentum along a wall, but not across it. Reflected Euler
    steps with noise sample the distribution between the walls to order 1/2 of the step near them.
    """

    lower: Sequence[float]
    upper: Sequence[float]

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            numbers = entries(name, getattr(self, name), "numbers")
            if not all(is_real(number) and not math.isnan(number) for number in numbers):
                raise TypeError(f"{name}: expected numbers, or infinity where there is no wall, got {numbers}")
            object.__setattr__(self, name, tuple(map(float, numbers)))
        if len(self.upper) != len(self.lower):
            raise ValueError(f"upper: expected {len(self.lower)} numbers like lower, got {len(self.upper)}")
        if not all(low < high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError(f"upper: expected walls above those of lower = {self.lower}, got {self.upper}")

    def check(self, name: str, positions: Array) -> None:
        """Raise unless all positions are between the walls.

        Raises
        ------
        ValueError
            With the number of the first row that isn't.
        """
        if positions.shape[1] != len(self.lower):
            raise ValueError(f"walls: expected {positions.shape[1]} numbers, one for each axis, got {len(self.lower)}")
        outside = self._outside(positions)
        xp = namespace(positions)
        if bool(xp.any(outside)):
            row = int(xp.argmax(xp.astype(xp.any(outside, axis=1), xp.int8)))
            raise ValueError(f"{name}: expected positions between the walls, got one beyond them in row {row}")

    def reflect(self, positions: Array, velocities: Array | None) -> tuple[Array, Array | None]:
        """Positions beyond walls mirrored back, with velocities turned once for each bounce."""
        xp = namespace(positions)
        outside = self._outside(positions)
        if not bool(xp.any(outside)):
            return positions, velocities
        lower, upper = np.asarray(self.lower), np.asarray(self.upper)
        closed = np.isfinite(lower) & np.isfinite(upper)
        with np.errstate(invalid="ignore"):
            height = np.where(closed, upper - lower, 1.0)
        # Between two walls the way is unfolded: whole heights are bounces, the rest is a place.
        foot = self._row(np.where(np.isfinite(lower), lower, 0.0), positions)
        height_row, closed_row = (
            self._row(height, positions),
            xp.broadcast_to(self._row(closed, positions) > 0.5, positions.shape),
        )
        ways = (positions - foot) / height_row
        bounces = xp.floor(ways)
        odd = bounces - 2 * xp.floor(bounces / 2) > 0.5
        rest = ways - bounces
        between = foot + height_row * xp.where(odd, 1 - rest, rest)
        # A single wall is met once.
        single = self._row(np.where(np.isfinite(lower), lower, np.where(np.isfinite(upper), upper, 0.0)), positions)
        mirrored = xp.where(closed_row, between, 2 * single - positions)
        turned = outside & (odd | ~closed_row)
        reflected = xp.where(outside, mirrored, positions)
        if velocities is not None:
            velocities = xp.where(turned, -velocities, velocities)
        # Rounding may leave a place a unit beyond a wall.
        lowest, highest = self._row(lower, positions), self._row(upper, positions)
        return xp.minimum(xp.maximum(reflected, lowest), highest), velocities

    def _outside(self, positions: Array) -> Array:
        return (positions < self._row(self.lower, positions)) | (positions > self._row(self.upper, positions))

    @staticmethod
    def _row(numbers: Any, positions: Array) -> Array:
        xp, device = namespace(positions), array_api_compat.device(positions)
        return xp.asarray(list(map(float, numbers)), dtype=positions.dtype, device=device)[None, :]
