"""Making a prepared file of text.

The source is read twice: once to count symbols and lines, and once to write codes. Until the end the file has another
name and says that it is not complete.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from tqdm import tqdm

from ..files import name_of, sync_folder, writing
from ..prepared.unfinished import (
    PrepareError,
    check_disk,
    expect_new,
    expect_none_yet,
    identity,
    locked,
    reserve,
    write_at,
)
from ..sources.lines import AT_ONCE, LineSource, TextError
from . import layout
from .alphabet import MOST, Alphabet, Unit
from .cutting import add_counts
from .reader import Block, Reader, Wanted

LENGTH, VOCABULARY = 32, 2048
"""Symbols of a line, and most codes, where nobody asks for others: as in Gulrajani et al."""
LONGEST = 4096  # symbols of a line that are kept


class Prepared(NamedTuple):
    """What was made."""

    shape: tuple[int, int]
    """(N, L)."""
    alphabet: Alphabet
    blank: int
    """Blank lines left out."""


def prepare(
    source: LineSource,
    out: Path,
    kind: str,
    unit: Unit,
    *,
    length: int = LENGTH,
    vocabulary: int = VOCABULARY,
    count: int | None = None,
) -> Prepared:
    """Make a prepared file; see :mod:`.layout` for what is in it.

    Lines are cut, or filled up with backticks, to a length; of the symbols that are then there, the most frequent ones
    get codes, as in Gulrajani et al., "Improved Training of Wasserstein GANs" (2017).

    Parameters
    ----------
    source : LineSource
        The lines.
    out : Path
        New file.
    kind : str
        Of the source.
    unit : {'characters', 'bytes'}
        What symbols are.
    length : int
        L, symbols of each line.
    vocabulary : int
        Largest number V of codes, that of unknown symbols included.
    count : int, optional
        How many of the first lines are taken; default all.

    Raises
    ------
    TextError
        If the source can't be read, has no lines, or changes meanwhile; what was written is removed.
    PrepareError
        If the file is there or is made by another process, or a parameter is out of range.
    WriteError
        If the file can't be written, as on a full disk; what was written is removed.

    Notes
    -----
    Memory: some blocks of :data:`~experiments.sources.lines.AT_ONCE` bytes and their symbols for each core.
    """
    for name, value, least, most in (("length", length, 1, LONGEST), ("vocabulary", vocabulary, 2, MOST)):
        if not least <= value <= most:
            raise PrepareError(f"--{name}: expected from {least} to {most}, got {value}")
    expect_new(out)
    before = identity(source.files())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        reader = Reader(source, unit, length, pool)
        found = _count(reader, unit, count)
        shape = (sum(found.lines), length)
        alphabet = Alphabet.most_frequent(unit, found.counts, vocabulary)
        attributes: dict[str, str | int] = {
            "kind": kind,
            "source": name_of(source.path),
            "part": source.part,
            "unit": unit,
            "length": length,
            "source_sha256": found.sha256,
        }
        with locked(out) as (path, file):
            try:
                unfinished = _Unfinished(out, path, file, shape, alphabet, attributes)
                _fill(reader, alphabet, found, unfinished.write)
                if identity(source.files()) != before:
                    raise TextError(f"{source.path}: has changed while it was read")
                unfinished.finish()
            except BaseException:  # whatever it is: what is unfinished is of no use
                path.unlink(missing_ok=True)
                raise
    return Prepared(shape, alphabet, found.blank)


class _Found(NamedTuple):
    """What the first reading has found."""

    lines: list[int]
    """Taken of each piece."""
    blank: int
    """Blank lines among them, left out."""
    counts: np.ndarray
    """How often each symbol occurs, shape (256,) or (1114112,)."""
    sha256: str
    """Checksum of the source, as far as it was taken."""


def _lines(reader: Reader) -> list[int]:
    """Lines of each piece."""
    lines = [0] * len(reader.source.names)
    for block in _told(reader.blocks(), "counting lines"):
        lines[block.piece] += len(block.symbols)
    return lines


def _count(reader: Reader, unit: Unit, count: int | None) -> _Found:
    source = reader.source
    wanted = None
    if count is not None and source.ordered:
        wanted = Wanted([count], together=True)
    elif count is not None:  # pieces come in another order, so that one has to know first where the last line is
        before = np.cumsum([0, *_lines(reader)])
        wanted = Wanted(np.diff(np.minimum(before, count)).tolist(), together=False)
    lines, blank = [0] * len(source.names), 0
    counts = np.zeros(256 if unit == "bytes" else 0x110000, np.int64)
    hashes = [hashlib.sha256() for _ in lines]
    for block in _told(reader.blocks(wanted), "counting symbols"):
        lines[block.piece] += len(block.symbols)
        blank += block.blank
        add_counts(block.symbols, counts)
        hashes[block.piece].update(block.data)
    total = sum(lines)
    if not total:
        raise TextError(f"{source.path}: has no lines{' that are not blank' if blank else ''}")
    if count is not None and total < count:
        raise PrepareError(f"--count: expected at most {total}, which {source.path} has, got {count}")
    return _Found(lines, blank, counts, hashlib.sha256(b"".join(each.digest() for each in hashes)).hexdigest())


def _fill(reader: Reader, alphabet: Alphabet, found: _Found, write: Callable[[int, np.ndarray], None]) -> None:
    """Hand all codes to ``write``, with the number of their first line."""
    code_of = alphabet.code_of()
    places, ends = np.cumsum([0, *found.lines])[:-1].tolist(), np.cumsum(found.lines).tolist()
    wanted = Wanted(found.lines, together=False)
    for block in _told(reader.blocks(wanted), "writing codes"):
        write(places[block.piece], code_of[block.symbols])
        places[block.piece] += len(block.symbols)
    if places != ends:
        raise TextError(f"{reader.source.path}: has changed while it was read")


def _told(found: Iterator[Block], what: str) -> Iterator[Block]:
    """The same, with a bar that counts lines."""
    with tqdm(unit="line", unit_scale=True, desc=what, disable=None) as bar:
        for block in found:
            yield block
            bar.update(len(block.symbols))


class _Unfinished:
    """The file in the making.

    Parameters
    ----------
    out : Path
        Its name in the end.
    path : Path
        Its name until then.
    file : int
        Descriptor of the open file.
    shape : tuple
        (N, L).
    alphabet : Alphabet
        V symbols.
    attributes : dict
        What the source is.
    """

    def __init__(
        self,
        out: Path,
        path: Path,
        file: int,
        shape: tuple[int, int],
        alphabet: Alphabet,
        attributes: dict[str, str | int],
    ):
        self._out, self._path, self._file, self._shape, self._dtype = out, path, file, shape, alphabet.dtype
        check_disk(out, math.prod(shape) * self._dtype.itemsize)
        attributes = {
            "format": layout.FORMAT,
            "version": layout.VERSION,
            "complete": 0,
            **attributes,
            "made_with": f"h5py {h5py.__version__}",
            "codes_sha256": "0" * 64,
        }
        with writing(out):
            self._layout = layout.build(path, shape, self._dtype, alphabet.symbols, attributes)
        reserve(file, out, self._layout.size)

    def write(self, line: int, codes: np.ndarray) -> None:
        """Codes of lines from a number on, shape (count, L)."""
        with writing(self._out):
            data = codes.astype(self._dtype.newbyteorder("<"), copy=False)
            write_at(self._file, data.data.cast("B"), self._layout.codes + line * self._shape[1] * self._dtype.itemsize)

    def finish(self) -> None:
        """Say that it is complete, and give it its name."""
        digest, size = hashlib.sha256(), math.prod(self._shape) * self._dtype.itemsize
        with open(self._path, "rb") as file:
            file.seek(self._layout.codes)
            while size:
                digest.update(data := file.read(min(size, AT_ONCE)))
                size -= len(data)
        with writing(self._out):
            layout.complete(self._path, digest.hexdigest())
            os.fsync(self._file)
            expect_none_yet(self._out, self._path)
            os.replace(self._path, self._out)
            sync_folder(self._out)
