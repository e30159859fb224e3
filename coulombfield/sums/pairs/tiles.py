"""What the compiled loops of :mod:`.simd` and its kin share: kernels over lanes, and tiles of points."""

from __future__ import annotations

import math
import operator

import numpy as np
from numba.extending import overload

from ... import elementary
from ...arrays import Array, jit
from ...lanes import Lanes, number_of, size_bits
from ...profiles import curvature_at, slope_at, value_at

BLOCK = 256  # charges added up in the arrays' dtype, which bounds the float32 error by that of 256 additions
PARALLEL_PAIRS = 2**19  # 0.1 ms of work in float32, which repays the tens of µs that waking the threads takes
LARGEST = 1e150  # coordinate, so that the squares of distances fit a double


@overload(value_at)
def _value_at(self, xp, s):
    return self.instance_class.value


@overload(slope_at)
def _slope_at(self, xp, s):
    return self.instance_class.slope


@overload(curvature_at)
def _curvature_at(self, xp, s):
    return self.instance_class.curvature


@overload(np.exp)
def _exp(s):
    return (lambda s: elementary.exp(s)) if isinstance(s, Lanes) else None


@overload(operator.pow)
def _pow(x, y):
    return (lambda x, y: elementary.power(x, y)) if isinstance(x, Lanes) else None


def unfit(targets: Array, most: int) -> str:
    """Why compiled loops for up to that many dimensions can't serve arrays like these; empty if they can."""
    if not isinstance(targets, np.ndarray):
        return "it takes NumPy arrays only"
    if targets.shape[1] > most:
        return f"it takes at most {most} dimensions, not {targets.shape[1]}"
    return ""


def largest_square(targets: np.ndarray, positions: np.ndarray) -> float:
    """A bound of all squared distances; inf where there is none, or one beyond 1e300."""
    farthest = largest(targets) if positions is targets else max(largest(targets), largest(positions))
    return targets.shape[1] * (2 * farthest) ** 2 if farthest < LARGEST else math.inf


def largest(numbers: np.ndarray) -> float:
    """The size of the number furthest from 0, in a C-contiguous array; inf where one is NaN or inf."""
    return _largest(numbers.reshape(-1))  # of one shape, for which the loop is compiled once


@jit
def _largest(numbers):
    """The size of the number furthest from 0; inf where one is NaN or inf."""
    zero = numbers.dtype.type(0)
    largest = size_bits(zero)
    # Bits are ordered as the sizes that they stand for, and unlike these, LLVM compares them in vectors.
    for i in range(numbers.size):
        bits = size_bits(numbers[i])
        largest = bits if bits > largest else largest
    found = number_of(largest, zero)
    return found if found < np.inf else np.inf


def plain(array: np.ndarray) -> np.ndarray:
    """A writable C-contiguous array, whatever came: Numba compiles once more for each layout and for read-only ones."""
    return array if array.flags.carray else np.array(array, order="C")


@jit(no_cpython_wrapper=True)
def load_tile(first, array, tile):
    """Copy the rows of an array from ``first`` on into the columns of a tile, the last row again beyond the end."""
    last = array.shape[0] - 1
    for lane in range(tile.shape[1]):
        for axis in range(tile.shape[0]):
            tile[axis, lane] = array[min(first + lane, last), axis]


@jit(no_cpython_wrapper=True)
def store_tile(first, sums, value_axes, value_scale, field_scale, potential, field):
    """Scale a tile's sums, one row each, and put them into the results from ``first`` on; there may be fewer left."""
    for lane in range(min(sums.shape[1], max(potential.shape[0], field.shape[0]) - first)):
        if len(value_axes):
            potential[first + lane] = value_scale * sums[0, lane]
        for row in range(len(value_axes), sums.shape[0]):
            field[first + lane, row - len(value_axes)] = field_scale * sums[row, lane]
