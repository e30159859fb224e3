"""Sums over charges in low dimension on NumPy: loops compiled by Numba, one text for all kernels.

The targets of a tile lie side by side in the lanes of vector registers (:mod:`coulombfield.lanes`): each target adds
its charges one after the other, in the order given. The ``BLOCK`` charges of a block are added up in the arrays' dtype,
the blocks of a run in float64, and so the runs. Tiles and runs are shared out among threads, and one piece of machine
code adds up a run for a tile: a target's result depends neither on the number of threads nor on the other targets.

Constant factors of the kernel multiply the sums (:mod:`.root_powers`), once and in float64.

Memory: the arguments once more if they are not C-contiguous, and for fewer tiles than would keep the threads busy, a
few numbers per ``RUN`` charges.
"""

from __future__ import annotations

import numba
import numpy as np
from numba.extending import overload

from ...arrays import jit
from ...lanes import (
    LANE_BYTES,
    add_each,
    add_to_rows,
    compiled_once,
    dot,
    lanes_of,
    load_rows,
    multiply_each,
    row_of,
    static_size,
    subtract_each,
    zero_lane,
    zeros,
)
from ...profiles import slope_at, value_at
from ...threads import share
from ..costs import table
from ..request import Request, Result
from .energy import energy
from .root_powers import quickened
from .tangents import jvp
from .tiles import BLOCK, PARALLEL_PAIRS, largest_square, load_tile, plain, store_tile, unfit

__all__ = ["energy", "evaluate", "jvp", "refusal", "seconds"]

