"""What the compiled loops of :mod:`.simd` and its kin share: kernels over lanes, and tiles of points."""

from __future__ import annotations

import math
import operator

import numpy as np
from numba.extending import overload

from .. import elementary
from ..arrays import jit
from ..lanes import Lanes
from ..profiles import curvature_at, slope_at, value_at

BLOCK = 256  # charges added up in the arrays' dtype, which bounds the float32 error by that of 256 additions
PARALLEL_PAIRS = 2**19  # 0.1 ms of work in float32, which repays the tens of µs that waking the threads takes
BITS = {"float32": "int32", "float64": "int64"}


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


def largest_square(targets: np.ndarray, positions: np.ndarray) -> float:
    """A bound of all squared distances; inf where there is none, or one beyond 1e300."""
    bits = BITS[targets.dtype.name]
    bound = _largest_bits(targets.view(bits))
    if positions is not targets:
        bound = max(bound, _largest_bits(positions.view(bits)))
    largest = float(np.array(bound, bits).view(targets.dtype))
    bounded = math.isfinite(largest) and largest < 1e150
    return targets.shape[1] * (2 * largest) ** 2 if bounded else math.inf


@jit
def _largest_bits(numbers):
    """The bits of the number furthest from 0, NaN and inf being further than all others."""
    largest = numbers.dtype.type(0)
    mask = np.iinfo(numbers.dtype).max
    for number in numbers.reshape(-1):
        largest = max(largest, number & numbers.dtype.type(mask))
    return largest


def plain(array: np.ndarray) -> np.ndarray:
    """A writable C-contiguous array, whatever came: Numba compiles once more for each layout and for read-only ones."""
    return array if array.flags.carray else np.array(array, order="C")


@jit
def load_tile(first, array, tile):
    """Copy the rows of an array from ``first`` on into the columns of a tile, the last row again beyond the end."""
    last = array.shape[0] - 1
    for lane in range(tile.shape[1]):
        for axis in range(tile.shape[0]):
            tile[axis, lane] = array[min(first + lane, last), axis]
