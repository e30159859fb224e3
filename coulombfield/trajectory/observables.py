"""Observables for a trajectory or for columns: functions of a moment that are the sums of mechanics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import diagnostics
from ..flow import Snapshot
from .contents import Observable, checked_observables, observed


def _virial_ratio(now: Snapshot) -> float:
    if now.box is None:
        return _mechanics(diagnostics.virial_ratio, "positions", "velocities", "masses", "forces")(now)
    size = abs(now.motion.virial(now.positions, now.time))
    drift = np.zeros(1) if now.velocities is None else MECHANICS["momentum"](now)
    kinetic = now.kinetic_energy - 0.5 * float(drift @ drift) / float(now.motion.masses.sum())
    return 2 * kinetic / size if size else np.inf


def _mechanics(function: Callable[..., Any], *parts: str) -> Observable:
    """A sum over all that moves, at rest where there are no velocities."""

    def of(now: Snapshot) -> Any:
        velocities = now.motion.xp.zeros_like(now.positions) if now.velocities is None else now.velocities
        given = {"positions": now.positions, "velocities": velocities, "masses": now.motion.masses[:, 0]}
        given["forces"] = now.force if "forces" in parts else None
        return function(**{part: given[part] for part in parts})

    return of


MECHANICS: Mapping[str, Observable] = {
    "total_energy": lambda now: now.energy + now.kinetic_energy,
    "momentum": _mechanics(diagnostics.momentum, "velocities", "masses"),
    "angular_momentum": _mechanics(diagnostics.angular_momentum, "positions", "velocities", "masses"),
    "centre_of_mass": _mechanics(diagnostics.centre_of_mass, "positions", "masses"),
    "virial_ratio": _virial_ratio,
}
"""Energy, momentum, angular momentum, centre of mass and virial ratio of all particles that move, by their names.

In a periodic box the virial is that of its pairs and their images (:func:`coulombfield.periodic.virial`). Where
there is none, as with an open axis, the ratio is an error: leave it out there.
"""


def pressure_in(volume: float | None = None) -> Observable:
    """Observable of the virial pressure of all particles that move in a volume [length^m].

    Without a volume it is that of the system's box, with the virial of all pairs and their images
    (:func:`coulombfield.periodic.pressure`), fixed charges among them, and without external fields.
    """
    if volume is None:
        return _pressure_in_box
    of = ("positions", "velocities", "masses", "forces")
    return _mechanics(lambda **parts: diagnostics.virial_pressure(**parts, volume=volume), *of)


def _pressure_in_box(now: Snapshot) -> float:
    box = now.box
    if box is None:
        raise ValueError("volume: expected a number for a system without a box, got None")
    twice = 2 * now.kinetic_energy + now.motion.virial(now.positions, now.time)
    return twice / (box.dimension * box.volume)


def radii_of(fractions: Sequence[float] = (0.1, 0.5, 0.9), group: str | None = None) -> Observable:
    """Observable of the Lagrangian radii of a group, or of all particles that move."""

    def of(now: Snapshot) -> np.ndarray:
        members = None if group is None else now[group]
        positions = now.positions if members is None else members.positions
        masses = now.motion.masses[:, 0] if members is None else members.masses
        return diagnostics.lagrangian_radii(positions, masses, fractions)

    return of


class Columns:
    """Observables of a run in memory, as a callback of :func:`coulombfield.flow.run`.

    Parameters
    ----------
    observables : mapping of str to callable, optional
        As of :class:`Writer`, such as :data:`MECHANICS`.
    energies : bool
        Energies and the largest field too, as of :class:`Writer`.

    Raises
    ------
    TypeError, ValueError
        If one is no function, or its name is taken.
    """

    def __init__(self, observables: Mapping[str, Observable] | None = None, *, energies: bool = True):
        self._observables = checked_observables(observables, energies=energies)
        self._rows: list[dict[str, np.ndarray]] = []

    def __call__(self, now: Snapshot) -> None:
        """Append a row."""
        values = {name: observed(name, function(now)) for name, (_, function) in self._observables.items()}
        self._rows.append({"step": np.asarray(now.step), "time": np.asarray(now.time), **values})

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by their names, each of shape (rows,), as ``pandas.DataFrame`` takes them.

        Observables that are arrays have a column for each number: 'momentum_0', 'momentum_1', ...
        """
        names = self._rows[0] if self._rows else ()
        return spread({name: np.stack([row[name] for row in self._rows]) for name in names})


def spread(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of numbers, of arrays whose first axis counts rows."""
    columns = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            columns[name] = array
            continue
        for index in np.ndindex(array.shape[1:]):
            columns["_".join([name, *map(str, index)])] = array[(slice(None), *index)]
    return columns
