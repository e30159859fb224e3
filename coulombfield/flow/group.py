"""Particles that belong together: where they are, how they move, what they carry."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import array_api_compat

from ..arguments import finite_number, is_real
from ..arrays import Array, backend, floating
from ..charges import check_points, kind_of


@dataclass(frozen=True, eq=False)
class Group:
    """Particles of one kind.

    Parameters
    ----------
    positions : array, shape (N, m)
        Where they are [length]; N may be 0.
    velocities : array, shape (N, m), optional
        [length / time] for dynamics with inertia, where None is at rest; a first-order flow has none, and neither have
        fixed particles.
    charges : array of shape (N,), or float, optional
        Charges q [charge], of any sign; a number is the charge of each particle. 1/N each without it.
    masses : array of shape (N,), or float, optional
        Masses m > 0 for dynamics with inertia [mass]; a number is the mass of each particle. ``abs(q)`` without it:
        accelerations are then the velocities of the first-order flow, and don't depend on N. A mass of 0 may stand
        beside a charge of 0 only.
    fixed : bool
        Whether they stay where they are, and only act on others.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, library or dtype.
    ValueError
        If a shape, a device or a number does not fit.

    Notes
    -----
    Charges and masses are arrays afterwards, of the library, dtype and device of the positions. The arrays' values
    aren't looked at here; :func:`run` does not start from one that is not finite.
    """

    positions: Array
    velocities: Array | None = None
    charges: Array | float | None = None
    masses: Array | float | None = None
    fixed: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.fixed, bool):
            raise TypeError(f"fixed: expected True or False, got {self.fixed!r}")
        given = {"positions": self.positions, "velocities": self.velocities, "charges": self.charges}
        given["masses"] = self.masses
        arrays = {name: value for name, value in given.items() if value is not None and not is_real(value)}
        arrays["positions"] = self.positions
        arrays = dict(zip(arrays, floating(**arrays), strict=True))
        xp = backend(**arrays)
        check_points("positions", arrays["positions"])
        count, _ = shape = tuple(arrays["positions"].shape)
        if self.fixed and self.velocities is not None:
            raise ValueError("velocities: expected None for particles that are fixed")
        if self.velocities is not None:
            _check_array("velocities", arrays.get("velocities"), shape, arrays["positions"])
        for name in ("charges", "masses"):
            if name in arrays:
                _check_array(name, arrays[name], (count,), arrays["positions"])
        charges = arrays.get("charges")
        if charges is None:
            each = 1.0 / max(count, 1) if self.charges is None else finite_number("charges", self.charges)
            charges = _even(xp, arrays["positions"], each)
        masses = arrays.get("masses")
        if masses is None and self.masses is not None:
            masses = _even(xp, arrays["positions"], finite_number("masses", self.masses, "positive"))
        object.__setattr__(self, "positions", arrays["positions"])
        object.__setattr__(self, "velocities", arrays.get("velocities"))
        object.__setattr__(self, "charges", charges)
        object.__setattr__(self, "masses", xp.abs(charges) if masses is None else masses)

    def __len__(self) -> int:
        return int(self.positions.shape[0])

    def __repr__(self) -> str:
        count, dimension = self.positions.shape
        how = "fixed" if self.fixed else "at rest" if self.velocities is None else "moving"
        return f"Group({count} {how} in {dimension} dimensions, {kind_of(self.positions)})"


def _check_array(name: str, values: Any, shape: tuple[int, ...], positions: Array) -> None:
    found = None if values is None else tuple(values.shape)
    if found != shape:
        raise ValueError(f"{name}: expected shape {shape} like positions of {tuple(positions.shape)}, got {found}")
    if values.dtype != positions.dtype:
        raise TypeError(f"{name}: expected dtype {positions.dtype} like positions, got {values.dtype}")


def _even(xp: ModuleType, positions: Array, each: float) -> Array:
    count, device = positions.shape[0], array_api_compat.device(positions)
    return xp.full((count,), each, dtype=positions.dtype, device=device)
