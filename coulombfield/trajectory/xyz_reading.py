"""Extended XYZ: reading frames, also those of other programs. Every error begins with the file's path and a line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from ..files import naming
from .reading import ARRAYS, Box, Frame, Particles
from .xyz_writing import AT_REST

PLAIN = "species:S:1:pos:R:3"
KEY = re.compile(r'([^\s="{}]+)\s*=\s*(?:"([^"]*)"|\{([^}]*)\}|([^\s"{}]+))')
TRUTHS = {"T": True, "True": True, "TRUE": True, "true": True, "1": True}
TRUTHS |= {"F": False, "False": False, "FALSE": False, "false": False, "0": False}


def _plain(number: type) -> Callable[[str], Any]:
    """What turns a text into such a number, without the underscores and other alphabets' digits that Python takes."""

    def convert(text: str) -> Any:
        if "_" in text or not text.isascii():
            raise ValueError(f"expected a number in ASCII without underscores, got {text!r:.60}")
        return number(text)

    return convert


_REAL, _WHOLE = _plain(float), _plain(int)
KINDS: dict[str, tuple[Callable[[str], Any], type]] = {
    "R": (_REAL, np.float64),
    "I": (_WHOLE, np.int64),
    "S": (str, np.str_),
    "L": (TRUTHS.__getitem__, np.bool_),
}
WORDS = {"R": "a number", "I": "an integer", "S": "a text", "L": "T or F"}
COLUMNS: dict[str, tuple[tuple[str, ...], str, int]] = {
    "position": (("pos", "positions"), "R", 3),
    "velocity": (("velo", "velocities", "vel"), "R", 3),
    "momenta": (("momenta",), "R", 3),
    "force": (("forces", "force"), "R", 3),
    "mass": (("masses", "mass"), "R", 1),
    "charge": (("initial_charges", "charges", "charge"), "R", 1),
    "potential": (("potential",), "R", 1),
    "id": (("id",), "I", 1),
    "group": (("group", "species", "element", "type", "Z"), "", 1),
    "moves": (("move_mask",), "L", 1),
}
"""Names of columns that are taken, the first that is there, with kind and width."""


class _Column(NamedTuple):
    name: str
    kind: str
    first: int
    width: int


