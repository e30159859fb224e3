"""Images in a NumPy file, ``.npy`` or ``.npz``, read without unpickling anything."""

from __future__ import annotations

import contextlib
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from .arrays import EXPECTED, check_channels, holds_images
from .source import Arrays, ImageError, Item, Request, check_part, reading

LABELS = ("labels", "label", "y", "targets")
"""Names of arrays that are taken for labels."""
DAMAGE: tuple[type[Exception], ...] = (
    ValueError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
)
DAMAGE += (SyntaxError, tokenize.TokenError)  # of what a header has in place of a dictionary
"""What the readers of damaged files raise."""


class Header(NamedTuple):
    """What a NumPy array is, as its file says."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool


def open_source(path: Path, request: Request) -> NumPySource:
    """The images of a ``.npy`` file, or the only ones of an ``.npz`` file.

    Raises
    ------
    ImageError
        If there are no such images.
    """
    check_part("a NumPy file", request.part, {"": None})
    source = NumPySource(path)
    check_channels(request.channels, source.shape[3])
    return source


class NumPySource(Arrays):
    """Images in a NumPy file, with labels where an ``.npz`` file has one whole number for each.

    Parameters
    ----------
    path : Path
        The file.
    """

    part = ""

    def __init__(self, path: Path):
        self.path = path
        self._zip = False
        with self._reading():
            self._zip = zipfile.is_zipfile(path)
            if not self._zip:
                with open(path, "rb") as file:
                    found, start = _header(file), file.tell()
                self._member, size = "", path.stat().st_size - start
            else:
                self._member, found, size, labels = self._choose()
            if not holds_images(found.shape, found.dtype) or found.fortran:
                order = " in Fortran order" if found.fortran else ""
                raise ImageError(f"{path}: expected {EXPECTED}, got {found.shape} {found.dtype}{order}")
            if size != math.prod(found.shape):
                raise ImageError(f"{path}: truncated: expected {math.prod(found.shape)} bytes of values, got {size}")
            self.count, height, width, *channels = found.shape
            self.shape = (self.count, height, width, channels[0] if channels else 1)
            self._labels = self._read_labels(labels) if self._zip and labels else None
        self.labelled = self._labels is not None

    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Images, read one after the other."""
        size = math.prod(self.shape[1:])
        with self._reading(), self._open() as file:
            _header(file)
            file.seek(start * size, 1)
            for number in range(start, stop):
                data = file.read(size)
                if len(data) < size:
                    raise ImageError(f"{self.path}: truncated: ends in image {number} of {self.count}")
                label = 0 if self._labels is None else int(self._labels[number])
                image = np.frombuffer(data, np.uint8).reshape(self.shape[1:])
                yield Item(f"{self.path}: image {number}", image, label)
            if stop == self.count and file.read(1):  # at its end a zip's member has its checksum compared
                raise ImageError(f"{self.path}: has more values than its header says")

    def _choose(self) -> tuple[str, Header, int, str]:
        """Name and header of the images, bytes of their values, and the name of their labels or nothing."""
        there: dict[str, Header] = {}
        sizes: dict[str, int] = {}
        with zipfile.ZipFile(self.path) as archive:
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        there[name] = _header(file)
                        sizes[name] = archive.getinfo(name).file_size - file.tell()
        chosen = [name for name, found in there.items() if holds_images(found.shape, found.dtype)]
        if len(chosen) != 1:
            arrays = ", ".join(f"{name[:-4]} {found.shape} {found.dtype}" for name, found in there.items()) or "none"
            raise ImageError(f"{self.path}: expected one array of {EXPECTED}, found {len(chosen)}; arrays: {arrays}")
        (name,) = chosen
        for each in LABELS:
            found = there.get(f"{each}.npy")
            if found and found.dtype.kind in "iu" and found.shape[:1] != there[name].shape[:1]:
                raise ImageError(
                    f"{self.path}: expected {there[name].shape[0]} {each}, one for an image, got shape {found.shape}"
                )
        labels_there = [
            f"{each}.npy"
            for each in LABELS
            if (found := there.get(f"{each}.npy")) and found.shape[:1] == there[name].shape[:1]
            if found.dtype.kind in "iu" and math.prod(found.shape) == found.shape[0]
        ]
        return name, there[name], sizes[name], labels_there[0] if labels_there else ""

    def _read_labels(self, name: str) -> np.ndarray:
        with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
            return npy.read_array(file, allow_pickle=False).reshape(-1)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        """The file of the images, in an ``.npz`` file their member; closed whatever happens."""
        if self._zip:
            with zipfile.ZipFile(self.path) as archive, archive.open(self._member) as file:
                yield file
        else:
            with open(self.path, "rb") as file:
                yield file

    def _reading(self) -> Any:
        return reading(self.path, "a NumPy file", *DAMAGE)


def _header(file: IO[bytes]) -> Header:
    version = npy.read_magic(file)
    reader = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if reader is None:
        raise ValueError(f"version {version} of the format")
    shape, fortran, dtype = reader(file)
    return Header(shape, dtype, fortran and len(shape) > 1)
