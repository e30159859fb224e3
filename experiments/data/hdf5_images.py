"""Images in a dataset of an HDF5 file."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from ..prepared.layout import FORMAT
from .places import places
from .stored import ImageError


class HDF5Images:
    """Images in a dataset of an HDF5 file, which stays open.

    Parameters
    ----------
    path : Path
        The file.
    dataset : str
        Name of the dataset, of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3) and of 8-bit or floating-point values;
        empty for the only one of that kind.

    Raises
    ------
    ImageError
        If the file can't be read or has no such dataset, or several to choose from.

    Notes
    -----
    HDF5 reads and decompresses chunks as wholes and keeps the last few, up to a size. Where all that hold one image are
    larger, as of those that h5py chooses for compressed data, images of the same chunks are read in one go, so that a
    pass over all images takes as long as the dataset itself; single images from everywhere stay slow. Images that lie
    in the file as they are, as ``data prepare`` writes them, are read from there one by one, without HDF5.
    """

    def __init__(self, path: Path, dataset: str = ""):
        self._path = path
        with self._reading():
            self._file = h5py.File(path, "r")
            if self._file.attrs.get("format") == FORMAT and self._file.attrs.get("complete") != 1:
                raise ImageError(f"{path}: no complete file: data prepare has not come to its end")
            self._data = self._find(dataset)
            count, height, width, *channels = self._data.shape
            self.name = f"{path}:{self._data.name}"
            self.shape = (count, height, width, channels[0] if channels else 1)
            self.dtype = self._data.dtype
            self.together = self._chunk_height()
            self._places = places(self._data)
        self.half = 127.5 if self.dtype == np.uint8 else 0.0

    @property
    def slow(self) -> str:
        """What makes single images slow to read, and the way out; empty where they aren't."""
        if self.together == 1:
            return ""
        one = "x".join(map(str, (1, *self._data.shape[1:])))
        return (
            f"{self.name}: lies in chunks of shape {self._data.chunks}, all of which that hold a part of an image have "
            f"to be read for it; a copy with a chunk for each image is faster to train on: h5repack -l "
            f"{self._data.name}:CHUNK={one} {self._path} COPY"
        )

    def _find(self, name: str) -> h5py.Dataset:
        found: list[h5py.Dataset] = []

        def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                found.append(item)

        self._file.visititems(visit)
        chosen = [data for data in found if (data.name.strip("/") == name.strip("/") if name else _holds_images(data))]
        if len(chosen) == 1 and _holds_images(chosen[0]):
            return chosen[0]
        there = ", ".join(f"{data.name} {data.shape} {data.dtype}" for data in found) or "none"
        wanted = "of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), 8-bit or floating-point"
        if name:
            raise ImageError(f"{self._path}: expected a dataset {name!r} {wanted}; datasets there: {there}")
        hint = "; name one by data.dataset" if chosen else ""
        raise ImageError(
            f"{self._path}: expected one dataset {wanted}, found {len(chosen)}{hint}; datasets there: {there}"
        )

    def _chunk_height(self) -> int:
        """Images of a chunk; 1 where those that hold one image stay at hand, or none have to be read as wholes."""
        chunks = self._data.chunks
        if chunks is None:
            return 1
        an_image = math.prod(-(-size // chunk) for size, chunk in zip(self._data.shape[1:], chunks[1:], strict=True))
        _, kept, _ = self._data.id.get_access_plist().get_chunk_cache()
        return 1 if an_image * math.prod(chunks) * self.dtype.itemsize <= kept else chunks[0]

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers, read in the order in which they lie on disk, those of the same chunks at once."""
        images = np.empty((len(index), *self._data.shape[1:]), self.dtype)
        if self._places is not None:
            self._read_at(self._places[index], images)
            return images.reshape(len(index), *self.shape[1:])
        order = np.argsort(index, kind="stable")
        # Where chunks are no matter, what is read at once are numbers in a row.
        apart = np.diff(index[order] // self.together) > (self.together == 1)
        for row in np.split(order, np.flatnonzero(apart) + 1):
            if len(row):
                first, last = index[row[0]], index[row[-1]]
                with self._reading():
                    images[row] = self._data[first : last + 1][index[row] - first]
        return images.reshape(len(index), *self.shape[1:])

    def _read_at(self, offsets: np.ndarray, images: np.ndarray) -> None:
        """Fill ``images`` from these places of the file, in the order in which they lie on disk."""
        order = np.argsort(offsets, kind="stable")
        with self._reading():
            file, size = self._file.id.get_vfd_handle(), images[:1].nbytes
            for image, offset in zip(order.tolist(), offsets[order].tolist(), strict=True):
                if os.preadv(file, (images[image],), offset) != size:
                    raise ImageError(f"{self._path}: truncated: an image is missing at byte {offset}")

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """Nothing beside the pixels."""

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Say which file it is that HDF5 can't read: errors of damaged ones are of many kinds."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ImageError(f"{self._path}: can't be read as HDF5 ({' '.join(str(error).split())})") from error


def _holds_images(data: h5py.Dataset) -> bool:
    shaped = data.ndim == 3 or (data.ndim == 4 and data.shape[3] in (1, 3))
    return shaped and len(data) > 0 and data.dtype in (np.uint8, np.float16, np.float32, np.float64)
