"""Extended XYZ, the text that ASE, OVITO and others read: writing frames.

A frame is a number of particles, a line of keys with values, and a line for each particle. The names of the columns
are those by which ASE and OVITO know them, and where the two differ both are there: ``velo`` and ``momenta``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..arguments import is_integer
from ..arrays import to_numpy
from ..flow import Group, Members, Snapshot, State
from .reading import Box, Frame, Particles

ROWS = 2**14  # of text that is held at once
HEAVIEST = 118
AT_REST = ("velocity", "force")
"""What is 0 at fixed particles: a velocity, and a force as ASE has it under a constraint."""


class XYZWriter:
    """A file in extended XYZ that a run is written to, as a callback of :func:`coulombfield.flow.run`.

    Parameters
    ----------
    path : path
        The file, which must not be there yet.
    potential, force : bool
        Also write Φ at every particle, which takes a sum of its own at fixed ones, and the force −∂F/∂x = κ q E at
        every particle that moves.
    atomic_numbers : mapping of str to int, optional
        Atomic numbers of groups, by which ASE knows the elements; 0, no element, for those without.

    Raises
    ------
    FileExistsError
        If the file exists.
    TypeError, ValueError
        If an argument does not fit, or a frame has what the format has no room for: more than three dimensions, or
        names of groups with spaces.
    OSError
        If the system refuses.

    Notes
    -----
    Numbers stand as they are, in as many digits as bring every bit back, and without units, for which the format has no
    place. ASE takes lengths for Å, masses for u, charges for e, energies for eV, and so times for Å √(u/eV) = 10.18 fs.

    Columns are ``species`` and ``group``, the name of the group, ``Z``, ``pos``, ``masses`` and ``initial_charges``;
    with velocities ``velo``, which OVITO knows, and ``momenta``, m v, which ASE knows; ``forces`` and ``potential`` on
    request; and ``move_mask`` where a group is fixed, of which ASE makes constraints. Velocities and forces of fixed
    particles are 0. A quantity that one of the groups does not have is left out, and a group without particles leaves
    no trace. Missing dimensions are 0, and the key ``dimension`` says how many there are. A box is written as
    ``Lattice`` and ``pbc``, with edges of 0 where an axis has none. Each frame is in the file after its call.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        potential: bool = False,
        force: bool = False,
        atomic_numbers: Mapping[str, int] | None = None,
    ):
        self.path = Path(path)
        self._potential, self._force = potential, force
        self._numbers = _checked_numbers(atomic_numbers)
        self._empty = True
        try:
            self._file = open(self.path, "x", encoding="utf-8", newline="\n")  # noqa: SIM115 - closed by close()
        except FileExistsError:
            raise FileExistsError(f"{self.path}: exists already; give another path") from None

    def __call__(self, now: Snapshot) -> None:
        """Append a frame."""
        frame = _of_snapshot(now, potential=self._potential, force=self._force)
        lines = _lines(frame, self._numbers)
        self._empty = False
        self._file.writelines(lines)
        self._file.flush()

    def close(self) -> None:
        """Close the file; one without a frame, such as where the first was refused, is removed."""
        self._file.close()
        if self._empty:
            self.path.unlink(missing_ok=True)
            self._empty = False

    def __enter__(self) -> XYZWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_xyz(
    path: str | Path,
    frames: State | Snapshot | Frame | Iterable[State | Snapshot | Frame],
    *,
    atomic_numbers: Mapping[str, int] | None = None,
) -> None:
    """Write moments to a file in extended XYZ, as :class:`XYZWriter` does.

    Parameters
    ----------
    path : path
        The file; one that is there is replaced.
    frames : State, Snapshot, Frame, or iterable of them
        What to write; a :class:`Trajectory` is an iterable of frames.
    atomic_numbers : mapping of str to int, optional
        As of :class:`XYZWriter`.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, there is no frame, or a frame has what the format has no room for.
    """
    numbers = _checked_numbers(atomic_numbers)
    if isinstance(frames, State | Snapshot | Frame):
        frames = [frames]
    if not isinstance(frames, Iterable):
        raise TypeError(f"frames: expected states, snapshots or frames, got {type(frames).__name__}")
    texts = (_lines(_frame(each), numbers) for each in frames)
    first = next(texts, None)
    if first is None:
        raise ValueError("frames: expected one at least, got none")
    part = Path(f"{path}.part")  # what is written may be read from the file that it replaces
    try:
        with open(part, "w", encoding="utf-8", newline="\n") as file:
            for lines in itertools.chain([first], texts):
                file.writelines(lines)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _frame(given: State | Snapshot | Frame) -> Frame:
    if isinstance(given, Frame):
        return given
    if isinstance(given, Snapshot):
        return _of_snapshot(given)
    if not isinstance(given, State):
        raise TypeError(f"frames: expected states, snapshots or frames, got {type(given).__name__}")
    return Frame(given.step, given.time, {name: _particles(group) for name, group in given.groups.items()})


def _of_snapshot(now: Snapshot, *, potential: bool = False, force: bool = False) -> Frame:
    box = getattr(now.motion.system, "box", None)
    particles = {}
    for name in now.motion.groups:
        members = now[name]
        found = _particles(members)
        if box is not None:
            boundary = tuple("periodic" if axis in box.axes else "none" for axis in range(box.dimension))
            found = found._replace(box=Box(boundary, np.asarray([length or 0.0 for length in box.lengths])))
        if potential:
            found = found._replace(potential=to_numpy(members.potential))
        if force and not members.fixed:
            found = found._replace(force=to_numpy(members.force))
        particles[name] = found
    return Frame(now.step, now.time, particles)


