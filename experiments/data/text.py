"""Lines of text in a file that ``data prepare`` has made.

A minibatch is one-hot: of shape (count, L, V), 1 where a place of a line has a symbol and 0 elsewhere, made on the
device from codes. What metrics and figures see are codes, shape (count, L), on the host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Device
from coulombfield.rng import RandomGenerator, on_host

from ..config import ConfigError
from ..sources.lines import TextError
from ..text import Alphabet, StoredText
from ..text.counted import counted
from ..text.ngrams import NGrams, count
from .dataset import DataConfig, expect_checksum

IN_MEMORY = 4 << 30  # [bytes] of codes; what is larger is read from disk, one minibatch at a time
BLOCK = 64 << 20  # [bytes] of one-hot lines made at once
HASHED = 1 << 20  # lines behind the checksum of those that stay on disk


@dataclass(frozen=True, kw_only=True)
class Config(DataConfig):
    """Lines of a prepared file.

    Parameters
    ----------
    path : str
        The file.
    held_out : int
        Size of each of the two sets that no training sees, which the metrics need.
    sha256 : str
        Checksum that the lines must have: ``data_sha256`` in the provenance of a run on them, which depends on whether
        they fit in memory. Empty for any.
    """

    path: str = ""
    sha256: str = ""

    def open(self, *, batch: int, rng: np.random.Generator, dtype: str, device: Device) -> TextData:
        """The lines, with some held out.

        Raises
        ------
        ConfigError
            If no path is given: a preset can't know it, so that the presets themselves have none.
        TextError
            If there is no such file, or it has too few lines.
        """
        if not self.path:
            raise ConfigError("data.path: missing; expected a file that data prepare has made: --set data.path=...")
        return TextData(self, batch, rng, dtype, device)


class TextPart:
    """Some of the stored lines, as a GAN trains on them.

    Parameters
    ----------
    stored : StoredText
        All lines.
    index : array of int, shape (N,)
        Numbers of those that belong to this set, ascending.
    device : Device
        Where minibatches go.
    dtype : str
        Floating-point type of a minibatch.

    Attributes
    ----------
    shape : tuple of int
        (N, L, V), of minibatches but for the first number.
    index : array of int, shape (N,)
        As given.
    """

    def __init__(self, stored: StoredText, index: np.ndarray, device: Device, dtype: str):
        self._stored, self._device, self.index = stored, device, index
        self.dtype = np.dtype(dtype)
        self.shape = (len(index), stored.shape[1], len(stored.alphabet))

    def __len__(self) -> int:
        return len(self.index)

    def draw(self, count: int, rng: RandomGenerator) -> Array:
        """One-hot lines drawn with replacement, shape (count, L, V), on the device."""
        return self.one_hot(self._stored.read(self.index[on_host(rng).integers(0, len(self.index), count)]))

    def blocks(self) -> Iterator[Array]:
        """All lines, one-hot, some :data:`BLOCK` bytes at a time."""
        step = max(1, BLOCK // (self.shape[1] * self.shape[2] * self.dtype.itemsize))
        for start in range(0, len(self), step):
            yield self.one_hot(self.codes(start, start + step))

    def first(self, count: int) -> np.ndarray:
        """Codes of the set's first lines, shape (count or fewer, L), on the host."""
        return self.codes(0, count)

    def codes(self, start: int, stop: int) -> np.ndarray:
        """Codes of some of the set's lines, shape (stop - start or fewer, L), on the host."""
        return self._stored.read(self.index[start:stop])

    def one_hot(self, codes: np.ndarray) -> Array:
        """The same lines, shape (N, L, V), on the device."""
        return one_hot(codes, self.shape[2], self._device, self.dtype)


