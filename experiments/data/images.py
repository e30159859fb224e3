"""Images from an HDF5 file, a folder, or this package, read as they are needed.

A minibatch has values in [-1, 1]: 8-bit values v become v / 127.5 - 1, as in the authors' program, without any
augmentation unless asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import h5py
import numpy as np
from PIL import Image
from tqdm import tqdm

from coulombfield.arrays import Array, Device

from .. import DataError
from ..config import ConfigError
from .dataset import DataConfig

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
IN_MEMORY = 4 << 30  # [bytes]; what is larger is read from disk, one minibatch at a time
BLOCK = 1024  # images read at once on the way to memory
HASHED = 4096  # images behind the checksum: 50 MB at 64 x 64 in colour


class ImageError(DataError):
    """Images that can't be used as asked."""


class Stored(Protocol):
    """Images where they lie."""

    @property
    def name(self) -> str:
        """Where they lie, for messages."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(count, H, W, C)."""

    @property
    def dtype(self) -> np.dtype:
        """Of the values as stored."""

    @property
    def half(self) -> float:
        """The stored value that stands for 0, and half of the one for 1; 0 where values are from -1 to 1 as stored."""

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers, shape (len(index), H, W, C), as stored."""

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """Tell ``add`` what identifies the images beside their pixels."""


class InMemory(NamedTuple):
    """Images in memory."""

    name: str
    values: np.ndarray
    half: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(count, H, W, C)."""
        count, height, width, channels = self.values.shape
        return count, height, width, channels

    @property
    def dtype(self) -> np.dtype:
        """Of the values as stored."""
        return self.values.dtype

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers."""
        return self.values[index]

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """Nothing beside the pixels."""


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
    Images are read one by one. Where a chunk holds many, each read decompresses all of its chunk.
    """

    def __init__(self, path: Path, dataset: str = ""):
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise ImageError(f"{path}: can't be read as HDF5 ({error})") from error
        self._data = self._find(path, dataset)
        count, height, width, *channels = self._data.shape
        self.name = f"{path}:{self._data.name}"
        self.shape = (count, height, width, channels[0] if channels else 1)
        self.dtype = self._data.dtype
        self.half = 127.5 if self.dtype == np.uint8 else 0.0

    def _find(self, path: Path, name: str) -> h5py.Dataset:
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
            raise ImageError(f"{path}: expected a dataset {name!r} {wanted}; datasets there: {there}")
        hint = "; name one by data.dataset" if chosen else ""
        raise ImageError(f"{path}: expected one dataset {wanted}, found {len(chosen)}{hint}; datasets there: {there}")

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers, read in the order in which they lie on disk."""
        images = np.empty((len(index), *self._data.shape[1:]), self.dtype)
        for place in np.argsort(index, kind="stable"):
            self._data.read_direct(images, np.s_[int(index[place])], np.s_[int(place)])
        return images.reshape(len(index), *self.shape[1:])

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """Nothing beside the pixels."""


def _holds_images(data: h5py.Dataset) -> bool:
    shaped = data.ndim == 3 or (data.ndim == 4 and data.shape[3] in (1, 3))
    return shaped and len(data) > 0 and data.dtype in (np.uint8, np.float16, np.float32, np.float64)


class FolderImages:
    """Image files in a folder and the folders inside it, sorted by their paths.

    Parameters
    ----------
    path : Path
        The folder.
    size : int
        Height and width [pixels].
    channels : int
        1 for grey, 3 for red, green and blue: files are converted.
    crop : bool
        Cut the largest centred square out of each and resize it to ``size``, instead of expecting that size.

    Raises
    ------
    ImageError
        If there are no images, or one can't be read or has another size; each is opened when it is needed.
    """

    dtype = np.dtype(np.uint8)
    half = 127.5

    def __init__(self, path: Path, size: int, channels: int, crop: bool = False):
        self._paths = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not self._paths:
            raise ImageError(f"{path}: no image files there; expected names that end in {' '.join(sorted(SUFFIXES))}")
        self._folder, self._crop = path, crop
        self.name = str(path)
        self.shape = (len(self._paths), size, size, channels)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)  # decoding leaves the interpreter to others

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers, decoded side by side."""
        images = np.empty((len(index), *self.shape[1:]), self.dtype)
        for place, image in enumerate(self._pool.map(self._decode, index)):
            images[place] = image
        return images

    def _decode(self, number: int) -> np.ndarray:
        path, (size, channels) = self._paths[number], self.shape[2:]
        try:
            with Image.open(path) as file:
                if file.mode.startswith(("I", "F")):
                    raise ImageError(f"{path}: expected 8 bits a channel, got an image of mode {file.mode}")
                image = file.convert("RGB" if channels == 3 else "L")
        except ImageError:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow raises
            raise ImageError(f"{path}: can't be read as an image ({error})") from error
        if self._crop:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.crop((left, top, left + side, top + side))
            image = square.resize((size, size), Image.Resampling.LANCZOS)
        elif image.size != (size, size):
            raise ImageError(
                f"{path}: expected {size} x {size} pixels, got {image.width} x {image.height}; "
                "data.crop = true crops and resizes"
            )
        return np.asarray(image).reshape(size, size, channels)

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """The names of all files."""
        for path in self._paths:
            add(f"{path.relative_to(self._folder).as_posix()}\n".encode())


