"""Reading trajectories, also those of other programs that keep to H5MD."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import h5py
import numpy as np

from ..arrays import Array
from ..flow import State
from .commits import open_whole
from .writing import PRIVATE

ARRAYS = ("position", "velocity", "force", "charge", "mass", "potential")
"""What is read of each group of particles, where it is there."""


class Element:
    """One quantity of a file: fixed, or with a value at each of its own steps.

    Attributes
    ----------
    steps : array of int64, shape (frames,), or None
        Steps of the values; None if it is fixed.
    times : array of float64, shape (frames,), or None
        Their times [time]; None if it is fixed or the file has none.
    unit : str
        Its unit, empty if it has none.
    """

    def __init__(self, item: h5py.Group | h5py.Dataset):
        fixed = isinstance(item, h5py.Dataset)
        self._value = item if fixed else item["value"]
        count = 0 if fixed else self._value.shape[0]
        self.steps = None if fixed else _sequence(item["step"], count).astype(np.int64)
        self.times = None if fixed or "time" not in item else _sequence(item["time"], count).astype(np.float64)
        self.unit = _text(self._value.attrs.get("unit", ""))

    def __getitem__(self, frame: Any) -> np.ndarray:
        """Value at a frame, or at several by a slice; a fixed element has one for all."""
        return self._value[()] if self.steps is None else self._value[frame]

    def at(self, step: int) -> np.ndarray | None:
        """Value at a step; None if there is none."""
        if self.steps is None:
            return self._value[()]
        found = np.flatnonzero(self.steps == step)
        return self._value[int(found[-1])] if found.size else None


class Particles(NamedTuple):
    """A group of particles at one time; what the file does not have then is None."""

    position: np.ndarray | None
    """Shape (count, m) [length]."""
    velocity: np.ndarray | None
    """Shape (count, m) [length / time]."""
    force: np.ndarray | None
    """q E, shape (count, m) [charge² · kernel / length]."""
    charge: np.ndarray | None
    """Shape (count,) [charge]."""
    mass: np.ndarray | None
    """Shape (count,) [mass]."""
    potential: np.ndarray | None
    """Shape (count,) [charge · kernel]."""


class Frame(NamedTuple):
    """All groups of particles at one time."""

    step: int
    time: float
    """NaN if the file has no times."""
    particles: dict[str, Particles]


class Trajectory:
    """An H5MD file to read from: a sequence of frames.

    Parameters
    ----------
    path : path
        The file. One whose writer was killed is completed first (:func:`recover`); of one that is being written, the
        frames that are there now.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no H5MD file with particles.

    Attributes
    ----------
    groups : mapping of str to mapping of str to Element
        Elements of each group of particles: 'generated' and 'real' in files of this package.
    observables : mapping of str to Element
        Those of ``/observables``; names of nested ones have slashes.
    steps, times : array, shape (frames,)
        Of the frames: those of the first group whose positions change.
    creator, author : str
        Which program wrote the file, with its version, and who ran it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such file")
        source = open_whole(self.path)
        try:
            self._file = h5py.File(source, "r")
        except OSError as error:
            raise ValueError(f"{self.path}: not a readable HDF5 file ({error})") from error
        try:
            self._open()
        except (KeyError, ValueError) as error:
            self._file.close()
            raise ValueError(f"{self.path}: expected an H5MD file with particles: {error}") from error

    def _open(self) -> None:
        file = self._file
        root = file["h5md"]
        creator = root["creator"].attrs
        self.creator = f"{_text(creator.get('name', ''))} {_text(creator.get('version', ''))}".strip()
        self.author = _text(root["author"].attrs.get("name", ""))
        self.groups: dict[str, Mapping[str, Element]] = {
            name: {key: Element(group[key]) for key in ARRAYS if key in group}
            for name, group in file["particles"].items()
        }
        self.observables: dict[str, Element] = {}
        if "observables" in file:
            self._collect(file["observables"], "")
        positions = [group["position"] for group in self.groups.values() if "position" in group]
        if not positions:
            raise ValueError("no group has positions")
        clock = next((element for element in positions if element.steps is not None), None)
        self.steps = np.zeros(1, dtype=np.int64) if clock is None or clock.steps is None else clock.steps
        times = None if clock is None else clock.times
        self.times = np.full(len(self.steps), np.nan) if times is None else times

    def _collect(self, group: h5py.Group, prefix: str) -> None:
        for name, item in group.items():
            if isinstance(item, h5py.Dataset) or "value" in item:
                self.observables[prefix + name] = Element(item)
            else:
                self._collect(item, f"{prefix}{name}/")

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, frame: int) -> Frame:
        """Frame by its number, from the end if that is negative."""
        if not -len(self) <= frame < len(self):
            raise IndexError(f"frame: expected {-len(self)} to {len(self) - 1}, got {frame}")
        step = int(self.steps[frame])
        particles = {
            name: Particles(*[group[key].at(step) if key in group else None for key in ARRAYS])
            for name, group in self.groups.items()
        }
        return Frame(step, float(self.times[frame]), particles)

    def __iter__(self) -> Iterator[Frame]:
        return (self[frame] for frame in range(len(self)))

    def state(self, frame: int = -1, put: Callable[[np.ndarray], Array] = np.asarray) -> State:
        """Where a flow was, so that it goes on from there bit for bit.

        Parameters
        ----------
        frame : int
            Number of the frame; the last one if it is left out.
        put : callable
            What puts an array where the run computes, such as ``cupy.asarray``.

        Raises
        ------
        IndexError
            If there is no such frame.
        ValueError
            If this package did not write the file.
        """
        if f"{PRIVATE}/memory/value" not in self._file:
            raise ValueError(f"{self.path}: expected a trajectory that this program wrote, to go on from it")
        at = self[frame]
        softening = float(self.observables["softening"][frame])
        generated, real = at.particles["generated"], at.particles["real"]
        arrays = (generated.position, real.position, generated.velocity, real.velocity)
        x, y, v_x, v_y = (None if array is None else put(array) for array in arrays)
        return State(
            generated=x,
            real=y,
            step=at.step,
            time=at.time,
            generated_velocities=v_x,
            real_velocities=v_y,
            softening=None if np.isnan(softening) else softening,
            memory=json.loads(self._file[f"{PRIVATE}/memory/value"][frame]),
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Trajectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


def _sequence(dataset: h5py.Dataset, count: int) -> np.ndarray:
    """Steps or times: as they are, or an increment with an offset."""
    if dataset.shape == ():
        return dataset.attrs.get("offset", 0) + np.arange(count) * dataset[()]
    return dataset[:count]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
