"""The energy of charges in low dimension on NumPy, over half of the pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import jit
from ...lanes import (
    LANE_BYTES,
    ONE,
    add_each,
    add_to_rows,
    compiled_once,
    dot,
    lanes_of,
    load_rows,
    row_of,
    static_size,
    subtract_each,
    zero_lane,
    zeros,
)
from ...profiles import value_at
from ...threads import share
from .root_powers import quickened
from .tiles import BLOCK, PARALLEL_PAIRS, largest_square, load_tile, plain


def energy(positions: np.ndarray, weights: np.ndarray, profile: Any, exclude_self: bool) -> float:
    r"""Energy of charges in their own potential, each pair summed once.

    .. math:: \tfrac12 \sum_{i, j} q_i q_j f(\|b_i - b_j\|^2)

    Parameters
    ----------
    positions : numpy.ndarray, shape (S, m)
        Positions b [length], m ≤ 8, float32 or float64.
    weights : numpy.ndarray, shape (S,)
        Charges q, of the same dtype.
    profile : profile
        The kernel's formulas (:mod:`coulombfield.profiles`).
    exclude_self : bool
        Whether to leave out the terms i = j.

    Returns
    -------
    float
        The energy [charge² · kernel]. Blocks of terms are added up in the arrays' dtype, all else in float64; the
        number of threads changes no bit.
    """
    positions, weights = plain(positions), plain(weights)
    scales = quickened(profile, positions.dtype.type, largest_square(positions, positions), 0)
    count, dimension = positions.shape
    tiles = -(-count * positions.itemsize // LANE_BYTES)
    parts = np.zeros(tiles)
    arguments = positions, weights, scales.profile, static_size(dimension), exclude_self, parts
    if count * count < PARALLEL_PAIRS:
        _energies(0, tiles, *arguments)
    else:
        share(lambda start, stop: _energies(start, stop, *arguments), tiles)
    return scales.value * float(np.sum(parts))


@jit
def _energies(start, stop, positions, weights, profile, axes, exclude_self, parts):
    """Energy of each tile's charges in the potential of those before them, and in half of their own."""
    lanes = lanes_of(positions)
    count = positions.shape[0]
    tile = np.empty((len(axes), lanes), positions.dtype)
    before, own = np.empty((1, lanes)), np.empty((1, lanes))
    # not literals, for which the sum below were compiled once more
    zero, none = np.int64(0), np.bool_(False)
    # The later a tile, the longer its sum: every other tile from the end evens out the parts of the range.
    tiles = parts.shape[0]
    for turn in range(start, stop):
        index = turn // 2 if turn % 2 == 0 else tiles - 1 - turn // 2
        first = index * lanes
        load_tile(first, positions, tile)
        before[:] = 0
        own[:] = 0
        _add_potential(first, zero, first, tile, positions, weights, profile, axes, none, before)
        _add_potential(
            first, first, min(first + lanes, count), tile, positions, weights, profile, axes, exclude_self, own
        )
        parts[index] = 0
        for lane in range(min(lanes, count - first)):
            parts[index] += weights[first + lane] * (before[0, lane] + 0.5 * own[0, lane])


@jit(no_cpython_wrapper=True)
def _add_potential(first, begin, end, tile, positions, weights, profile, axes, exclude_self, sums):
    """Add the terms of the charges from ``begin`` to ``end`` for the tile from ``first`` on."""
    compiled_once()
    targets = load_rows(tile, axes)
    for block in range(begin, end, BLOCK):
        stop = min(block + BLOCK, end)
        partial = zeros(targets, ONE)
        if exclude_self:
            for j in range(block, stop):
                difference = subtract_each(targets, row_of(positions, j, axes))
                term = weights[j] * value_at(profile, np, dot(difference, difference))
                partial = add_each(partial, zero_lane((term,), j - first))
        else:
            for j in range(block, stop):
                difference = subtract_each(targets, row_of(positions, j, axes))
                term = weights[j] * value_at(profile, np, dot(difference, difference))
                partial = add_each(partial, (term,))
        add_to_rows(sums, partial)