def open_images(path: Path, size: int, channels: int, *, dataset: str = "", crop: bool = False) -> Stored:
    """Images of a given size in an HDF5 file or a folder.

    Raises
    ------
    ImageError
        If there is nothing at ``path``, or what is there does not fit.
    """
    if path.is_dir():
        return FolderImages(path, size, channels, crop)
    if not path.exists():
        raise ImageError(f"{path}: no such file or folder")
    stored = HDF5Images(path, dataset)
    if stored.shape[1:] != (size, size, channels):
        height, width, found = stored.shape[1:]
        raise ImageError(
            f"{stored.name}: expected images of {size} x {size} pixels with {channels} channels, "
            f"got {height} x {width} with {found}"
        )
    return stored


def into_memory(stored: Stored, limit: int = IN_MEMORY) -> Stored:
    """The same images in memory, where they take no more than ``limit`` bytes; otherwise as they are."""
    count, *shape = stored.shape
    if isinstance(stored, InMemory) or count * int(np.prod(shape)) * stored.dtype.itemsize > limit:
        return stored
    values = np.empty(stored.shape, stored.dtype)
    for start in tqdm(range(0, count, BLOCK), desc="reading images", disable=None, leave=False):
        values[start : start + BLOCK] = stored.read(np.arange(start, min(start + BLOCK, count)))
    return InMemory(stored.name, values, stored.half)