RUN = 64 * BLOCK  # charges of a thread's turn where there are few targets
MAX_DIMENSION = 8  # beyond, a pair's distance costs more than its kernel, and matrix products win


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the kernel, or an empty string if it can."""
    return unfit(request.targets, MAX_DIMENSION) or request.profile.uncompiled(request.targets.dtype)


def seconds(request: Request) -> float:
    """Time by the number of pairs, the kernel and the sums that are wanted, as measured."""
    costs, itemsize = table(), request.targets.itemsize
    operations = costs.operations(request.profile.work(quick=True), itemsize)
    operations += request.targets.shape[1] * (1.5 + 2.5 * request.field)
    threads = numba.get_num_threads() if request.pairs >= PARALLEL_PAIRS else 1
    return costs.simd_call + request.pairs * operations * costs.operation(itemsize) / threads


def evaluate(request: Request, bound: float | None = None) -> Result:
    """The sums; ``bound`` is one of all squared distances, where it is not that of the request's own points."""
    targets = plain(request.targets)
    positions = targets if request.positions is request.targets else plain(request.positions)
    count, dimension = targets.shape
    bound = largest_square(targets, positions) if bound is None else bound
    value_scale, slope_scale, _, profile = quickened(request.profile, targets.dtype.type, bound, int(request.field))
    axes = static_size(dimension)
    wanted = axes[: request.potential], axes if request.field else ()
    potential = np.empty(count if request.potential else 0, targets.dtype)
    field = np.empty((count if request.field else 0, dimension), targets.dtype)
    # RUN goes along as an argument: a constant compiled into the loops would stay on disk when it changes here.
    arguments = targets, positions, plain(request.weights), profile, axes, *wanted, request.exclude_self, RUN
    output = value_scale, -2 * slope_scale, potential, field
    lanes = LANE_BYTES // targets.itemsize
    tiles, runs = -(-count // lanes), -(-positions.shape[0] // RUN)
    if count * positions.shape[0] < PARALLEL_PAIRS:
        _sum_tiles(0, tiles, *arguments, *output)
    elif tiles >= 4 * numba.get_num_threads() or runs == 1:
        share(lambda start, stop: _sum_tiles(start, stop, *arguments, *output), tiles)
    else:
        sums = np.zeros((tiles, runs, request.potential + dimension * request.field, lanes))
        share(lambda start, stop: _sum_runs(start, stop, *arguments, sums), tiles * runs)
        _add_runs(sums, *output)
    return Result(potential if request.potential else None, field if request.field else None)


# In what follows ``axes``, ``value_axes`` and ``field_axes`` are static sizes: m, 1 or 0, m or 0, so that the
# compiler sees what is wanted and unrolls loops over axes.


def _terms(value_axes, field_axes, profile, weight, difference):
    """What a charge adds for the targets at these distances: a tuple of lanes."""


@overload(_terms)
def _terms_overload(value_axes, field_axes, profile, weight, difference):
    def value_only(value_axes, field_axes, profile, weight, difference):
        return (weight * value_at(profile, np, dot(difference, difference)),)

    def field_only(value_axes, field_axes, profile, weight, difference):
        return multiply_each(weight * slope_at(profile, np, dot(difference, difference)), difference)

    def both(value_axes, field_axes, profile, weight, difference):
        s = dot(difference, difference)
        of_field = multiply_each(weight * slope_at(profile, np, s), difference)
        return (weight * value_at(profile, np, s), *of_field)

    if not len(field_axes):
        return value_only
    return both if len(value_axes) else field_only


@jit(no_cpython_wrapper=True)
def _add_run(first, begin, end, tile, positions, weights, profile, axes, value_axes, field_axes, exclude_self, sums):
    """Add the terms of the charges from ``begin`` to ``end``, for the tile of targets from ``first`` on."""
    compiled_once()
    targets = load_rows(tile, axes)
    # terms of a block are added in the points' dtype, blocks in float64: so float32 keeps its digits
    for block in range(begin, end, BLOCK):
        stop = min(block + BLOCK, end)
        partial = zeros(targets, value_axes + field_axes)
        # only blocks that overlap the tile can hold a target's own charge
        if exclude_self and first < stop and block < first + tile.shape[1]:
            for j in range(block, stop):
                difference = subtract_each(targets, row_of(positions, j, axes))
                terms = _terms(value_axes, field_axes, profile, weights[j], difference)
                partial = add_each(partial, zero_lane(terms, j - first))
        else:
            for j in range(block, stop):
                difference = subtract_each(targets, row_of(positions, j, axes))
                partial = add_each(partial, _terms(value_axes, field_axes, profile, weights[j], difference))
        add_to_rows(sums, partial)


@jit(no_cpython_wrapper=True)
def _clear(sums):
    for row in range(sums.shape[0]):
        for lane in range(sums.shape[1]):
            sums[row, lane] = 0


@jit
def _sum_tiles(
    start,
    stop,
    targets,
    positions,
    weights,
    profile,
    axes,
    value_axes,
    field_axes,
    exclude_self,
    run_length,
    value_scale,
    field_scale,
    potential,
    field,
):
    """Potential and field of the tiles from ``start`` to ``stop``."""
    lanes = lanes_of(targets)
    tile = np.empty((len(axes), lanes), targets.dtype)
    sums = np.empty((len(value_axes) + len(field_axes), lanes))
    of_run = np.empty((len(value_axes) + len(field_axes), lanes))
    for first in range(start * lanes, stop * lanes, lanes):
        load_tile(first, targets, tile)
        _clear(sums)
        # run by run, as by _sum_runs and _add_runs: bits are the same whichever is chosen
        for begin in range(0, positions.shape[0], run_length):
            _clear(of_run)
            _add_run(
                first,
                begin,
                min(begin + run_length, positions.shape[0]),
                tile,
                positions,
                weights,
                profile,
                axes,
                value_axes,
                field_axes,
                exclude_self,
                of_run,
            )
            for row in range(sums.shape[0]):
                for lane in range(lanes):
                    sums[row, lane] += of_run[row, lane]
        store_tile(first, sums, value_axes, value_scale, field_scale, potential, field)


@jit
def _sum_runs(
    start, stop, targets, positions, weights, profile, axes, value_axes, field_axes, exclude_self, run_length, sums
):
    """Sums of the runs from ``start`` to ``stop``, counted through all tiles."""
    lanes = lanes_of(targets)
    tile = np.empty((len(axes), lanes), targets.dtype)
    for index in range(start, stop):
        row, run = divmod(index, sums.shape[1])
        first = row * lanes
        load_tile(first, targets, tile)
        _add_run(
            first,
            run * run_length,
            min((run + 1) * run_length, positions.shape[0]),
            tile,
            positions,
            weights,
            profile,
            axes,
            value_axes,
            field_axes,
            exclude_self,
            sums[row, run],
        )


def _add_runs(sums, value_scale, field_scale, potential, field):
    """Potential and field from the sums of all runs, added up as by :func:`_sum_tiles`."""
    total = np.zeros(sums.shape[:1] + sums.shape[2:])
    with np.errstate(all="ignore"):  # as compiled loops are about numbers that are not finite
        for run in range(sums.shape[1]):
            total += sums[:, run]
        rows = total.transpose(1, 0, 2).reshape(sums.shape[2], -1)
        if potential.size:
            potential[:] = value_scale * rows[0, : potential.size]
        if field.size:
            field[:] = field_scale * rows[-field.shape[1] :, : field.shape[0]].T
