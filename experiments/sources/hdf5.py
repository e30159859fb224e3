"""Images in a dataset of an HDF5 file, as it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from .arrays import EXPECTED, check_channels, holds_images
from .source import Arrays, ImageError, Item, Request, check_part, reading

AT_ONCE = 8 << 20  # [bytes] read at a time, or the images of one chunk


def open_source(path: Path, request: Request) -> HDF5Source:
    """The only images of an HDF5 file.

    Raises
    ------
    ImageError
        If the file can't be read, or there are none or several.
    """
    check_part("an HDF5 file", request.part, {"": None})
    source = HDF5Source(path)
    check_channels(request.channels, source.shape[3])
    return source


class HDF5Source(Arrays):
    """Images in a dataset of an HDF5 file, which stays open.

    Parameters
    ----------
    path : Path
        The file.
    """

    part = ""
    labelled = False

    def __init__(self, path: Path):
        self.path = path
        found: list[h5py.Dataset] = []

        def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                found.append(item)

        with self._reading():
            self._file = h5py.File(path, "r")
            self._file.visititems(visit)
            chosen = [data for data in found if holds_images(data.shape, data.dtype)]
            if len(chosen) != 1:
                there = ", ".join(f"{data.name} {data.shape} {data.dtype}" for data in found) or "none"
                raise ImageError(f"{path}: expected one dataset of {EXPECTED}, found {len(chosen)}; datasets: {there}")
            (self._data,) = chosen
            self.count, height, width, *channels = self._data.shape
            self.shape = (self.count, height, width, channels[0] if channels else 1)

    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Images, those of one chunk read together."""
        together = self._data.chunks[0] if self._data.chunks else 1
        step = together * max(1, AT_ONCE // (together * math.prod(self.shape[1:])))
        first = start // step * step
        for block in range(first, stop, step):
            with self._reading():
                images = self._data[max(block, start) : min(block + step, stop)]
            for number, image in enumerate(images.reshape(-1, *self.shape[1:]), max(block, start)):
                yield Item(f"{self.path}: image {number}", np.ascontiguousarray(image))

    def _reading(self):
        return reading(self.path, "HDF5", RuntimeError, ValueError, KeyError, TypeError)
