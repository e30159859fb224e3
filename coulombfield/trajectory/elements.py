"""H5MD's elements: quantities of a file, each fixed or with a value at each of its own steps."""

from __future__ import annotations

import numbers
import operator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..files import naming

NONE, AMBIGUOUS = -1, -2


class Element:
    """One quantity of a file: fixed, or with a value at each of its own steps.

    Attributes
    ----------
    name : str
        Its path in the file.
    steps : array of int64, shape (frames,), or None
        Steps of the values; None if it is fixed. A file that was cut off may have more values than steps: those without
        a step aren't counted.
    times : array of float64, shape (frames,), or None
        Their times [time], NaN where one is missing; None if it is fixed or the file has none.
    unit : str
        Its unit, empty if it has none.
    """

    def __init__(self, path: Path, item: h5py.Group | h5py.Dataset):
        fixed = isinstance(item, h5py.Dataset)
        if not fixed and not all(isinstance(item.get(name), h5py.Dataset) for name in ("value", "step")):
            raise ValueError(f"{item.name}: expected an element of H5MD, with datasets value and step")
        self._path, self.name = path, item.name
        self.dataset: h5py.Dataset = item if fixed else item["value"]
        self.steps: np.ndarray | None = None
        self.times: np.ndarray | None = None
        if not fixed:
            if not self.dataset.shape:
                raise ValueError(f"{self.dataset.name}: expected a value for each step, got a single one")
            self.steps = _steps(item["step"], self.dataset.shape[0])
            self.times = _times(item["time"], len(self.steps)) if "time" in item else None
        self.unit = text_of(self.dataset.attrs.get("unit", ""))

    def __getitem__(self, frame: Any) -> np.ndarray:
        """Value at a frame, or at several by a slice; a fixed element has one for all.

        Raises
        ------
        IndexError
            If there is no such frame.
        ValueError
            If the file is damaged there.
        """
        where: Any = ()
        backwards = False
        if self.steps is not None:
            where = frame
            if isinstance(frame, slice):
                chosen = range(len(self.steps))[frame]
                backwards = chosen.step < 0
                chosen = chosen[::-1] if backwards else chosen  # HDF5 reads in the order of the file
                where = slice(chosen.start, max(chosen.start, chosen.stop), chosen.step)
            elif isinstance(frame, numbers.Integral):
                where = index_of(frame, len(self.steps))
        with naming(self._path, f"HDF5 at {self.dataset.name}"):
            values = self.dataset[where]
        return values[::-1] if backwards else values

    def at(self, step: int) -> np.ndarray | None:
        """Value at a step; None if there is none.

        Raises
        ------
        ValueError
            If there are several, or the file is damaged there.
        """
        if self.steps is None:
            return self[()]
        found = np.flatnonzero(self.steps == step)
        if found.size > 1:
            raise ValueError(
                f"{self._path}: {self.name} has {found.size} values at step {step}, at frames {_few(found)}; "
                "take one by its frame"
            )
        return self[found[0]] if found.size else None

    def places(self, clock: np.ndarray) -> np.ndarray | None:
        """At which of its frames the element is at each frame of a clock, or NONE, or AMBIGUOUS; None if it is fixed.

        The same frame for the clock's own elements. Of others, a step that both have equally often: the first with the
        first and so on, as where a run that went on, or a second one, begins with steps that were there already.
        """
        if self.steps is None:
            return None
        if np.array_equal(self.steps, clock):  # which is what comes out below, without sorting
            return np.arange(len(clock))
        here, there = _Occurrences(self.steps), _Occurrences(clock)
        first, count = here.of(clock)
        wanted, ranks = there.of(clock)[1], there.ranks()
        places = np.full(len(clock), NONE)
        same = (count == wanted) & (count > 0)
        places[same] = here.order[first[same] + ranks[same]]
        places[(count != wanted) & (count > 0)] = AMBIGUOUS
        return places

    def at_place(self, places: np.ndarray | None, frame: int) -> np.ndarray | None:
        """Value at a frame of a clock; None if there is none.

        Raises
        ------
        ValueError
            If it can't be told which, or the file is damaged there.
        """
        if places is None or self.steps is None:
            return self[()]
        place = int(places[frame])
        if place == AMBIGUOUS:
            raise ValueError(
                f"{self._path}: {self.name} has the step of frame {frame} another number of times than the positions "
                "have, so that it can't be told which of its values belongs there"
            )
        return None if place == NONE else self[place]


class _Occurrences:
    """Where in a list of steps each of them is, repeated or not."""

    def __init__(self, steps: np.ndarray):
        self.order = np.argsort(steps, kind="stable")
        self._sorted = steps[self.order]

    def of(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each step, where in ``order`` it begins, and how often it is there."""
        first = np.searchsorted(self._sorted, steps, "left")
        return first, np.searchsorted(self._sorted, steps, "right") - first

    def ranks(self) -> np.ndarray:
        """For each of the steps themselves, how many equal ones come before it."""
        ranks = np.empty(len(self.order), dtype=int)
        ranks[self.order] = np.arange(len(self.order)) - np.searchsorted(self._sorted, self._sorted, "left")
        return ranks


def index_of(frame: Any, count: int) -> int:
    """A frame's number from 0, of one that may be counted from the end.

    Raises
    ------
    TypeError, IndexError
        If it is no integer, or there is no such frame.
    """
    try:
        number = operator.index(frame)
    except TypeError:
        raise TypeError(f"frame: expected an integer or a slice, got {type(frame).__name__}") from None
    if not -count <= number < count:
        raise IndexError(f"frame: expected {-count} to {count - 1}, got {number}" if count else "frame: there is none")
    return number % count


def text_of(value: Any) -> str:
    """A string of a file: of fixed or variable length, or a list of one."""
    value = np.asarray(value).ravel()[:1].tolist()
    text = value[0] if value else ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


def _steps(dataset: h5py.Dataset, count: int) -> np.ndarray:
    """Steps as they are, or made of an increment and an offset."""
    if dataset.shape == ():
        offset = np.asarray(dataset.attrs.get("offset", 0)).ravel()[:1]
        first, each = int(_whole(dataset, offset)[0]), int(_whole(dataset, dataset[()]))
        if not all(-(2**63) <= step < 2**63 for step in (first, first + each * max(0, count - 1))):
            raise ValueError(f"{dataset.name}: expected steps that fit int64, got {first} and then every {each}")
        return first + np.arange(count, dtype=np.int64) * each
    return _whole(dataset, dataset[:count])


def _whole(dataset: h5py.Dataset, values: Any) -> np.ndarray:
    """Steps as int64, if they are whole numbers that fit."""
    values = np.asarray(values)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{dataset.name}: expected integers, got {values.dtype}")
    bad = ~(np.rint(values) == values) | (values >= 2.0**63) | (values < -(2.0**63))
    if bad.any():
        raise ValueError(f"{dataset.name}: expected integers that fit int64, got {values[bad].ravel()[0]}")
    return values.astype(np.int64).reshape(values.shape if values.ndim < 2 else -1)


def _times(dataset: h5py.Dataset, count: int) -> np.ndarray:
    """Times as they are, NaN where they end early, or made of an increment and an offset."""
    if dataset.dtype.kind not in "iuf":
        raise ValueError(f"{dataset.name}: expected numbers, got {dataset.dtype}")
    if dataset.shape == ():
        return float(np.asarray(dataset.attrs.get("offset", 0)).ravel()[0]) + np.arange(count) * float(dataset[()])
    times = np.full(count, np.nan)
    there = dataset[:count]
    times[: len(there)] = there
    return times


def _few(numbers: np.ndarray) -> str:
    return ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