def checksum(stored: Stored) -> dict[str, str]:
    """What identifies the images: their shape, names of files, and the pixels of up to :data:`HASHED` of them.

    Raises
    ------
    ImageError
        If one of these images has floating-point values that are not between -1 and 1.
    """
    count = stored.shape[0]
    index = np.unique(np.linspace(0, count - 1, min(count, HASHED)).astype(np.int64))
    digest = hashlib.sha256(f"{stored.dtype.str} {stored.shape}".encode())
    stored.hash_more(digest.update)
    for block in np.array_split(index, -(-len(index) // BLOCK)):
        images = stored.read(block)
        if not stored.half and not (np.abs(images) <= 1).all():
            raise ImageError(f"{stored.name}: floating-point images have values between -1 and 1; these go beyond")
        digest.update(images.tobytes())
    return {
        "data": stored.name,
        "data_sha256": digest.hexdigest(),
        "data_hashed": f"shape, names of files, and {len(index)} of {count} images, evenly spaced",
    }


class ImageSet:
    """Some of the stored images, as a GAN trains on them.

    Parameters
    ----------
    stored : Stored
        All images.
    index : array of int, shape (N,)
        Numbers of those that belong to this set.
    device : Device
        Where minibatches go.
    dtype : str
        Floating-point type of a minibatch.
    flip : bool
        Whether a drawn image is mirrored left to right with probability 1/2.
    """

    def __init__(self, stored: Stored, index: np.ndarray, device: Device, dtype: str, *, flip: bool = False):
        self._stored, self._index, self._device, self._flip = stored, index, device, flip
        self.dtype = np.dtype(dtype)
        self.shape = (len(index), *stored.shape[1:])

    def __len__(self) -> int:
        return len(self._index)

    @cached_property
    def _at_hand(self) -> Stored:
        return into_memory(self._stored)

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Images drawn with replacement, shape (count, H, W, C), on the device, between -1 and 1.

        The first call reads all stored images into memory, if they take no more than :data:`IN_MEMORY`.
        """
        images = self._at_hand.read(self._index[rng.integers(0, len(self._index), count)])
        if self._flip:
            mirrored = rng.random(count) < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        return self._scaled(self._device.put(images))

    def first(self, count: int) -> np.ndarray:
        """The set's first images, shape (count or fewer, H, W, C), on the host, between -1 and 1."""
        return self._scaled(self._stored.read(self._index[:count]))

    def _scaled(self, images: Array) -> Array:
        values = images.astype(self.dtype)
        if self._stored.half:
            values /= self.dtype.type(self._stored.half)
            values -= self.dtype.type(1)
        return values


@dataclass(frozen=True, kw_only=True)
class StoredConfig(DataConfig):
    """What every set of stored images is told; a subclass says where they lie.

    Parameters
    ----------
    flip : bool
        Mirror each drawn image left to right with probability 1/2; the authors don't.
    held_out : int
        Size of each of the two sets that no training sees, which the metrics need.
    """

    held_out: int = 1_000
    flip: bool = False

    def stored(self) -> Stored:
        """The images where they lie."""
        raise NotImplementedError

    def open(self, *, batch: int, rng: np.random.Generator, dtype: str, device: Device) -> ImageData:
        """The images, with some held out.

        Raises
        ------
        ImageError
            If they don't fit the configuration, or are too few.
        """
        return ImageData(self, batch, rng, dtype, device)


@dataclass(frozen=True, kw_only=True)
class Config(StoredConfig):
    """Images of a file or a folder.

    Parameters
    ----------
    path : str
        An HDF5 file, or a folder of image files.
    dataset : str
        Name of the HDF5 file's dataset; empty for the only one that can hold images.
    size : int
        Height and width of the images [pixels].
    channels : {3, 1}
        Colour or grey.
    crop : bool
        Cut the largest centred square out of each file of a folder and resize it, instead of expecting ``size``.
    """

    path: str = ""
    dataset: str = ""
    size: int = 64
    channels: Literal[3, 1] = 3
    crop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 4 or self.size & (self.size - 1):
            raise ValueError(f"size: expected a power of 2 from 4 on, got {self.size}")

    def stored(self) -> Stored:
        """The images where they lie.

        Raises
        ------
        ConfigError
            If no path is given: a preset can't know it, so that the presets themselves have none.
        ImageError
            If there are no such images at the path.
        """
        if not self.path:
            raise ConfigError("data.path: missing; expected an HDF5 file or a folder of images: --set data.path=...")
        return open_images(Path(self.path), self.size, self.channels, dataset=self.dataset, crop=self.crop)


class ImageData:
    """Stored images, of which some are held out.

    Parameters
    ----------
    config : StoredConfig
        Which images.
    batch : int
        Least number of images for training.
    rng : numpy.random.Generator
        Draws which of them are held out.
    dtype : str
        Floating-point type of a minibatch.
    device : Device
        Where minibatches go.
    """

    form = "images"
    bounds = (-1.0, 1.0)

    def __init__(self, config: StoredConfig, batch: int, rng: np.random.Generator, dtype: str, device: Device):
        self._stored = stored = config.stored()
        count, held_out = stored.shape[0], config.held_out
        least = batch + 2 * held_out
        if count < least:
            raise ImageError(
                f"{stored.name}: expected at least {least} images, a batch and twice data.held_out, got {count}"
            )
        self.shape = stored.shape[1:]
        parts = np.split(rng.permutation(count), [held_out, 2 * held_out])
        self.like_samples, self.held_out, self.training = (
            ImageSet(stored, np.sort(part), device, dtype, flip=config.flip) for part in parts
        )

    def provenance(self) -> dict[str, str]:
        """Where the images come from, and a checksum of them."""
        return checksum(self._stored)