class TextData:
    """Lines of a prepared file, of which some are held out.

    Parameters
    ----------
    config : Config
        Which file.
    batch : int
        Least number of lines for training.
    rng : numpy.random.Generator
        Draws which of them are held out.
    dtype : str
        Floating-point type of a minibatch.
    device : Device
        Where minibatches go.

    Attributes
    ----------
    stored : StoredText
        All lines of the file.
    shape : tuple of int
        (L, V).
    """

    form = "lines"
    bounds = None

    def __init__(self, config: Config, batch: int, rng: np.random.Generator, dtype: str, device: Device):
        self.stored, self._sha256 = StoredText(Path(config.path)), config.sha256
        count, length = self.stored.shape
        held_out, least = config.held_out, batch + 2 * config.held_out
        if count < least:
            raise TextError(
                f"{config.path}: expected at least {least} lines, a batch and twice data.held_out, got {count}"
            )
        if self.stored.nbytes <= IN_MEMORY:
            self.stored.load()
        self.shape = (length, len(self.stored.alphabet))
        parts = np.split(rng.permutation(count), [held_out, 2 * held_out])
        self.like_samples, self.held_out, self.training = (
            TextPart(self.stored, np.sort(part), device, dtype) for part in parts
        )

    @property
    def alphabet(self) -> Alphabet:
        """What codes stand for."""
        return self.stored.alphabet

    @cached_property
    def ngrams(self) -> NGrams:
        """N-grams of all lines of the file, counted now unless a file beside it has them.

        Raises
        ------
        TextError
            If the lines can't be read or are damaged.
        """
        return counted(self.stored)

    @cached_property
    def kept_back(self) -> NGrams:
        """N-grams of the lines among them that are not for training."""
        parts = (self.like_samples, self.held_out)
        return count(lambda: (part.codes(0, len(part)) for part in parts), self.shape[1])

    def facts(self) -> dict[str, Any]:
        """The alphabet's unit and symbols."""
        return {"unit": self.alphabet.unit, "symbols": self.alphabet.symbols}

    def provenance(self) -> dict[str, str]:
        """Where the lines come from, what their symbols are, and a checksum of both.

        Raises
        ------
        TextError
            If the lines can't be read or are damaged, or the checksum is another one than the configuration has.
        """
        found = checksum(self.stored)
        expect_checksum(found, self._sha256, TextError)
        return found


def checksum(stored: StoredText) -> dict[str, str]:
    """What identifies lines: their symbols, and codes of all where they are in memory.

    Of what stays on disk, it is the codes of up to :data:`HASHED` lines.

    Raises
    ------
    TextError
        If lines in memory are not as they were written.
    """
    count, length = stored.shape
    alphabet = stored.alphabet
    digest = hashlib.sha256(f"{alphabet.unit} {alphabet.symbols.tolist()} {stored.shape}".encode())
    if stored.in_memory:
        codes = hashlib.sha256(stored.codes(0, count).data).hexdigest()
        stored.expect_checksum(codes)
        digest.update(codes.encode())
        hashed = f"symbols and all {count} lines"
    else:
        index = np.unique(np.linspace(0, count - 1, min(count, HASHED)).astype(np.int64))
        for block in np.array_split(index, -(-len(index) // 4096)):
            digest.update(stored.read(block).data)
        hashed = f"symbols, and {len(index)} of {count} lines, evenly spaced"
    return {
        "data": str(stored.path),
        "data_sha256": digest.hexdigest(),
        "data_hashed": hashed,
        "data_unit": f"{length} {alphabet.unit}, {len(alphabet)} codes",
    }


def one_hot(codes: np.ndarray, vocabulary: int, device: Device, dtype: np.typing.DTypeLike) -> Array:
    """Codes as floats of a device: 1 for the code that a place has, 0 for all others.

    Parameters
    ----------
    codes : array of int, shape (N, L)
        Codes below ``vocabulary``, on the host.
    vocabulary : int
        V.
    device : Device
        Where they go: only the codes are copied there.
    dtype : dtype
        Floating-point type.

    Returns
    -------
    array, shape (N, L, V)
    """
    xp = device.xp
    flat = xp.zeros(codes.size * vocabulary, dtype)
    places = xp.arange(0, codes.size * vocabulary, vocabulary)
    places += device.put(codes.reshape(-1))
    flat[places] = 1
    return flat.reshape(*codes.shape, vocabulary)
