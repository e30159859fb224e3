"""Writing a trajectory, one frame after the other."""

from __future__ import annotations

import json
import numbers
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from ..arrays import to_numpy
from ..flow import Snapshot
from .commits import CommittedFile

VERSION = (1, 1)
PRIVATE = "parameters/coulombfield"
CHUNK_BYTES = 2**20  # of one dataset: more would have to be held and compressed at once
SMALL_BYTES = 2**14  # frames smaller than this share a chunk
UNITS = ("length", "time", "charge", "velocity", "force", "potential", "energy")

Observable = Callable[[Snapshot], Any]

STANDARD: dict[str, tuple[str, Observable]] = {
    "energy": ("energy", lambda now: now.energy),
    "moving_energy": ("energy", lambda now: now.moving_energy),
    "kinetic_energy": ("energy", lambda now: now.kinetic_energy),
    "largest_field": ("", lambda now: now.largest_field),
}
"""Observables with the kind of their unit; H5MD leaves their names free."""


class Writer:
    """An H5MD file that a run is written to, as a callback of :func:`coulombfield.flow.run`.

    Parameters
    ----------
    path : path
        The file.
    resume : bool
        Go on with the file if it is there: the run is to start from its last :meth:`Trajectory.state`. Frames up to
        that step stay as they are.
    potential, force : bool
        Also write Φ, and the force −∂F/∂x = q E, at every particle that moves.
    energies : bool
        Write energies and the largest field as observables. In an exact first-order flow this costs a second sum a
        frame, unless the run computes energies anyway.
    observables : mapping of str to callable, optional
        Further observables: each takes a :class:`coulombfield.flow.Snapshot` and returns a number, a tuple of numbers
        or a small array, of always the same shape; :func:`coulombfield.diagnostics.energy_parts` gives such a tuple.
    units : mapping of str to str, optional
        Unit strings, such as ``{"length": "nm", "time": "ps"}``, for length, time, charge, velocity, force, potential
        and energy. What is not named has no unit: it is dimensionless.
    author : str
        Who made the file.
    compression : str, optional
        A lossless filter of HDF5, such as 'gzip'.
    commit_every : int
        Frames after which the file is brought up to date, 1 or more; a run that is killed loses fewer frames than this.

    Raises
    ------
    FileExistsError
        If the file exists and ``resume`` is not set.
    BlockingIOError
        If another process is writing this file.
    TypeError, ValueError
        If an argument does not fit, or the file that is to be resumed was not written by this class, or is of a run
        of another shape, dtype or set of elements.
    OSError
        If the system refuses, as on a full disk; the file then keeps what was committed.

    Notes
    -----
    The file shows whole frames at every moment (:mod:`.commits`), also to other programs while it is written; memory
    is a frame for each of ``commit_every``. Positions keep their dtype to the bit. Fixed data are written once.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        resume: bool = False,
        potential: bool = False,
        force: bool = False,
        energies: bool = True,
        observables: Mapping[str, Observable] | None = None,
        units: Mapping[str, str] | None = None,
        author: str = "N/A",
        compression: str | None = None,
        commit_every: int = 1,
    ):
        self.path = Path(path)
        self._units, self._author, self._compression = dict(units or {}), author, compression
        self._per_particle = [name for name, wanted in (("potential", potential), ("force", force)) if wanted]
        self._observables = {**(STANDARD if energies else {}), **{k: ("", f) for k, f in (observables or {}).items()}}
        if isinstance(commit_every, bool) or not isinstance(commit_every, numbers.Integral) or commit_every < 1:
            raise ValueError(f"commit_every: expected an integer of 1 or more, got {commit_every!r}")
        if unknown := sorted(set(self._units) - set(UNITS)):
            raise ValueError(f"units: expected names among {', '.join(UNITS)}, got {', '.join(unknown)}")
        if "softening" in self._observables or any("/" in name or not name for name in self._observables):
            raise ValueError(f"observables: expected names without a slash other than softening, got {[*observables]}")
        self._commit_every: int = int(commit_every)
        self._waiting: int = 0  # frames that are not committed
        self._ready: bool = False  # whether the file's layout is known to be that of the run
        self._whole: bool = True  # whether no frame is half-written
        if not resume and self.path.exists() and self.path.stat().st_size > 0:
            raise FileExistsError(f"{self.path}: exists already; give resume=True to go on with it, or another path")
        self._store: CommittedFile = CommittedFile(self.path)
        try:
            self._file: h5py.File = h5py.File(self._store, "r+" if self._store.size else "w")
            if "h5md" in self._file and f"{PRIVATE}/memory/step" not in self._file:
                raise ValueError(f"{self.path}: expected a trajectory that this program wrote, to go on with it")
        except BaseException:
            self._store.close()
            raise

    def __call__(self, now: Snapshot) -> None:
        """Append a frame, unless it is of a step that the file has already."""
        frame = self._elements(now)
        if not self._ready and "h5md" in self._file:
            self._check_layout(now, frame)
        self._whole = False
        if "h5md" not in self._file:
            self._create(now, frame)
        if not self._ready:
            self._clock = self._file[f"{PRIVATE}/memory/step"], self._file[f"{PRIVATE}/memory/time"]
            self._values = {name: self._file[f"{name}/value"] for name in frame}
            self._ready = True
        self._append(now, frame)
        self._whole = True
        if self._waiting >= self._commit_every:
            self.commit()

    def _append(self, now: Snapshot, frame: Mapping[str, tuple[str, np.ndarray]]) -> None:
        steps, times = self._clock
        count = steps.shape[0]
        if count and now.step <= int(steps[-1]):
            return
        entries = [(self._values[name], value) for name, (_, value) in frame.items()]
        for dataset, value in [*entries, (times, now.time), (steps, now.step)]:
            dataset.resize(count + 1, axis=0)
            dataset[count] = value
        self._waiting += 1

    def commit(self) -> None:
        """Bring the file up to date with all frames."""
        self._file.flush()
        self._store.commit()
        self._waiting = 0

    def close(self) -> None:
        """Commit and close; if a frame was interrupted, close with what was committed last."""
        if self._file:
            try:
                self._file.close()  # which cuts off what HDF5 had allotted beyond the end
                if self._whole and self._ready:
                    self._store.commit()
            finally:
                self._store.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()

    def _elements(self, now: Snapshot) -> dict[str, tuple[str, np.ndarray]]:
        """Kind of unit and value of every time-dependent element at this moment, by its path."""
        state, elements = now.state, {}
        for kind in ("generated", "real") if now.motion.both else ("generated",):
            group = f"particles/{kind}"
            elements[f"{group}/position"] = "length", to_numpy(getattr(state, kind))
            velocities = getattr(state, f"{kind}_velocities")
            if velocities is not None:
                elements[f"{group}/velocity"] = "velocity", to_numpy(velocities)
            for name in self._per_particle:
                elements[f"{group}/{name}"] = name, to_numpy(getattr(now, f"{kind}_{name}"))
        for name, (unit, function) in self._observables.items():
            value = function(now)
            on_host = not hasattr(value, "__dlpack__") or isinstance(value, np.generic)
            value = np.asarray(value) if on_host else to_numpy(value)
            elements[f"observables/{name}"] = unit, value
        softening = np.nan if now.softening is None else now.softening
        elements["observables/softening"] = "length", np.asarray(softening, dtype=float)
        elements[f"{PRIVATE}/memory"] = "", np.asarray(json.dumps(dict(state.memory)), dtype=h5py.string_dtype())
        return elements

    def _create(self, now: Snapshot, frame: Mapping[str, tuple[str, np.ndarray]]) -> None:
        file, state = self._file, now.state
        root = file.create_group("h5md")
        root.attrs["version"] = np.asarray(VERSION, dtype=np.int32)
        author, creator = root.create_group("author"), root.create_group("creator")
        author.attrs["name"] = self._author
        creator.attrs["name"], creator.attrs["version"] = "coulombfield", _version()
        if self._units:
            root.create_group("modules/units").attrs["version"] = np.asarray((1, 0), dtype=np.int32)
        clock = file.create_group(f"{PRIVATE}/memory")  # the steps and times of all elements, by hard links
        clock.create_dataset("step", (0,), np.int64, maxshape=(None,), chunks=(1024,))
        clock.create_dataset("time", (0,), np.float64, maxshape=(None,), chunks=(1024,))
        self._set_unit(clock["time"], "time")
        for kind in ("generated", "real"):
            group = file.create_group(f"particles/{kind}")
            box = group.create_group("box")
            box.attrs["dimension"] = state.generated.shape[1]
            box.attrs["boundary"] = ["none"] * state.generated.shape[1]
            weights = group.create_dataset("charge", data=to_numpy(getattr(now.motion, f"{kind}_weights")))
            self._set_unit(weights, "charge")
        if not now.motion.both:
            self._set_unit(file["particles/real"].create_dataset("position", data=to_numpy(state.real)), "length")
        for name, (unit, value) in frame.items():
            group = file.require_group(name)
            if group != clock:
                group["step"], group["time"] = clock["step"], clock["time"]
            dataset = group.create_dataset(
                "value",
                (0, *value.shape),
                value.dtype,
                maxshape=(None, *value.shape) if value.size else (None,) * (1 + value.ndim),
                chunks=_chunks(value),
                compression=self._compression,
            )
            self._set_unit(dataset, unit)

    def _set_unit(self, dataset: h5py.Dataset, kind: str) -> None:
        if kind in self._units:
            dataset.attrs["unit"] = self._units[kind]

    def _check_layout(self, now: Snapshot, frame: Mapping[str, tuple[str, np.ndarray]]) -> None:
        """Raise unless the file has just these elements, of these shapes."""
        there = {}

        def collect(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and name.endswith("/value"):
                there[name.removesuffix("/value")] = (item.shape[1:], item.dtype)

        self._file.visititems(collect)  # a name for each object: values have one, steps and times many
        here = {name: (value.shape, value.dtype) for name, (_, value) in frame.items()}
        if there != here:
            differing = sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
            raise ValueError(f"{self.path}: holds a run of other elements, shapes or dtypes: {', '.join(differing)}")
        fixed = {f"{kind}/charge": getattr(now.motion, f"{kind}_weights") for kind in ("generated", "real")}
        if not now.motion.both:
            fixed["real/position"] = now.state.real
        for name, value in fixed.items():
            if not np.array_equal(self._file[f"particles/{name}"][()], to_numpy(value), equal_nan=True):
                raise ValueError(f"{self.path}: holds a run with another {name}")


def _version() -> str:
    try:
        return metadata.version("coulombfield")
    except metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


def _chunks(value: np.ndarray) -> tuple[int, ...]:
    """Shape of the chunks: several small frames, one frame, or a part of a large one."""
    if value.ndim == 0 or value.size == 0:
        return (1024, *(1 for _ in value.shape))
    frames = max(1, SMALL_BYTES // value.nbytes)
    rows = max(1, min(value.shape[0], CHUNK_BYTES * value.shape[0] // value.nbytes))
    return (frames, rows, *value.shape[1:])
