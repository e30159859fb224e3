"""Points in datasets that are read block by block: of h5py, memory maps, Dask, or any array that takes slices."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..scattered.points import Block

DTYPES = "float32", "float64"
ENDS = 2**10  # rows at both ends of a dataset that tell it from another


@dataclass(frozen=True, eq=False)
class StoredCharges:
    """Charges in datasets, which nothing is read of yet.

    Parameters
    ----------
    positions : dataset, shape (S, m)
        Places of the charges [length], float32 or float64: an h5py dataset, a memory map, a Dask array, or any array
        whose slices NumPy can turn into arrays.
    weights : dataset, shape (S,)
        Charges [charge], float32 or float64.

    Raises
    ------
    TypeError, ValueError
        If a shape or a dtype does not fit.
    """

    positions: Any
    weights: Any

    def __post_init__(self) -> None:
        check_points("positions", self.positions)
        (count, *_), dtype = check_dataset("weights", self.weights, 1), str(self.weights.dtype)
        if count != self.positions.shape[0]:
            raise ValueError(f"weights: expected shape ({self.positions.shape[0]},) like positions, got ({count},)")
        if dtype not in DTYPES:
            raise TypeError(f"weights: expected dtype float32 or float64, got {dtype}")


def check_dataset(name: str, given: Any, axes: int) -> tuple[int, ...]:
    """The shape of a dataset; raises unless it has that many axes, whose lengths are known."""
    if not all(hasattr(given, attribute) for attribute in ("shape", "dtype", "__getitem__")):
        raise TypeError(f"{name}: expected a dataset with shape, dtype and slices, got {type(given).__name__}")
    if given.shape is None or len(given.shape) != axes:
        raise ValueError(f"{name}: expected a dataset of {axes} axes, got shape {given.shape}")
    if any(math.isnan(length) for length in given.shape):
        raise ValueError(f"{name}: its shape is not known yet; call its compute_chunk_sizes()")
    return tuple(int(length) for length in given.shape)


def check_points(name: str, given: Any) -> None:
    """Raise unless a dataset is one of points."""
    shape = check_dataset(name, given, 2)
    if shape[1] == 0:
        raise ValueError(f"{name}: expected shape (count, m) with m >= 1, got {shape}")
    if str(given.dtype) not in DTYPES:
        raise TypeError(f"{name}: expected dtype float32 or float64, got {given.dtype}")


class Stored:
    """Points of a dataset in blocks; the next one is read while one is worked on.

    Parameters
    ----------
    positions, weights
        Datasets; ``weights`` may be None.
    dtype : dtype
        That blocks have.
    rows : int
        Most points of a block.

    Attributes
    ----------
    told : callable
        Is called with the number of points that are done, after each block.
    """

    def __init__(self, positions: Any, weights: Any, dtype: Any, rows: int):
        self._positions, self._weights = positions, weights
        self.told: Callable[[int], object] = lambda done: None
        self.count, self.dimension = (int(length) for length in positions.shape)
        self.dtype: np.dtype = np.dtype(dtype)
        self.rows = _whole_chunks(positions, rows)
        self.factor = 1.0  # that positions are stretched by

    @property
    def starts(self) -> range:
        """Numbers of the first points of blocks."""
        return range(0, self.count, self.rows)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """The blocks from the one with number ``first`` on."""
        starts = self.starts[first:]
        with ThreadPoolExecutor(1) as reader:
            coming = [reader.submit(self.read, start) for start in starts[:1]]
            for number, _ in enumerate(starts):
                block = coming.pop().result()
                if number + 1 < len(starts):
                    coming.append(reader.submit(self.read, starts[number + 1]))
                yield block
                self.told(block.start + block.positions.shape[0])

    def read(self, start: int) -> Block:
        """The block that begins at a point."""
        rows = slice(start, min(start + self.rows, self.count))
        positions = _array(self._positions, rows, self.dtype)
        if self.factor != 1.0:
            positions = positions * self.factor
        weights = None if self._weights is None else _array(self._weights, rows, self.dtype)
        return Block(start, positions, weights)

    def weights_at(self, numbers: np.ndarray) -> np.ndarray:
        """Charges of a few points."""
        found = [_array(self._weights, slice(number, number + 1), self.dtype) for number in numbers.tolist()]
        return np.concatenate(found) if found else np.empty(0, self.dtype)


def fingerprint(dataset: Any) -> str:
    """What tells a dataset from another: its shape, its dtype and the rows at its ends."""
    count = int(dataset.shape[0])
    ends = [_array(dataset, rows, dataset.dtype) for rows in (slice(0, ENDS), slice(max(0, count - ENDS), count))]
    digest = hashlib.sha256(b"".join(end.tobytes() for end in ends)).hexdigest()[:16]
    return f"{tuple(dataset.shape)} {dataset.dtype} {digest}"


def _array(dataset: Any, rows: slice, dtype: Any) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(dataset[rows]), dtype)


def _whole_chunks(dataset: Any, rows: int) -> int:
    """Rows of a block that cuts no chunk of a dataset, if that can be: those that are cut are read twice."""
    chunks = getattr(dataset, "chunks", None)
    first = chunks[0] if chunks else 1
    longest = max(first) if isinstance(first, tuple) else int(first)
    return max(1, rows // longest * longest if longest <= rows else rows)
