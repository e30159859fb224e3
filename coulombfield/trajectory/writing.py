"""Writing a trajectory, one frame after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from ..arguments import is_integer
from ..files import naming
from ..flow import Snapshot
from ..packages import own_version
from .commits import CommittedFile
from .contents import PRIVATE, Contents, Observable, Value, checked_observables
from .units import Units
from .words import with_line, words_of

VERSION = (1, 1)
CHUNK_BYTES = 2**20  # of one dataset: more would have to be held and compressed at once
SMALL_BYTES = 2**14  # frames smaller than this share a chunk


class Writer:
    """An H5MD file that a run is written to, as a callback of :func:`coulombfield.flow.run`.

    Parameters
    ----------
    path : path
        The file.
    resume : bool
        Go on with the file if it is there: the run is to start from its last :meth:`Trajectory.state`, or from an
        earlier one by the same law. Frames that the file has stay as they are, and one that differs is an error.
    potential, force : bool
        Also write Φ, and the force −∂F/∂x = κ q E, at every particle that moves.
    energies : bool
        Write energies and the largest field as observables. In an exact first-order flow this costs a second sum a
        frame, unless the run computes energies anyway.
    observables : mapping of str to callable, optional
        Further observables: each takes a :class:`coulombfield.flow.Snapshot` and returns a number, a tuple of numbers
        or a small array, of always the same shape; :func:`coulombfield.diagnostics.energy_parts` gives such a tuple.
    units : mapping of str to str, optional
        Units such as ``{"length": "nm", "time": "ps"}`` of length, time, mass, charge, energy, velocity, force,
        potential and field, and of your observables, as H5MD writes them: symbols with integer powers, parted by
        spaces. Once one is named, all that is written has a unit, but observables that have none of yours: a velocity
        is length / time, a force energy / length, a potential energy / charge and a field potential / length unless
        named, and what follows from nothing named is dimensionless, '1'.
    author : str
        Who made the file, in ASCII.
    compression : str, optional
        A lossless filter of HDF5, such as 'gzip'.
    commit_every : int
        Frames after which the file is brought up to date, 1 or more; a run that is killed loses fewer frames than this.
    all_particles : bool
        Also write a group ``all`` of the particles of all groups, with positions and velocities in at least three
        dimensions, charges, masses, species and id, for programs that read one group: their first by name, unless
        another's comes before.

    Raises
    ------
    FileExistsError
        If the file exists and ``resume`` is not set.
    BlockingIOError
        If another process is writing this file.
    TypeError, ValueError
        If an argument does not fit, or what an observable returns; or the file that is to be resumed can't be read, was
        not written by this class, or is of a run of another shape, dtype or set of elements.
    OSError
        If the system refuses, as on a full disk, or has no locks; the file then keeps what was committed.

    Notes
    -----
    The file shows whole frames at every moment (:mod:`.commits`), also to other programs while it is written; memory
    is a frame for each of ``commit_every``. Positions keep their dtype to the bit. Fixed particles are written once.
    Of a system in a periodic box, positions stand as the particles have moved, also beyond it, which H5MD allows ("an
    arbitrary periodic image"), and there is no element ``image``; its edges are 0 along open axes without a length.
    Kernel, system, integrator with its step, and schedule of the softening stand in words as attributes of
    ``/parameters/coulombfield``, beside the coupling and the names of the groups in their order; a resumed run with
    others adds a line. :meth:`Trajectory.setup` makes them anew.

    MDAnalysis reads the first group by name and nothing but three dimensions: give ``all_particles=True`` and open with
    ``convert_units=False``. Its version 2.11 knows no text of fixed length, which is what H5MD demands of units: leave
    ``units`` out for it.
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
        all_particles: bool = False,
    ):
        self.path = Path(path)
        per_particle = [name for name, wanted in (("potential", potential), ("force", force)) if wanted]
        self._contents = Contents(per_particle, checked_observables(observables, energies=energies), all_particles)
        self._units = Units(units, observables or ())
        self._author, self._compression = _ascii("author", author), _filter(compression)
        if not is_integer(commit_every) or commit_every < 1:
            raise ValueError(f"commit_every: expected an integer of 1 or more, got {commit_every!r}")
        self._commit_every: int = int(commit_every)
        self._waiting: int = 0  # frames that are not committed
        self._ready: bool = False  # whether the file's layout is known to be that of the run
        self._whole: bool = True  # whether no frame is half-written
        if not resume and self.path.exists() and self.path.stat().st_size > 0:
            raise FileExistsError(f"{self.path}: exists already; give resume=True to go on with it, or another path")
        self._store: CommittedFile = CommittedFile(self.path)
        try:
            with naming(self.path, "HDF5"):
                self._file: h5py.File = h5py.File(self._store, "r+" if self._store.size else "w")
                if self._store.size and f"{PRIVATE}/memory/step" not in self._file and len(self._file):
                    raise ValueError(f"{self.path}: expected a trajectory that this program wrote, to go on with it")
        except BaseException:
            self._store.close()
            raise

    def __call__(self, now: Snapshot) -> None:
        """Append a frame, unless it is of a step that the file has already."""
        frame = self._contents.changing(now)
        if self._ready:
            self._check_frame(frame)
        with naming(self.path, "HDF5"):
            if not self._ready and "h5md" in self._file:
                self._check_layout(now, frame)
            self._whole = False
            if "h5md" not in self._file:
                self._create(now, frame)
            if not self._ready:
                self._record(now)
                self._clock = self._file[f"{PRIVATE}/memory/step"], self._file[f"{PRIVATE}/memory/time"]
                self._values = {name: self._file[f"{name}/value"] for name in frame}
                self._layout = {name: (values.shape[1:], values.dtype) for name, values in self._values.items()}
                self._ready = True
            self._append(now, frame)
            self._whole = True
        if self._waiting >= self._commit_every:
            self.commit()

    def _append(self, now: Snapshot, frame: Mapping[str, Value]) -> None:
        steps, times = self._clock
        count = steps.shape[0]
        if count and now.step <= int(steps[-1]):
            self._check_same(now.step, frame)
            return
        entries = [(self._values[name], value.array) for name, value in frame.items()]
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
                with naming(self.path, "HDF5"):
                    self._file.close()  # which cuts off what HDF5 had allotted beyond the end
                if self._whole and self._ready:
                    self._store.commit()
            finally:
                self._store.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _create(self, now: Snapshot, frame: Mapping[str, Value]) -> None:
        file = self._file
        root = file.create_group("h5md")
        root.attrs["version"] = np.asarray(VERSION, dtype=np.int32)
        author, creator = root.create_group("author"), root.create_group("creator")
        author.attrs["name"] = self._author
        creator.attrs["name"], creator.attrs["version"] = np.bytes_("coulombfield"), np.bytes_(own_version())
        if self._units:
            module = root.create_group("modules/units")
            module.attrs["version"] = np.asarray((1, 0), dtype=np.int32)
            module.attrs["system"] = np.bytes_(self._units.system)
        clock = file.create_group(f"{PRIVATE}/memory")  # the steps and times of all elements, by hard links
        clock.create_dataset("step", (0,), np.int64, maxshape=(None,), chunks=(1024,))
        clock.create_dataset("time", (0,), np.float64, maxshape=(None,), chunks=(1024,))
        self._set_unit(clock["time"], "time")
        for name, dimension in self._contents.dimensions(now).items():
            box = file.create_group(f"particles/{name}/box")
            box.attrs["dimension"] = dimension
            periodic = () if now.box is None else now.box.axes
            kinds = [b"periodic" if axis in periodic else b"none" for axis in range(dimension)]
            box.attrs["boundary"] = np.asarray(kinds)
        for name, (kind, array) in self._contents.fixed(now).items():
            self._set_unit(file.create_dataset(name, data=array), kind)
        for name, (kind, array) in frame.items():
            group = file.require_group(name)
            if group != clock:
                group["step"], group["time"] = clock["step"], clock["time"]
            dataset = group.create_dataset(
                "value",
                (0, *array.shape),
                array.dtype,
                maxshape=(None, *array.shape) if array.size else (None,) * (1 + array.ndim),
                chunks=_chunks(array),
                compression=self._compression,
            )
            self._set_unit(dataset, kind)

    def _set_unit(self, dataset: h5py.Dataset, kind: str) -> None:
        unit = self._units.of(kind)
        if unit is not None:
            dataset.attrs["unit"] = np.bytes_(unit)

    def _record(self, now: Snapshot) -> None:
        """Write what the run is made with in words; where a file that is resumed has others, from which step on."""
        motion, attributes = now.motion, self._file[PRIVATE].attrs
        attributes["coupling"] = motion.system.coupling
        attributes["groups"] = _names(now)
        attributes["box"] = _box(now)
        step = now.step if self._file[f"{PRIVATE}/memory/step"].shape[0] else None
        used = {"kernel": motion.system.kernel, "system": motion.system, "integrator": motion.integrator}
        for name, part in {**used, "schedule": motion.schedule}.items():
            lines = with_line(bytes(attributes.get(name, b"")), words_of(part), step)
            attributes[name] = np.bytes_(lines)

    def _check_frame(self, frame: Mapping[str, Value]) -> None:
        """Raise unless each element is of the shape and type that it has in the frames before."""
        for name, (shape, dtype) in self._layout.items():
            array = frame[name].array
            if not _fits(name, array, shape, dtype):
                group, _, name = name.rpartition("/")
                raise ValueError(
                    f"{group}: expected {dtype} of shape {shape} of {name}, as in the frames before, got "
                    f"{array.dtype} of shape {array.shape}"
                )

    def _check_same(self, step: int, frame: Mapping[str, Value]) -> None:
        """Raise unless particles are where the file has them at a step that it has already.

        A run that starts before the file's end, by another law, would otherwise leave frames of two runs.
        """
        places = np.flatnonzero(self._clock[0][()] == step)
        compared = [name for name in frame if name.endswith(("/position", "/velocity")) and places.size]
        for name in compared:
            if not np.array_equal(self._values[name][places[-1]], frame[name].array, equal_nan=True):
                raise ValueError(
                    f"{self.path}: has another {name} at step {step}; start from its last state, or write another file"
                )

    def _check_layout(self, now: Snapshot, frame: Mapping[str, Value]) -> None:
        """Raise unless the file has just these elements, of these shapes."""
        clock = self._file[f"{PRIVATE}/memory"]
        there, counts = {}, {clock["step"].shape, clock["time"].shape}

        def collect(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and name.endswith("/value"):
                there[name.removesuffix("/value")] = (item.shape[1:], item.dtype)
                counts.add(item.shape[:1])

        self._file.visititems(collect)  # a name for each object: values have one, steps and times many
        differing = there.keys() ^ frame.keys()
        differing |= {name for name in there.keys() & frame.keys() if not _fits(name, frame[name].array, *there[name])}
        if differing:
            names = ", ".join(sorted(differing))
            raise ValueError(f"{self.path}: holds a run of other elements, shapes or dtypes: {names}")
        if len(counts) > 1:  # HDF5 would set out to bring them all to one size
            raise ValueError(f"{self.path}: is damaged: its elements have different numbers of frames")
        own = self._file[PRIVATE].attrs
        for name, value in (("coupling", now.motion.system.coupling), ("groups", _names(now)), ("box", _box(now))):
            if own.get(name, value) != value:
                raise ValueError(f"{self.path}: holds a run with another {name}")
        for name, (_, array) in self._contents.fixed(now).items():
            # An older file may have no masses.
            if name in self._file and not np.array_equal(self._file[name][()], array, equal_nan=True):
                raise ValueError(f"{self.path}: holds a run with another {name.removeprefix('particles/')}")


def _names(now: Snapshot) -> np.bytes_:
    """Names of the groups in their order, which HDF5 does not keep."""
    return np.bytes_(json.dumps(list(now.motion.groups)))


def _box(now: Snapshot) -> np.bytes_:
    return np.bytes_(repr(now.box))


def _fits(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a value can stand among others; a function may return 0 where it otherwise has a float."""
    same = array.dtype == dtype or (name.startswith("observables/") and np.can_cast(array.dtype, dtype, "safe"))
    return same and array.shape == shape


def _ascii(name: str, text: Any) -> np.bytes_:
    """Text as H5MD has it: in ASCII, of fixed length."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected text, got {type(text).__name__}")
    if not text or not text.isascii() or "\0" in text:
        raise ValueError(f"{name}: expected text in ASCII, as H5MD has it, got {text!r}")
    return np.bytes_(text)


def _filter(compression: Any) -> Any:
    """A filter that HDF5 has here."""
    try:
        with h5py.File("filter", "w", driver="core", backing_store=False) as file:
            file.create_dataset("x", (1,), "f4", chunks=(1,), compression=compression)
    except (TypeError, ValueError) as error:
        raise ValueError(f"compression: expected a filter of HDF5 such as 'gzip', got {compression!r}") from error
    return compression


def _chunks(value: np.ndarray) -> tuple[int, ...]:
    """Shape of the chunks: several small frames, one frame, or a part of a large one."""
    if value.ndim == 0 or value.size == 0:
        return (1024, *(1 for _ in value.shape))
    frames = max(1, SMALL_BYTES // value.nbytes)
    rows = max(1, min(value.shape[0], CHUNK_BYTES * value.shape[0] // value.nbytes))
    return (frames, rows, *value.shape[1:])
