"""Images where they are stored, and the sets of them that a GAN trains on and is measured with.

A minibatch has values in [-1, 1]: 8-bit values v become v / 127.5 - 1, as in the authors' program, without any
augmentation unless asked for.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from coulombfield.arrays import Array, Device
from coulombfield.rng import RandomGenerator, on_host

from ..sources.source import ImageError
from .dataset import DataConfig, expect_checksum

IN_MEMORY = 4 << 30  # [bytes]; what is larger is read from disk, one minibatch at a time
BLOCK = 1024  # images read at once on the way to memory
HASHED = 4096  # images behind the checksum of those that stay on disk: 50 MB at 64 x 64 in colour


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
        """The dtype of the values as stored."""

    @property
    def half(self) -> float:
        """The stored value that stands for 0, and half of the one for 1; 0 where values are from -1 to 1 as stored."""

    @property
    def together(self) -> int:
        """How many images in a row, from a multiple of it on, take as long to read as one of them; 1 in most places."""

    @property
    def slow(self) -> str:
        """What makes single images slow to read, and the way out; empty where they aren't."""

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers, shape (len(index), H, W, C), as stored.

        Raises
        ------
        ImageError
            If one can't be read; the message begins with its file.
        """

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """Tell ``add`` what identifies the images beside their pixels."""


class InMemory(NamedTuple):
    """Images in memory."""

    name: str
    values: np.ndarray
    half: float
    together: int = 1
    slow: str = ""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(count, H, W, C)."""
        count, height, width, channels = self.values.shape
        return count, height, width, channels

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values as stored."""
        return self.values.dtype

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers."""
        return self.values[index]

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """Nothing beside the pixels."""


def into_memory(stored: Stored, limit: int = IN_MEMORY) -> Stored:
    """The same images in memory, where they take no more than ``limit`` bytes; otherwise as they are.

    Raises
    ------
    ImageError
        If one can't be read.
    """
    if isinstance(stored, InMemory):
        return stored
    count = stored.shape[0]
    if math.prod(stored.shape) * stored.dtype.itemsize > limit:
        if stored.slow:
            warnings.warn(stored.slow, stacklevel=2)
        return stored
    values, step = np.empty(stored.shape, stored.dtype), -(-BLOCK // stored.together) * stored.together
    for start in tqdm(range(0, count, step), desc="reading images", disable=None, leave=False):
        values[start : start + step] = stored.read(np.arange(start, min(start + step, count)))
    return InMemory(stored.name, values, stored.half)


def checksum(stored: Stored) -> dict[str, str]:
    """What identifies the images: their shape and the pixels of all where they are in memory.

    Of what stays on disk, it is the pixels of up to :data:`HASHED` images, and the names of files.

    Raises
    ------
    ImageError
        If one of these images has floating-point values that are not between -1 and 1.
    """
    count, whole = stored.shape[0], isinstance(stored, InMemory)
    index = np.unique(np.linspace(0, count - 1, count if whole else min(count, HASHED)).astype(np.int64))
    digest = hashlib.sha256(f"{stored.dtype.str} {stored.shape}".encode())
    stored.hash_more(digest.update)
    for block in np.array_split(index, -(-len(index) // BLOCK)):
        images = stored.read(block)
        if not stored.half:
            check_values(stored.name, images)
        digest.update(images.tobytes())
    return {
        "data": stored.name,
        "data_sha256": digest.hexdigest(),
        "data_hashed": f"shape and all {count} images"
        if whole
        else f"shape, names of files, and {len(index)} of {count} images, evenly spaced",
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
    def at_hand(self) -> Stored:
        """All stored images, in memory if they take no more than :data:`IN_MEMORY`."""
        return into_memory(self._stored)

    def draw(self, count: int, rng: RandomGenerator) -> Array:
        """Images drawn with replacement, shape (count, H, W, C), on the device, between -1 and 1.

        The first call reads all stored images into memory where they fit, unless :attr:`at_hand` has done so.
        """
        rng = on_host(rng)  # where the images are
        images = self.at_hand.read(self._index[rng.integers(0, len(self._index), count)])
        if self._flip:
            mirrored = rng.random(count) < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        return self._scaled(self._device.put(images))

    def blocks(self) -> Iterator[Array]:
        """All images, :data:`BLOCK` at a time, and where they are mirrored also what that makes of them."""
        for start in range(0, len(self._index), BLOCK):
            images = self._scaled(self._device.put(self.at_hand.read(self._index[start : start + BLOCK])))
            yield images
            if self._flip:
                yield images[:, :, ::-1]

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
    sha256 : str
        Checksum that the images must have: ``data_sha256`` in the provenance of a run on them, which depends on
        whether they fit in memory. Empty for any.
    """

    held_out: int = 1_000
    flip: bool = False
    sha256: str = ""

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
        stored, self._sha256 = config.stored(), config.sha256
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

    def facts(self) -> dict[str, Any]:
        """Nothing beside form, shape and bounds."""
        return {}

    def provenance(self) -> dict[str, str]:
        """Where the images come from, and a checksum of them: reads all that training will have in memory.

        Raises
        ------
        ImageError
            If an image can't be read, or the checksum is another one than the configuration has.
        """
        found = checksum(self.training.at_hand)
        expect_checksum(found, self._sha256, ImageError)
        return found


def check_values(name: object, images: np.ndarray) -> None:
    """Raise ImageError where floating-point pixels are not between -1 and 1."""
    if np.isnan(images).any():
        raise ImageError(f"{name}: has values that are NaN")
    if not (np.abs(images) <= 1).all():
        raise ImageError(f"{name}: floating-point images have values between -1 and 1; these go beyond")
