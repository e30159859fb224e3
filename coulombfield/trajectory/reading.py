"""Reading trajectories, also those of other programs that keep to H5MD."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, overload

import h5py
import numpy as np

from ..arguments import finite_number
from ..arrays import Array
from ..files import ids_there, naming, rows_there
from ..flow import Group, State
from .commits import open_whole
from .contents import ALL, PRIVATE
from .elements import Element, index_of, text_of
from .labelled import OF_PARTICLES, as_dataset
from .observables import spread
from .words import Setup, made_of, words_at

ARRAYS = ("position", "velocity", "force", "charge", "mass", "potential", "species", "id", "image")
"""What is read of each group of particles, where it is there."""
EARLIER = np.bytes_('["real", "generated"]')
"""Groups of a file by a version that knew no others, and did not name them."""


class Box(NamedTuple):
    """The box of a group of particles."""

    boundary: tuple[str, ...]
    """Along each dimension 'periodic' or 'none'."""
    edges: np.ndarray | None
    """Its diagonal, shape (m,), or its edges as rows, shape (m, m) [length]; None if it is open. In files of this
    package 0 along an open axis without a length."""


class Particles(NamedTuple):
    """A group of particles at one time, without rows that are none; what the file does not have then is None."""

    position: np.ndarray | None
    """Shape (count, m) [length]."""
    velocity: np.ndarray | None
    """Shape (count, m) [length / time]."""
    force: np.ndarray | None
    """κ q E, shape (count, m) [energy / length]."""
    charge: np.ndarray | None
    """Shape (count,) [charge]."""
    mass: np.ndarray | None
    """Shape (count,) [mass]."""
    potential: np.ndarray | None
    """Shape (count,) [charge · kernel]."""
    species: np.ndarray | None
    """What each particle is, shape (count,)."""
    id: np.ndarray | None
    """Which particle each is, shape (count,): where they change their order, and come and go."""
    image: np.ndarray | None
    """Which image of the box each is in, shape (count, m): its place in open space is position + image · edges."""
    box: Box | None
    fixed: bool = False
    """Whether the file says that they stay where they are."""

    def sorted_by_id(self) -> Particles:
        """The same particles in the order of their identifiers, which is the same at all times if none come or go.

        Raises
        ------
        ValueError
            If they have none.
        """
        if self.id is None:
            raise ValueError("id: expected particles with identifiers to sort by, got none")
        return self.rows(np.argsort(self.id, kind="stable"))

    def rows(self, which: np.ndarray) -> Particles:
        """Some of the particles: a mask or numbers of rows."""
        there = {name: getattr(self, name) for name in ARRAYS}
        return self._replace(**{name: array[which] for name, array in there.items() if array is not None})


class Frame(NamedTuple):
    """All groups of particles at one time."""

    step: int
    time: float
    """NaN if the file has no times."""
    particles: dict[str, Particles]

    @property
    def groups(self) -> dict[str, Particles]:
        """The particles without a group 'all' of all of them, if that is one of several."""
        return {name: each for name, each in self.particles.items() if name != ALL or len(self.particles) == 1}

    def state(self, put: Callable[[np.ndarray], Array] = np.asarray) -> State:
        """What a new run starts from, of a file of any program; :meth:`Trajectory.state` goes on with a run.

        Parameters
        ----------
        put : callable
            What puts an array where the run computes, such as ``cupy.asarray``.

        Returns
        -------
        State
            The groups, with arrays of the dtype of their positions, float64 for integers; at time 0 where the file has
            no times.

        Raises
        ------
        ValueError
            If a group has no positions, no charges, or velocities but no masses, for nothing is made up; or their
            numbers of particles differ.
        """
        groups = {}
        for name, each in self.groups.items():
            for what in ("position", "charge", *(() if each.velocity is None else ("mass",))):
                if getattr(each, what) is None:
                    raise ValueError(
                        f"{name}: expected particles with a {what}, got some without; make a Group of them"
                    )
            dtype = np.result_type(each.position, np.float32)
            arrays = (each.position, None if each.fixed else each.velocity, each.charge, each.mass)
            x, v, q, m = (None if array is None else put(array.astype(dtype, copy=False)) for array in arrays)
            try:
                groups[name] = Group(x, v, q, m, fixed=each.fixed)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{name}.{error}") from None
        return State(groups, max(self.step, 0), 0.0 if np.isnan(self.time) else self.time)


class Trajectory:
    """An H5MD file to read from: a sequence of frames.

    Parameters
    ----------
    path : path
        The file. One whose writer was killed is completed first (:func:`recover`), or, without the right to write,
        read as if it were; of one that is being written, the frames that are there now.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no H5MD file with particles, has no frame yet, or is damaged; here, and where a damaged part is read.
        The error begins with the path.

    Attributes
    ----------
    groups : mapping of str to mapping of str to Element
        Elements of each group of particles, with perhaps a group 'all' of all of them in files of this package.
    observables : mapping of str to Element
        Those of ``/observables``; names of nested ones have slashes.
    steps, times : array, shape (frames,)
        Of the frames: those of the first group whose positions change.
    creator, author : str
        Which program wrote the file, with its version, and who ran it.
    kernel, integrator : str
        What a file of this package was made with, in words; empty in others.
    coupling : float
        κ of a file of this package; NaN in others.

    Notes
    -----
    A frame has, of every element, the value that was written with it, also where steps repeat, as after a restart. An
    element that was written at other frames has its value at the same step; where the frames and the element have that
    step a different number of times, reading such a frame is an error.

    Arrays that are filled up, as where the number of particles changes, come without the rows that fill them: those
    whose ``id`` is its fill value, or that are nothing but NaN where that is the fill value of their positions.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such file")
        with naming(self.path, "HDF5"):
            self._file = h5py.File(open_whole(self.path), "r")
        try:
            with naming(self.path, "H5MD"):
                self._open()
        except ValueError:
            self._file.close()
            raise

    def _open(self) -> None:
        file = self._file
        for name in ("h5md", "h5md/creator", "h5md/author", "particles"):
            if not isinstance(file.get(name), h5py.Group):
                raise ValueError(f"{self.path}: expected an H5MD file with particles, got one without the group {name}")
        creator = file["h5md/creator"].attrs
        self.creator = f"{text_of(creator.get('name', ''))} {text_of(creator.get('version', ''))}".strip()
        self.author = text_of(file["h5md/author"].attrs.get("name", ""))
        own = file[PRIVATE].attrs if PRIVATE in file else {}
        self.kernel, self.integrator = (text_of(own.get(name, "")) for name in ("kernel", "integrator"))
        self.coupling = float(own.get("coupling", np.nan))
        self._names = own.get("groups", EARLIER)
        groups = {name: group for name, group in file["particles"].items() if isinstance(group, h5py.Group)}
        if PRIVATE in file:  # in the order of the run, which HDF5 does not keep
            groups = {name: groups[name] for name in json.loads(text_of(self._names)) if name in groups} | groups
        self.groups: dict[str, Mapping[str, Element]] = {
            name: {key: Element(self.path, group[key]) for key in ARRAYS if key in group}
            for name, group in groups.items()
        }
        self._boundaries: dict[str, tuple[str, ...]] = {}
        self._edges: dict[str, Element] = {}
        for name, group in groups.items():
            if "box" in group:
                boundary = np.asarray(group["box"].attrs.get("boundary", [])).ravel()
                self._boundaries[name] = tuple(map(text_of, boundary))
                if "edges" in group["box"]:
                    self._edges[name] = Element(self.path, group["box/edges"])
        self.observables: dict[str, Element] = {}
        if "observables" in file:
            self._collect(file["observables"], "")
        positions = [group["position"] for group in self.groups.values() if "position" in group]
        if not positions:
            raise ValueError(
                f"{self.path}: expected an H5MD file with particles, got one whose groups have no positions"
            )
        clock = next((element for element in positions if element.steps is not None), None)
        self.steps = np.zeros(1, dtype=np.int64) if clock is None or clock.steps is None else clock.steps
        times = None if clock is None else clock.times
        self.times = np.full(len(self.steps), np.nan) if times is None else times
        elements = [element for group in [*self.groups.values(), self._edges] for element in group.values()]
        self._places = {element: element.places(self.steps) for element in elements}

    def _collect(self, group: h5py.Group, prefix: str) -> None:
        for name, item in group.items():
            if isinstance(item, h5py.Dataset) or (isinstance(item, h5py.Group) and "value" in item):
                self.observables[prefix + name] = Element(self.path, item)
            elif isinstance(item, h5py.Group):
                self._collect(item, f"{prefix}{name}/")

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, frame: int) -> Frame: ...

    @overload
    def __getitem__(self, frame: slice) -> list[Frame]: ...

    def __getitem__(self, frame: int | slice) -> Frame | list[Frame]:
        """Frame by its number, from the end if that is negative; or a list of frames by a slice.

        Raises
        ------
        TypeError, IndexError
            If it is no integer or slice, or there is no such frame.
        ValueError
            If it can't be told which value of an element belongs to the frame, or the file is damaged there.
        """
        if isinstance(frame, slice):
            return [self[number] for number in range(len(self))[frame]]
        number = index_of(frame, len(self))
        particles = {name: self._particles(name, number) for name in self.groups}
        return Frame(int(self.steps[number]), float(self.times[number]), particles)

    def __iter__(self) -> Iterator[Frame]:
        return (self[frame] for frame in range(len(self)))

    def _at(self, element: Element | None, frame: int) -> np.ndarray | None:
        return None if element is None else element.at_place(self._places[element], frame)

    def _particles(self, name: str, frame: int) -> Particles:
        group = self.groups[name]
        arrays = {key: self._at(group.get(key), frame) for key in ARRAYS}
        box = Box(self._boundaries[name], self._at(self._edges.get(name), frame)) if name in self._boundaries else None
        fixed = "position" in group and group["position"].steps is None
        found = Particles(**arrays, box=box, fixed=fixed)
        with naming(self.path, f"H5MD: rows of {name}"):
            for key, tell in (("id", ids_there), ("position", rows_there), ("velocity", rows_there)):
                values = arrays[key]
                there = None if values is None else tell(group[key].dataset, values)
                if there is not None:
                    return found if there.all() else found.rows(there)
        return found

    def state(self, frame: int = -1, put: Callable[[np.ndarray], Array] = np.asarray) -> State:
        """A frame as what a run goes on from, bit for bit: every frame has all that this takes.

        Parameters
        ----------
        frame : int
            Number of the frame, such as :meth:`at_time` gives; the last one if it is left out.
        put : callable
            What puts an array where the run computes, such as ``cupy.asarray``.

        Raises
        ------
        IndexError
            If there is no such frame.
        ValueError
            If this package did not write the file, or it is damaged there.

        Notes
        -----
        Positions, velocities, charges and masses are those of the frame to the bit, and so are step, time and what the
        integrator remembers. With the same system, integrator and schedule (:meth:`setup`) the run takes the steps that
        it took before, with noise too, which is drawn by the number of the step. Other bits have: frames after a step
        that was shortened to end at ``Stop(time=…)``, which a run without that end does not have; and sums of the
        method 'gram' on another number of threads, or of any on another machine or library.
        """
        number = index_of(frame, len(self))
        with naming(self.path, "a state"):
            if f"{PRIVATE}/memory/value" not in self._file:
                raise ValueError(
                    f"{self.path}: expected a trajectory that this program wrote, to go on from it; trajectory[frame]."
                    "state() starts a new run"
                )
            at = self[number]
            softening = float(self.observables["softening"][number])
            memory = json.loads(self._file[f"{PRIVATE}/memory/value"][number])
            names = json.loads(text_of(self._names))
            found = {name: at.particles[name] for name in names}
        groups = {}
        for name, particles in found.items():
            arrays = (particles.position, particles.velocity, particles.charge, particles.mass)
            x, v, q, m = (None if array is None else put(array) for array in arrays)
            with naming(self.path, "a state"):
                groups[name] = Group(x, v, q, m, fixed=particles.fixed)
        with naming(self.path, "a state"):
            softening_or_none = None if np.isnan(softening) else softening
            return State(groups, at.step, at.time, softening_or_none, memory)

    def at_time(self, time: float) -> int:
        """Number of the frame at a time, to one part in 10⁶; the last one if several have it.

        Raises
        ------
        TypeError, ValueError
            If it is no number, or no frame is at that time.
        """
        wanted = finite_number("time", time)
        away = np.abs(np.where(np.isnan(self.times), np.inf, self.times) - wanted)
        nearest = float(away.min(initial=np.inf))
        if not nearest <= 1e-6 * abs(wanted):
            known = np.unique(self.times[(away == nearest) & np.isfinite(away)])
            beside = " or ".join(f"{each:.12g}" for each in known) or "none"
            raise ValueError(f"time: expected one that {self.path} has, nearest {beside}, got {wanted:.12g}")
        return int(np.flatnonzero(away == nearest)[-1])

    def setup(self, frame: int = -1) -> Setup:
        """System, integrator and schedule of the softening by which the run went on from a frame, made of their words.

        With ``trajectory.state(frame)`` a file is all that a run goes on from::

            run(trajectory.state(5), **trajectory.setup(5)._asdict(), until=Stop(time=20))

        Raises
        ------
        IndexError
            If there is no such frame.
        ValueError
            If the file does not have them, or one is no public class of this package with numbers as arguments, such as
            a kernel of one's own.
        """
        step = int(self.steps[index_of(frame, len(self))])
        own = self._file[PRIVATE].attrs if PRIVATE in self._file else {}
        made = []
        for name in ("system", "integrator", "schedule"):
            with naming(self.path, f"a {name}"):
                made.append(made_of(words_at(bytes(np.bytes_(own.get(name, b""))), step)))
        return Setup(*made)

    def to_xarray(self, group: str | None = None) -> Any:
        """Observables of all frames, or the particles of a group, as an ``xarray.Dataset``.

        Parameters
        ----------
        group : str, optional
            Name of a group; its arrays have the dimensions 'frame', 'particle' and 'axis'.

        Returns
        -------
        xarray.Dataset
            What has the steps of the frames or is fixed, in memory, with step and time as coordinates of the dimension
            'frame', and with units where the file has them.

        Raises
        ------
        ImportError
            If xarray is not installed or can't be imported.
        ValueError
            If there is no such group, or the file is damaged.
        """
        if group is not None and group not in self.groups:
            raise ValueError(f"group: expected one of {', '.join(self.groups)}, got {group!r}")
        elements, axes = (self.observables, {}) if group is None else (self.groups[group], OF_PARTICLES)
        dataset = as_dataset(elements, self.steps, self.times, axes)
        kept = ("creator", "author", "kernel", "integrator", "coupling")
        return dataset.assign_attrs({name: getattr(self, name) for name in kept})

    def columns(self) -> dict[str, np.ndarray]:
        """Observables of all frames, with their steps and times, as ``pandas.DataFrame`` takes them.

        Returns
        -------
        dict of str to array, shape (frames,)
            Those that have the steps of the frames; arrays have a column for each number, as of :class:`Columns`.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        same = {
            name: element[:]
            for name, element in self.observables.items()
            if element.steps is not None and np.array_equal(element.steps, self.steps)
        }
        return spread({"step": self.steps, "time": self.times, **same})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Trajectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
