"""CIFAR-10 in its python or its binary version, as an archive or unpacked.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Its page
https://www.cs.toronto.edu/~kriz/cifar.html describes both versions: batches of 10,000 images of 3072 bytes, the red,
green and blue plane one after the other.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from . import cifar10_pickle
from .packed import open_packed
from .source import Arrays, ImageError, Item, Request, check_part, reading

ROWS = 10_000  # images of a batch
SIDE, PIXELS = 32, 3 * 32 * 32
PARTS = {
    "train": [f"data_batch_{number}" for number in range(1, 6)],
    "test": ["test_batch"],
}
FOLDERS = (".", "cifar-10-batches-py", "cifar-10-batches-bin")
DAMAGE = (tarfile.TarError, zlib.error, ValueError)


def open_source(path: Path, request: Request) -> CIFAR10:
    """The training images, unless asked otherwise.

    Raises
    ------
    ImageError
        If batches are missing, or the archive is damaged.
    """
    if request.channels == 1:
        raise ImageError("--channels: the images of CIFAR-10 are in colour, got 1")
    part = request.part or "train"
    check_part("cifar10", part, PARTS)
    return CIFAR10(path, part)


class CIFAR10(Arrays):
    """A part of CIFAR-10.

    Parameters
    ----------
    path : Path
        The ``.tar.gz`` or ``.tar``, the folder of the batches, or the one that holds it.
    part : str
        ``train`` or ``test``.
    """

    labelled = True

    def __init__(self, path: Path, part: str):
        self.path, self.part = path, part
        if path.is_dir():
            batches = [file for folder in FOLDERS for file in sorted((path / folder).glob("*_batch*"))]
            self._there: Mapping[str, Path | tuple[int, int]] = {file.name: file for file in batches}
            self._files: list[Path] | None = batches
        else:
            self._files = None
            with self._reading():
                self._there = _members(path)
        self._batches = self._choose(PARTS[part])
        self.count = ROWS * len(self._batches)

    def files(self) -> list[Path]:
        """The archive, or the batches."""
        return [self.path] if self._files is None else self._files

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Images with their labels, read a batch at a time."""
        for number in range(start // ROWS, -(-stop // ROWS)):
            name = self._batches[number]
            labels, rows = self._batch(name)
            first = number * ROWS
            for row in range(max(start - first, 0), min(stop - first, ROWS)):
                image = np.ascontiguousarray(rows[row].reshape(3, SIDE, SIDE).transpose(1, 2, 0))
                yield Item(f"{self._name(name)}: image {row}", image, int(labels[row]))

    def _choose(self, wanted: list[str]) -> list[str]:
        for ending in ("", ".bin"):
            names = [name + ending for name in wanted]
            missing = [name for name in names if name not in self._there]
            if not missing:
                return names
            if len(missing) < len(names):
                raise ImageError(f"{self.path}: {', '.join(missing)} of CIFAR-10 missing there")
        raise ImageError(f"{self.path}: no CIFAR-10 there; expected {', '.join(wanted)}, or these with .bin")

    def _batch(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Labels, shape (ROWS,), and values, shape (ROWS, PIXELS), of a batch."""
        with self._reading():
            content = self._content(name)
        if not name.endswith(".bin"):
            return cifar10_pickle.batch(content, self._name(name), ROWS, PIXELS)
        if len(content) != ROWS * (1 + PIXELS):
            raise ImageError(f"{self._name(name)}: expected {ROWS * (1 + PIXELS)} bytes, got {len(content)}")
        rows = np.frombuffer(content, np.uint8).reshape(ROWS, 1 + PIXELS)
        if rows[:, 0].max() > 9:
            raise ImageError(f"{self._name(name)}: damaged: expected labels from 0 to 9, got {rows[:, 0].max()}")
        return rows[:, 0], rows[:, 1:]

    def _content(self, name: str) -> bytes:
        most = 2 * ROWS * (1 + PIXELS)  # a python batch has names of files too
        place = self._there[name]
        if isinstance(place, Path):
            with open(place, "rb") as file:
                return file.read(most)
        offset, size = place
        with open_packed(self.path) as archive:
            archive.seek(offset)
            return archive.read(min(size, most))

    def _name(self, batch: str) -> str:
        place = self._there[batch]
        return str(place) if isinstance(place, Path) else f"{self.path}: {batch}"

    def _reading(self):
        return reading(self.path, "an archive of CIFAR-10", *DAMAGE)


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Place and size of each file of an archive, which is read to its end: then gzip has compared its checksum."""
    with open_packed(path) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            members = [member for member in archive.getmembers() if member.isreg()]
        while stream.read(io.DEFAULT_BUFFER_SIZE):
            pass
    return {Path(member.name).name: (member.offset_data, member.size) for member in members}
