"""What a data set is: three sets of real samples that share none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from coulombfield.arrays import Array, Device
from coulombfield.rng import RandomGenerator

from .. import DataError

Shape = tuple[int, ...]


class Part(Protocol):
    """Some real samples."""

    def __len__(self) -> int:
        """How many."""

    def first(self, count: int) -> np.ndarray:
        """The first ``count`` of them, or all if there are fewer, on the host, as metrics and figures see samples."""


class Source(Protocol):
    """A training set as a GAN sees it."""

    @property
    def dtype(self) -> np.dtype:
        """The dtype of minibatches."""

    @property
    def shape(self) -> Shape:
        """(count, ...), with the shape of a sample behind the first axis."""

    def draw(self, count: int, rng: RandomGenerator) -> Array:
        """Real samples drawn with replacement, shape (count, ...), on the device.

        ``rng`` may draw CuPy arrays; who needs the numbers on the host takes :func:`coulombfield.rng.on_host` of it.
        """

    def blocks(self) -> Iterator[Array]:
        """All that drawing can give, each once and always in the same order, in blocks on the device."""


class Training(Part, Source, Protocol):
    """A training set."""


class DataSet(Protocol):
    """Real samples, and what is known of them."""

    @property
    def form(self) -> str:
        """What a sample is, ``points`` or ``images``, ...: its file of figures, and of forms if it has one."""

    @property
    def shape(self) -> Shape:
        """Shape of one sample."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Between which all values lie; generated samples are clipped to there. None where there is no such limit."""

    @property
    def training(self) -> Training:
        """What a GAN trains on."""

    @property
    def held_out(self) -> Part:
        """What samples are compared with."""

    @property
    def like_samples(self) -> Part:
        """What takes the place of samples to show what perfect looks like; as many as are held out."""

    def facts(self) -> dict[str, Any]:
        """What its form has to tell of a sample beside, as strings and host arrays: see :mod:`experiments.forms`."""

    def provenance(self) -> dict[str, str]:
        """Where the samples come from, and checksums."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What every data set is told; a subclass has :meth:`open`.

    Parameters
    ----------
    held_out : int
        Size of each of the two sets that no training sees, which the metrics need.
    """

    held_out: int = 10_000

    least_held_out: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.held_out < self.least_held_out:
            raise ValueError(f"held_out: expected at least {self.least_held_out}, got {self.held_out}")

    def open(self, *, batch: int, rng: np.random.Generator, dtype: str, device: Device) -> DataSet:
        """The data set.

        Parameters
        ----------
        batch : int
            Least number of samples that the training set must have.
        rng : numpy.random.Generator
            Draws the samples, or which of them are held out.
        dtype : str
            Floating-point type of the samples.
        device : Device
            Where minibatches go.
        """
        raise NotImplementedError


def expect_checksum(found: Mapping[str, str], wanted: str, error: type[DataError]) -> None:
    """Raise an error where the provenance of stored samples has another checksum than is wanted; empty for any."""
    if wanted and found["data_sha256"] != wanted:
        raise error(
            f"{found['data']}: expected the checksum data.sha256 = {wanted}, got {found['data_sha256']} of "
            f"{found['data_hashed']}"
        )


class ArrayPart:
    """Samples in an array of the host, and a copy of it on the device to draw from.

    Parameters
    ----------
    samples : array, shape (count, ...)
        On the host.
    device : Device
        Where minibatches go.
    """

    def __init__(self, samples: np.ndarray, device: Device):
        self._host, self._device, self._there = samples, device, device.put(samples)
        self.dtype, self.shape = samples.dtype, samples.shape

    def __len__(self) -> int:
        return len(self._host)

    def first(self, count: int) -> np.ndarray:
        """The first samples."""
        return self._host[:count]

    def draw(self, count: int, rng: RandomGenerator) -> Array:
        """Random samples, shape (count, ...)."""
        index = rng.integers(0, len(self._host), count)
        return self._there.take(self._device.put(index), axis=0)

    def blocks(self) -> Iterator[Array]:
        """All samples at once."""
        yield self._there
