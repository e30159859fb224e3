"""What a file holds of a run: elements that change, by their paths, and those that don't."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import h5py
import numpy as np

from ..arrays import to_numpy
from ..flow import Snapshot

PRIVATE = "parameters/coulombfield"
ALL = "all"

Observable = Callable[[Snapshot], Any]

STANDARD: dict[str, tuple[str, Observable]] = {
    "energy": ("energy", lambda now: now.energy),
    "moving_energy": ("energy", lambda now: now.moving_energy),
    "kinetic_energy": ("energy", lambda now: now.kinetic_energy),
    "largest_field": ("field", lambda now: now.largest_field),
}
"""Observables with the kind of their unit; H5MD leaves their names free."""


class Value(NamedTuple):
    """An element's kind of unit, and its value at one moment or at all."""

    kind: str
    array: np.ndarray


class Contents:
    """What is written of each moment.

    Parameters
    ----------
    per_particle : list of str
        'potential' and 'force', as far as wanted.
    observables : mapping of str to (str, callable)
        The kind of unit of each and the function of a :class:`coulombfield.flow.Snapshot`.
    all_particles : bool
        Whether there is a group of all particles too.
    """

    def __init__(self, per_particle: list[str], observables: Mapping[str, tuple[str, Observable]], all_particles: bool):
        self._per_particle, self._observables, self._all = per_particle, observables, all_particles

    def changing(self, now: Snapshot) -> dict[str, Value]:
        """Elements with a value at each frame, by their paths.

        Raises
        ------
        TypeError, ValueError
            If an observable is nothing that can be written, or a group has the name of that of all particles.
        """
        if self._all and ALL in now.motion.groups:
            raise ValueError(f"all_particles: expected False with a group of the name {ALL!r}, got True")
        elements: dict[str, Value] = {}
        for kind in now.motion.groups:
            members = now[kind]
            if members.fixed:
                continue
            group = f"particles/{kind}"
            elements |= _edges(kind, now)
            elements[f"{group}/position"] = Value("length", to_numpy(members.positions))
            if members.velocities is not None:
                elements[f"{group}/velocity"] = Value("velocity", to_numpy(members.velocities))
            for name in self._per_particle:
                elements[f"{group}/{name}"] = Value(name, to_numpy(getattr(members, name)))
        if self._all:
            elements |= _edges(ALL, now, self.dimensions(now)[ALL])
            everyone = [now[kind] for kind in now.motion.groups]
            positions = [to_numpy(members.positions) for members in everyone]
            elements[f"particles/{ALL}/position"] = Value("length", _in_space(np.concatenate(positions)))
            if now.velocities is not None:
                velocities = [
                    np.zeros_like(x) if members.velocities is None else to_numpy(members.velocities)
                    for members, x in zip(everyone, positions, strict=True)
                ]
                elements[f"particles/{ALL}/velocity"] = Value("velocity", _in_space(np.concatenate(velocities)))
        for name, (unit, function) in self._observables.items():
            elements[f"observables/{name}"] = Value(unit, observed(name, function(now)))
        softening = np.nan if now.softening is None else now.softening
        elements["observables/softening"] = Value("length", np.asarray(softening, dtype=float))
        memory = np.asarray(json.dumps(dict(now.memory)), dtype=h5py.string_dtype())
        elements[f"{PRIVATE}/memory"] = Value("", memory)
        return elements

    def fixed(self, now: Snapshot) -> dict[str, Value]:
        """Elements with one value for all frames, by their paths."""
        groups, elements = now.motion.groups, {}
        for kind, group in groups.items():
            elements[f"particles/{kind}/charge"] = Value("charge", to_numpy(group.charges))
            elements[f"particles/{kind}/mass"] = Value("mass", to_numpy(group.masses))
            if group.fixed:
                elements[f"particles/{kind}/position"] = Value("length", to_numpy(group.positions))
                elements |= _edges(kind, now)
        if self._all:
            for name in ("charge", "mass"):
                parts = [elements[f"particles/{kind}/{name}"].array for kind in groups]
                elements[f"particles/{ALL}/{name}"] = Value(name, np.concatenate(parts))
            numbers = {kind: number for number, kind in enumerate(groups)}
            species = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])
            elements[f"particles/{ALL}/species"] = Value("", species.astype(h5py.enum_dtype(numbers, basetype="i4")))
            elements[f"particles/{ALL}/id"] = Value("", np.arange(len(species)))
        return elements

    def dimensions(self, now: Snapshot) -> dict[str, int]:
        """Groups of particles, and of how many dimensions their space is."""
        dimension = int(now.positions.shape[1])
        groups = dict.fromkeys(now.motion.groups, dimension)
        return {**groups, ALL: max(3, dimension)} if self._all else groups


def checked_observables(given: Mapping[str, Observable] | None, *, energies: bool) -> dict[str, tuple[str, Observable]]:
    """The observables to write, each with the kind of its unit, which for those of a user is its name.

    Raises
    ------
    TypeError, ValueError
        If one is no function, or its name is taken or none for HDF5.
    """
    standard = STANDARD if energies else {}
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"observables: expected a mapping of names to functions, got {type(given).__name__}")
    for name, function in (given or {}).items():
        if not isinstance(name, str) or name in ("", ".", "..", "softening") or {*"/\0"} & {*name}:
            raise ValueError(f"observables: expected names without a slash other than softening, got {name!r}")
        if name in standard:
            raise ValueError(f"observables: {name} is written already; choose another name, or give energies=False")
        if not callable(function):
            raise TypeError(f"observables: expected a function of a Snapshot for {name}, got {function!r}")
    return {**standard, **{name: (name, function) for name, function in (given or {}).items()}}


def observed(name: str, value: Any) -> np.ndarray:
    """What an observable has returned, as an array of numbers, none of them complex or masked."""
    on_host = not hasattr(value, "__dlpack__") or isinstance(value, np.generic)
    try:
        array = np.asarray(value) if on_host else to_numpy(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"observables: expected a number, a tuple of numbers or an array of {name}, got {value!r:.60}")
    return array


def _edges(kind: str, now: Snapshot, dimension: int = 0) -> dict[str, Value]:
    """Edges of the box of a group, 0 where it is open and no length is known; none without a box."""
    box = now.box
    if box is None:
        return {}
    edges = [0.0 if length is None else length for length in box.lengths]
    edges += [0.0] * (dimension - len(edges))
    return {f"particles/{kind}/box/edges": Value("length", np.asarray(edges))}


def _in_space(points: np.ndarray) -> np.ndarray:
    """Points with coordinates of 0 up to three: other programs know no plane."""
    missing = max(0, 3 - points.shape[1])
    return np.concatenate([points, np.zeros((len(points), missing), points.dtype)], axis=1)