def read_xyz(path: str | Path) -> Iterator[Frame]:
    """Frames of a file in extended XYZ, one after the other, of :func:`write_xyz` or another program.

    Parameters
    ----------
    path : path
        The file; also plain XYZ, whose columns are species and positions.

    Returns
    -------
    iterator of Frame
        With float64 arrays; ``frame.state()`` is what a run starts from. Groups are those of the column ``group``, or
        without it of ``species``, in the order in which they first come; if only some particles of a group are fixed,
        these are a group of their own, with '-fixed' after its name. Fixed ones have no velocities and no forces. Step
        and time are those of the keys ``Step`` (or ``Timestep``) and ``Time``, or the frame's number and NaN. The box
        has the edges of ``Lattice``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no extended XYZ, or is damaged or cut off: when that frame is read, with its line.

    Notes
    -----
    Columns are known by the names ``pos``; ``velo``, ``vel`` or ``velocities``, or else ``momenta`` with ``masses``;
    ``masses`` or ``mass``; ``initial_charges``, ``charges`` or ``charge``; ``forces`` or ``force``; ``potential``,
    ``id`` and ``move_mask``. Others are left alone. ASE writes no masses that follow from the elements: for momenta it
    has to be told ``atoms.set_masses(atoms.get_masses())``.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    return _frames(path)


def _frames(path: Path) -> Iterator[Frame]:
    at = 1
    with open(path, encoding="utf-8") as file:
        for number in itertools.count():
            with naming(path, f"extended XYZ from line {at}"):
                head = file.readline()
                if not head.strip():
                    if file.read().strip():
                        raise ValueError(f"{path}: expected a number of particles in line {at}, got an empty line")
                    if not number:
                        raise ValueError(f"{path}: expected a frame of extended XYZ, got an empty file")
                    return
                frame, lines = _frame(path, file, head.strip(), at, number)
                at += lines
            yield frame


def _frame(path: Path, file: TextIO, head: str, at: int, number: int) -> tuple[Frame, int]:
    """The frame whose first line has been read, and how many lines it has."""
    if not head.isascii() or not head.isdecimal():
        raise ValueError(f"{path}: expected a number of particles in line {at}, got {head!r:.60}")
    count = int(head)
    found = KEY.findall(file.readline())
    keys = {name: quoted or braced or bare for name, quoted, braced, bare in found}
    columns = _columns(path, keys.get("Properties", PLAIN), at + 1)
    rows = [line.split() for line in itertools.islice(file, min(count, 2**62))]
    if len(rows) < count:
        raise ValueError(f"{path}: expected {count} particles after line {at + 1}, got {len(rows)}: it is cut off")
    width = sum(column.width for column in columns)
    for i, row in enumerate(rows):
        if len(row) != width:
            raise ValueError(f"{path}: expected {width} columns in line {at + 2 + i}, got {len(row)}")
    cells, values = list(zip(*rows, strict=True)), {}
    for what, (names, kind, wide) in COLUMNS.items():
        column = next((one for name in names for one in columns if one.name == name), None)
        if column is None or (what == "momenta" and "velocity" in values):
            continue
        if column.width != wide or (kind and column.kind not in (kind, "I" if kind in "RL" else kind)):
            expected = f"{column.name}:{kind or column.kind}:{wide}"
            raise ValueError(f"{path}: expected {expected} in line {at + 1}, got {column.kind}:{column.width}")
        values[what] = _values(path, cells, column, at + 2)
    if "position" not in values:
        raise ValueError(f"{path}: expected a column pos:R:3 in line {at + 1}, got {keys['Properties']}")
    with naming(path, f"extended XYZ in line {at + 1}"):
        return _made(values, keys, number), count + 2


def _columns(path: Path, text: str, line: int) -> list[_Column]:
    """What ``Properties`` says: names, kinds and widths in turn."""
    parts, columns, first = text.split(":"), [], 0
    for name, kind, width in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        if kind not in KINDS or not (width.isascii() and width.isdecimal()) or not 0 < int(width) < 1000:
            raise ValueError(f"{path}: expected R, I, S or L and a width of {name} in line {line}, got {kind}:{width}")
        columns.append(_Column(name, kind, first, int(width)))
        first += int(width)
    if len(parts) % 3 or len({column.name for column in columns}) < len(columns):
        raise ValueError(f"{path}: expected Properties=name:kind:width:..., each name once, in line {line}, got {text}")
    return columns


def _values(path: Path, cells: list[tuple[str, ...]], column: _Column, line: int) -> np.ndarray:
    """Values of a column, shape (count, width), or (count,) of a single one; ``cells`` has a tuple for each number."""
    convert, dtype = KINDS[column.kind]
    own = cells[column.first : column.first + column.width] or [()] * column.width
    try:
        parts: list[np.ndarray] = [np.asarray(list(map(convert, part)), dtype=dtype) for part in own]
    except (KeyError, OverflowError, ValueError):
        for i, cell in itertools.chain.from_iterable(map(enumerate, own)):
            try:
                np.asarray(convert(cell), dtype=dtype)
            except (KeyError, OverflowError, ValueError):
                expected = f"{WORDS[column.kind]} of {column.name} in line {line + i}"
                raise ValueError(f"{path}: expected {expected}, got {cell!r:.60}") from None
        raise
    return parts[0] if column.width == 1 else np.stack(parts, axis=1)


def _made(values: dict[str, np.ndarray], keys: dict[str, str], number: int) -> Frame:
    """The frame of these columns and keys; errors are without path and line."""
    lowered = {name.lower(): text for name, text in keys.items()}
    step = _WHOLE(lowered.get("step", lowered.get("timestep", str(number))))
    if abs(step) >= 2**63:
        raise ValueError(f"expected a step of 64 bits, got {step}")
    time = _REAL(lowered.get("time", "nan"))
    dimension = _WHOLE(keys.get("dimension", "3"))
    if not 1 <= dimension <= 3:
        raise ValueError(f"expected a dimension from 1 to 3, got {dimension}")
    if "velocity" not in values and "momenta" in values:
        if "mass" not in values:
            raise ValueError("expected masses beside momenta, got none")
        if not (values["mass"] > 0).all():
            raise ValueError(f"expected positive masses beside momenta, got {values['mass'].min():g}")
        values["velocity"] = values["momenta"] / values["mass"][:, None]
    for what in ("position", "velocity", "force"):
        if what in values:
            if values[what][:, dimension:].any():
                raise ValueError(f"expected coordinates of 0 beyond dimension={dimension}, got others of {what}")
            values[what] = values[what][:, :dimension]
    box = _box(keys, dimension)
    count = len(values["position"])
    names = values.get("group", np.full(count, "particles")).astype(str)
    fixed = ~values.get("moves", np.ones(count)).astype(bool)
    kinds, first, codes = np.unique(names, return_index=True, return_inverse=True)
    particles: dict[str, Particles] = {}
    for code in np.argsort(first).tolist():
        rows = codes == code
        mixed = np.unique(fixed[rows]).tolist()
        for stays in mixed:
            name = f"{kinds[code]}-fixed" if stays and len(mixed) > 1 else str(kinds[code])
            if name in particles:
                raise ValueError(f"expected a name for each group, got {name} for two")
            particles[name] = _group(values, rows & (fixed == stays), box, stays)
    return Frame(step, time, particles)


def _group(values: dict[str, np.ndarray], rows: np.ndarray, box: Box | None, fixed: bool) -> Particles:
    """Rows of a group."""
    arrays = {name: values[name][rows] if name in values else None for name in ARRAYS}
    return Particles(**arrays | dict.fromkeys(AT_REST if fixed else ()), box=box, fixed=fixed)


def _box(keys: dict[str, str], dimension: int) -> Box | None:
    """The box of ``Lattice`` and ``pbc``, all of whose axes repeat if only the first is there; None with neither."""
    lattice = keys.get("Lattice")
    if lattice is None and "pbc" not in keys:
        return None
    words = keys.get("pbc", "T T T").split()
    if len(words) != 3 or not TRUTHS.keys() >= set(words):
        raise ValueError(f"expected three of T and F as pbc, got {keys['pbc']!r}")
    periodic = [TRUTHS[word] for word in words][:dimension]
    boundary = tuple("periodic" if each else "none" for each in periodic)
    if lattice is None:
        if any(periodic):
            raise ValueError("expected a Lattice beside axes that repeat, got none")
        return Box(boundary, None)
    cell = np.asarray([_REAL(word) for word in lattice.split()])
    if cell.shape != (9,) or not np.isfinite(cell).all():
        raise ValueError(f"expected nine finite numbers as Lattice, got {lattice!r}")
    edges = cell.reshape(3, 3)[:dimension, :dimension]
    if (np.diag(edges)[periodic] < 0).any():
        raise ValueError(f"expected edges that are not negative, got Lattice {lattice!r}")
    if not all(edges[axis].any() for axis, each in enumerate(periodic) if each):
        raise ValueError(f"expected an edge along each axis that repeats, got Lattice {lattice!r}")
    diagonal = np.diag(edges)
    return Box(boundary, diagonal if np.array_equal(edges, np.diag(diagonal)) else edges)
