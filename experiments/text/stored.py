"""Lines of text where they are stored: in a prepared file, or in memory."""

from __future__ import annotations

import math
import os
import weakref
from pathlib import Path

import h5py
import numpy as np

from ..sources.lines import TextError
from ..sources.source import reading
from .alphabet import Alphabet
from .layout import CODES, FORMAT, SYMBOLS, VERSION

DAMAGE = (RuntimeError, ValueError, KeyError, TypeError, AttributeError)
"""What h5py raises of damaged files, beside errors of the system."""
NEEDED = ("unit", "source_sha256", "codes_sha256")
BLOCK = 8 << 20  # [bytes] read at once
NEAR = 64  # lines: those that lie no further apart are read in one go with what is between them


class StoredText:
    """Codes in a prepared file, which stays open.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        (N, L).
    alphabet : Alphabet
        V symbols.
    attributes : dict
        Of the file.
    in_memory : bool
        Whether :meth:`load` has been called.

    Raises
    ------
    TextError
        If the file can't be read, or is none that ``data prepare`` has made of text.
    """

    def __init__(self, path: Path):
        self.path = path
        self._memory: np.ndarray | None = None
        if not path.is_file():
            found = "is none" if path.exists() else "no such file"
            raise TextError(f"{path}: {found}; expected a file that data prepare has made of text")
        if not h5py.is_hdf5(path):
            raise TextError(f"{path}: is no HDF5; expected a file that data prepare has made of text")
        with reading(path, "HDF5", *DAMAGE, to=TextError), h5py.File(path, "r") as file:
            self.attributes = {name: str(value) for name, value in file.attrs.items()}
            self._expect_attributes()
            codes = file[CODES]
            self.alphabet = Alphabet(self.attributes["unit"], file[SYMBOLS][:])  # type: ignore[arg-type]
            self.shape: tuple[int, int] = codes.shape
            self._start = codes.id.get_offset()
            if len(self.shape) != 2 or not all(self.shape) or codes.dtype != self.alphabet.dtype:
                raise TextError(
                    f"{path}: damaged: expected codes of type {self.alphabet.dtype} and shape (N, L), got type "
                    f"{codes.dtype} and shape {self.shape}"
                )
        self._row = self.shape[1] * self.alphabet.dtype.itemsize
        size = path.stat().st_size
        if self._start is None or self._start + self.shape[0] * self._row > size:
            raise TextError(f"{path}: truncated: expected {math.prod(self.shape)} codes, which {size} bytes don't hold")
        with reading(path, "a file", to=TextError):
            self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    @property
    def in_memory(self) -> bool:
        """Whether all codes are in memory."""
        return self._memory is not None

    @property
    def nbytes(self) -> int:
        """Bytes of all codes."""
        return self.shape[0] * self._row

    def load(self) -> None:
        """Have all codes in memory from now on."""
        if self._memory is None:
            self._memory = self.codes(0, self.shape[0])

    def codes(self, start: int, stop: int) -> np.ndarray:
        """Codes of consecutive lines, shape (stop - start, L).

        Raises
        ------
        TextError
            If they can't be read, or have no symbols.
        """
        if self._memory is not None:
            return self._memory[start:stop]
        found = np.empty((stop - start, self.shape[1]), self.alphabet.dtype)
        step = max(1, BLOCK // self._row)
        for first in range(0, len(found), step):
            self._read(start + first, found[first : first + step])
        return found

    def read(self, index: np.ndarray) -> np.ndarray:
        """Codes of lines of these numbers, shape (len(index), L), as :meth:`codes`."""
        if self._memory is not None:
            return self._memory[index]
        found = np.empty((len(index), self.shape[1]), self.alphabet.dtype)
        order = np.argsort(index, kind="stable")
        lines = index[order]
        for some in np.split(np.arange(len(order)), np.flatnonzero(np.diff(lines) > NEAR) + 1):
            if len(some):
                first, last = lines[some[0]], lines[some[-1]]
                found[order[some]] = self.codes(first, last + 1)[lines[some] - first]
        return found

    def expect_checksum(self, codes: str) -> None:
        """Raise :class:`TextError` where the SHA-256 of all codes is not the one that was written."""
        if codes != self.attributes["codes_sha256"]:
            raise TextError(
                f"{self.path}: damaged: the codes have the checksum {codes}, written was "
                f"{self.attributes['codes_sha256']}"
            )

    def _read(self, line: int, out: np.ndarray) -> None:
        with reading(self.path, "a file", to=TextError):
            left, place = out.data.cast("B"), self._start + line * self._row
            while left:
                if not (read := os.preadv(self._file, [left], place)):
                    raise TextError(f"{self.path}: truncated: ends within the codes")
                left, place = left[read:], place + read
        largest, codes = int(out.max()), len(self.alphabet)
        if largest >= codes:
            raise TextError(
                f"{self.path}: damaged: expected codes below {codes}, got {largest} in lines from {line} on"
            )

    def _expect_attributes(self) -> None:
        found = self.attributes
        if found.get("format") != FORMAT:
            raise TextError(
                f"{self.path}: no text that data prepare has made: expected the format {FORMAT!r}, got "
                f"{found.get('format')!r}"
            )
        if found.get("version") != str(VERSION) or found.get("complete") != "1":
            raise TextError(
                f"{self.path}: expected a complete file of version {VERSION}, got version {found.get('version')}, "
                f"complete = {found.get('complete')}"
            )
        if missing := [name for name in NEEDED if name not in found]:
            raise TextError(f"{self.path}: lacks the attribute {missing[0]}")
