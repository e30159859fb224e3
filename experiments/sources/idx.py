"""The IDX files of MNIST and of the data sets that have its form, with their labels.

Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", which describes the format: two
zero bytes, a byte for the type of the values (8 for unsigned bytes), one for the number of axes, the size of each axis
in 4 bytes, the most significant first, and the values.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .packed import is_packed, open_packed
from .source import Arrays, ImageError, Item, Request, check_part, reading

PARTS = {"train": "train", "test": "t10k"}
"""Parts by name, and how the names of their files begin."""
UNSIGNED_BYTES = 8


def open_source(path: Path, request: Request) -> IDXSource:
    """A part of the data set in a folder, or the images of one file, whose labels are beside it.

    Raises
    ------
    ImageError
        If there are no such files, or they are damaged.
    """
    if request.channels == 3:
        raise ImageError("--channels: images in IDX files are grey, got 3")
    if path.is_dir():
        part = request.part or "train"
        check_part("idx", part, PARTS)
        images = _file(path, PARTS[part], "images", 3)
        if images is None:
            raise ImageError(f"{path}: no file {PARTS[part]}-images-idx3-ubyte or that with .gz there")
        return IDXSource(images, _file(path, PARTS[part], "labels", 1), part)
    check_part("a single IDX file", request.part, {"": None})
    if not path.exists():
        raise ImageError(f"{path}: no such file or folder")
    prefix = path.name.partition("-images")[0]
    return IDXSource(path, _file(path.parent, prefix, "labels", 1) if prefix != path.name else None, "")


class IDXSource(Arrays):
    """Grey images of an IDX file, packed by gzip or not, and their labels.

    Parameters
    ----------
    path : Path
        Of the images.
    labels : Path or None
        Of the labels.
    part : str
        Which part of the data set this is.
    """

    def __init__(self, path: Path, labels: Path | None, part: str):
        self.path, self.part, self._labels_path = path, part, labels
        with self._reading(path), open_packed(path) as file:
            self.count, self._height, self._width = shape = _header(file, path, 3)
        _check_size(path, 16 + math.prod(shape))
        self.labelled = labels is not None
        self._labels = np.zeros(self.count, np.uint8)
        if labels is not None:
            with self._reading(labels), open_packed(labels) as file:
                (count,) = _header(file, labels, 1)
                if count != self.count:
                    raise ImageError(f"{labels}: expected {self.count} labels, one for an image, got {count}")
                self._labels = np.frombuffer(_exactly(file, count, labels), np.uint8)
                _check_end(file, labels)

    def files(self) -> list[Path]:
        """Images and labels."""
        return [self.path] if self._labels_path is None else [self.path, self._labels_path]

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Images with their labels."""
        size = self._height * self._width
        with self._reading(self.path), open_packed(self.path) as file:
            _header(file, self.path, 3)
            file.seek(start * size, os.SEEK_CUR)
            for number in range(start, stop):
                pixels = np.frombuffer(_exactly(file, size, self.path), np.uint8)
                image = pixels.reshape(self._height, self._width, 1)
                yield Item(f"{self.path}: image {number}", image, int(self._labels[number]))
            if stop == self.count:
                _check_end(file, self.path)

    def _reading(self, path: Path):
        return reading(path, "an IDX file", zlib.error)


def _file(folder: Path, prefix: str, what: str, axes: int) -> Path | None:
    names = (f"{prefix}-{what}{dot}idx{axes}-ubyte{suffix}" for dot in "-." for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).exists()), None)


def _header(file: BinaryIO, path: Path, axes: int) -> tuple[int, ...]:
    start = _exactly(file, 4, path)
    if start != bytes((0, 0, UNSIGNED_BYTES, axes)):
        raise ImageError(f"{path}: no IDX file of unsigned bytes with {axes} axes: begins with {start.hex()}")
    shape = struct.unpack(f">{axes}I", _exactly(file, 4 * axes, path))
    if not math.prod(shape) or max(shape[1:], default=0) > 2**15:
        raise ImageError(f"{path}: expected images, got values of shape {shape}")
    return shape


def _exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ImageError(f"{path}: truncated: ends {size - len(data)} bytes too early")
    return data


def _check_size(path: Path, size: int) -> None:
    """Raise if a file has another size than its header says, before anything of that size is made."""
    with open(path, "rb") as file:
        there = file.seek(0, os.SEEK_END)
        if is_packed(path):  # gzip ends in the size, modulo 2**32
            file.seek(max(0, there - 4))
            there, size = int.from_bytes(file.read(4), "little"), size % 2**32
    if there != size and is_packed(path):
        raise ImageError(f"{path}: truncated or damaged: it does not end in the size that its header says")
    if there != size:
        raise ImageError(f"{path}: truncated or damaged: expected {size} bytes as its header says, got {there}")


def _check_end(file: BinaryIO, path: Path) -> None:
    """Raise if there is more than was told; this also has gzip compare its checksum, which it does at the end."""
    if file.read(1):
        raise ImageError(f"{path}: has more values than its header says")