def _particles(group: Group | Members) -> Particles:
    """What a group, or its members at a moment, have by the same names."""
    names = {"position": "positions", "velocity": "velocities", "charge": "charges", "mass": "masses"}
    found: dict[str, Any] = dict.fromkeys(Particles._fields) | {"fixed": group.fixed}
    for name, theirs in names.items():
        array = getattr(group, theirs)
        found[name] = None if array is None else to_numpy(array)
    return Particles(**found)


def _lines(frame: Frame, numbers: Mapping[str, int]) -> list[str]:
    """A frame as text.

    Raises
    ------
    ValueError
        If the format has no room for it.
    """
    groups, positions = frame.groups, {}
    if not groups:
        raise ValueError("frames: expected particles, got a frame without groups")
    for name, each in groups.items():
        if any(map(str.isspace, name)):
            raise ValueError(f"groups: expected names without spaces for extended XYZ, got {name!r}")
        if each.position is None:
            raise ValueError(f"{name}: expected particles with positions, got some without")
        positions[name] = each.position
    if unknown := [name for name in numbers if name not in groups]:
        raise ValueError(f"atomic_numbers: expected groups among {', '.join(groups)}, got {', '.join(unknown)}")
    dimension = max(points.shape[1] for points in positions.values())
    if dimension > 3:
        raise ValueError(f"frames: expected at most 3 dimensions for extended XYZ, got {dimension}")
    columns = _columns(groups, positions, numbers)
    properties = ":".join(f"{name}:{_kind(cells)}:{cells.shape[1]}" for name, cells in columns.items())
    keys = [*_cell(next(iter(groups.values())).box), f"Properties={properties}", f"Step={frame.step}"]
    keys += [] if np.isnan(frame.time) else [f"Time={float(frame.time)!r}"]
    keys += [f"dimension={dimension}"]
    count = sum(map(len, positions.values()))
    lines = [f"{count}\n{' '.join(keys)}\n"]
    for start in range(0, count, ROWS):
        cells = [_text(part) for values in columns.values() for part in values[start : start + ROWS].T]
        lines += [f"{' '.join(row)}\n" for row in zip(*cells, strict=True)]
    return lines


def _columns(
    groups: Mapping[str, Particles], positions: Mapping[str, np.ndarray], numbers: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Names of the columns and their values, shape (count, width)."""
    counts = list(map(len, positions.values()))

    def each(values: list) -> np.ndarray:
        return np.repeat(np.asarray(values), counts)[:, None]

    def joined(name: str, width: int = 1) -> np.ndarray | None:
        """A quantity of all particles, with coordinates of 0 up to the width; None if a group has none."""
        every = {key: getattr(group, name) for key, group in groups.items()}
        lacking = [key for key, values in every.items() if values is None]
        if len(lacking) == len(every) or not all(groups[key].fixed and name in AT_REST for key in lacking):
            return None
        every |= {key: np.zeros_like(positions[key]) for key in lacking}
        parts = [values if values.ndim == 2 else values[:, None] for values in every.values()]
        parts = [np.pad(values, ((0, 0), (0, width - values.shape[1]))) for values in parts]
        return np.concatenate(parts)

    found = {
        "species": each(list(groups)),
        "pos": joined("position", 3),
        "Z": each([numbers.get(n, 0) for n in groups]),
    }
    found |= {"group": found["species"], "masses": joined("mass"), "initial_charges": joined("charge")}
    found |= {"velo": joined("velocity", 3), "id": joined("id"), "forces": joined("force", 3)}
    if found["velo"] is not None and found["masses"] is not None:
        found["momenta"] = found["masses"] * found["velo"]
    found["potential"] = joined("potential")
    if any(group.fixed for group in groups.values()):
        found["move_mask"] = each([not group.fixed for group in groups.values()])
    return {name: values for name, values in found.items() if values is not None}


def _cell(box: Box | None) -> list[str]:
    """Keys of the cell and of which axes repeat, in three dimensions."""
    if box is None or box.edges is None:
        return ['pbc="F F F"']
    edges = np.diag(box.edges) if box.edges.ndim == 1 else box.edges
    cell = np.zeros((3, 3))
    cell[: len(edges), : len(edges)] = edges
    periodic = ["T" if axis < len(box.boundary) and box.boundary[axis] == "periodic" else "F" for axis in range(3)]
    return [f'Lattice="{" ".join(map(repr, cell.ravel().tolist()))}"', f'pbc="{" ".join(periodic)}"']


def _kind(cells: np.ndarray) -> str:
    return {"f": "R", "i": "I", "u": "I", "b": "L"}.get(cells.dtype.kind, "S")


def _text(cells: np.ndarray) -> list[str]:
    """Numbers in the fewest digits that bring every bit back; truth values as T and F."""
    if cells.dtype == np.float64:
        return list(map(repr, cells.tolist()))
    return (np.where(cells, "T", "F") if cells.dtype.kind == "b" else cells.astype(str)).tolist()


def _checked_numbers(given: Mapping[str, int] | None) -> dict[str, int]:
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"atomic_numbers: expected a mapping of groups to integers, got {type(given).__name__}")
    for name, number in (given or {}).items():
        if not is_integer(number) or not 0 <= number <= HEAVIEST:
            raise ValueError(f"atomic_numbers: expected an integer from 0 to {HEAVIEST} for {name}, got {number!r}")
    return {str(name): int(number) for name, number in (given or {}).items()}
