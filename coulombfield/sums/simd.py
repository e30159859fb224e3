"""Sums over charges in low dimension on NumPy: loops compiled by Numba, one text for all kernels.

The targets of a tile lie side by side in the lanes of vector registers, so that the loops vectorise without reordering
any sum: each target adds its charges one after the other, in the order given. A block of charges is added up in the
arrays' dtype and the blocks' sums in float64. Every target belongs to one thread: results do not depend on the number
of threads.

Memory: the arguments once more, and per thread a tile of ``LANES`` targets.
"""

from __future__ import annotations

import numba
import numpy as np
from numba.extending import overload

from ..arrays import jit
from ..profiles import cast, curvature_at, slope_at, value_at
from .request import Request, Result

LANES = 128  # targets of a tile; their partial sums stay in the first-level cache up to m = 8
BLOCK = 256  # charges added up in the arrays' dtype, which bounds the float32 error by that of 256 additions
MAX_DIMENSION = 8  # beyond, a pair's distance costs more than its kernel, and matrix products win
SECONDS_A_PAIR = 5e-10
PARALLEL_PAIRS = 2**20  # 0.3 ms of work in float32, which repays the tens of µs that waking the threads takes


@overload(value_at)
def _value_at(self, xp, s):
    return self.instance_class.value


@overload(slope_at)
def _slope_at(self, xp, s):
    return self.instance_class.slope


@overload(curvature_at)
def _curvature_at(self, xp, s):
    return self.instance_class.curvature


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays, or an empty string if it can."""
    targets = request.targets
    if not isinstance(targets, np.ndarray):
        return "it takes NumPy arrays only"
    if targets.shape[1] > MAX_DIMENSION:
        return f"it takes at most {MAX_DIMENSION} dimensions, not {targets.shape[1]}"
    return ""


def seconds(request: Request) -> float:
    """Time by the number of pairs."""
    return 1e-5 + request.pairs * SECONDS_A_PAIR


def evaluate(request: Request) -> Result:
    """The sums."""
    targets, positions, weights, profile, exclude_self, *_ = request
    potential = field = None
    if request.potential:
        potential = np.empty(targets.shape[0], targets.dtype)
        _run(_potential_serial, _potential_parallel, targets, positions, weights, profile, exclude_self, potential)
    if request.field:
        field = np.empty(targets.shape, targets.dtype)
        _run(_field_serial, _field_parallel, targets, positions, weights, profile, exclude_self, field)
    return Result(potential, field)


def _run(serial, parallel, targets, positions, weights, profile, exclude_self, out):
    pairs = targets.shape[0] * positions.shape[0]
    loop = parallel if pairs >= PARALLEL_PAIRS and numba.get_num_threads() > 1 else serial
    loop(
        _plain(targets),
        _plain(positions),
        _plain(weights),
        cast(profile, targets.dtype.type),
        (0,) * targets.shape[1],
        exclude_self,
        out,
    )


def _plain(array):
    """A writable C-contiguous array, whatever came: Numba compiles once more for each layout and for read-only ones."""
    return array if array.flags.carray else np.array(array, order="C")


# In what follows ``axes`` is a tuple of m zeros. Its length is part of its type, so that loops over it are unrolled.


@jit
def _load(tile, targets, first, axes):
    """Copy a tile of targets, one row an axis; lanes without a target repeat the last one."""
    last = targets.shape[0] - 1
    for lane in range(LANES):
        for axis in range(len(axes)):
            tile[axis, lane] = targets[min(first + lane, last), axis]


@jit
def _add_potential(partial, tile, position, weight, profile, axes, own_lane):
    zero = partial.dtype.type(0)
    for lane in range(LANES):
        s = zero
        for axis in range(len(axes)):
            difference = tile[axis, lane] - position[axis]
            s += difference * difference
        term = weight * value_at(profile, np, s)
        # Selecting, unlike multiplying by 0, also leaves out a term that is not finite.
        partial[lane] += term if lane != own_lane else zero


@jit
def _add_field(partial, tile, position, weight, profile, axes, own_lane):
    zero = partial.dtype.type(0)
    for lane in range(LANES):
        s = zero
        for axis in range(len(axes)):
            difference = tile[axis, lane] - position[axis]
            s += difference * difference
        slope = weight * slope_at(profile, np, s)
        slope = slope if lane != own_lane else zero
        for axis in range(len(axes)):
            partial[axis, lane] += slope * (tile[axis, lane] - position[axis])


@jit
def _potential_tile(index, targets, positions, weights, profile, axes, exclude_self, out):
    first = index * LANES
    tile = np.empty((len(axes), LANES), targets.dtype)
    partial = np.empty(LANES, targets.dtype)
    total = np.zeros(LANES)
    _load(tile, targets, first, axes)
    for block in range(0, positions.shape[0], BLOCK):
        partial[:] = 0
        for j in range(block, min(block + BLOCK, positions.shape[0])):
            own_lane = j - first if exclude_self else -1
            _add_potential(partial, tile, positions[j], weights[j], profile, axes, own_lane)
        total += partial
    for lane in range(min(LANES, targets.shape[0] - first)):
        out[first + lane] = total[lane]


@jit
def _field_tile(index, targets, positions, weights, profile, axes, exclude_self, out):
    first = index * LANES
    tile = np.empty((len(axes), LANES), targets.dtype)
    partial = np.empty((len(axes), LANES), targets.dtype)
    total = np.zeros((len(axes), LANES))
    _load(tile, targets, first, axes)
    for block in range(0, positions.shape[0], BLOCK):
        partial[:] = 0
        for j in range(block, min(block + BLOCK, positions.shape[0])):
            own_lane = j - first if exclude_self else -1
            _add_field(partial, tile, positions[j], weights[j], profile, axes, own_lane)
        total += partial
    for lane in range(min(LANES, targets.shape[0] - first)):
        for axis in range(len(axes)):
            out[first + lane, axis] = -2 * total[axis, lane]


@jit
def _tiles(targets):
    return (targets.shape[0] + LANES - 1) // LANES


@jit
def _potential_serial(targets, positions, weights, profile, axes, exclude_self, out):
    for index in range(_tiles(targets)):
        _potential_tile(index, targets, positions, weights, profile, axes, exclude_self, out)


@jit(parallel=True)
def _potential_parallel(targets, positions, weights, profile, axes, exclude_self, out):
    for index in numba.prange(_tiles(targets)):
        _potential_tile(index, targets, positions, weights, profile, axes, exclude_self, out)


@jit
def _field_serial(targets, positions, weights, profile, axes, exclude_self, out):
    for index in range(_tiles(targets)):
        _field_tile(index, targets, positions, weights, profile, axes, exclude_self, out)


@jit(parallel=True)
def _field_parallel(targets, positions, weights, profile, axes, exclude_self, out):
    for index in numba.prange(_tiles(targets)):
        _field_tile(index, targets, positions, weights, profile, axes, exclude_self, out)
