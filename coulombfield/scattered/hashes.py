"""Numbers that look random and hang on a point's values alone: they draw samples and put points in an order.

Both are then the same however the points are spread, and in whatever order they come.
"""

from __future__ import annotations

import numpy as np

from ..arrays import jit
from ..sums.pairs.tiles import plain

UNIT = 2.0**-64


def bits_of(array: np.ndarray) -> np.ndarray:
    """A C-contiguous array's memory as unsigned integers."""
    return plain(array).view(np.uint32 if array.dtype == np.float32 else np.uint64)


def hashes_of(positions: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Of each point its hash, shape (count,), uint64; of its weight too, if it has one."""
    found = np.empty(positions.shape[0], np.uint64)
    _hash_all(bits_of(positions), bits_of(np.empty(0, positions.dtype) if weights is None else weights), found)
    return found


@jit(no_cpython_wrapper=True)
def mixed(number):
    """A bijection of the integers of 64 bits without pattern: the finalizer of SplitMix64 (Steele et al. 2014)."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@jit(no_cpython_wrapper=True)
def hash_of(positions, weights, row):
    """The hash of a point, from the bits of all; there may be no weights."""
    state = np.uint64(0x9E3779B97F4A7C15)
    for axis in range(positions.shape[1]):
        state = mixed(state + np.uint64(positions[row, axis])) + np.uint64(0x9E3779B97F4A7C15)
    if len(weights):
        state = mixed(state + np.uint64(weights[row]))
    return mixed(state)


@jit
def _hash_all(positions, weights, found):
    for row in range(len(found)):
        found[row] = hash_of(positions, weights, row)
