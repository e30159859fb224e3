"""Derivatives of sums over charges along a direction of their arguments, in low dimension on NumPy."""

from __future__ import annotations

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
from ...profiles import curvature_at, slope_at, value_at
from ...threads import share
from ..request import Request, Result, Tangent
from .root_powers import merged
from .tiles import BLOCK, PARALLEL_PAIRS, largest_square, load_tile, plain, store_tile


def jvp(request: Request, tangent: Tangent) -> Result:
    r"""Derivative of potential and field where targets, charges' positions and charges move.

    With :math:`d = a_i - b_j`, :math:`\delta = \delta a_i - \delta b_j`, and f, f′ and f″ at :math:`\|d\|^2`,

    .. math::
        \delta\Phi_i &= \sum_j \delta q_j\, f + 2 q_j f'\, d \cdot \delta \\
        \delta E_i &= -2 \sum_j \delta q_j\, f'\, d + q_j \bigl(2 f'' (d \cdot \delta)\, d + f'\, \delta\bigr)

    Parameters
    ----------
    request : Request
        The sums, for arrays that :mod:`.simd` serves.
    tangent : Tangent
        The direction, of the arrays' dtype.

    Returns
    -------
    Result
        δΦ and δE, as far as the request wants Φ and E.
    """
    given = request.targets, request.positions, request.weights
    count, dimension = request.targets.shape
    moves = [np.zeros_like(array) if move is None else plain(move) for array, move in zip(given, tangent, strict=True)]
    targets, positions, weights = (plain(array) for array in given)
    profile = merged(request.profile, targets.dtype.type, largest_square(targets, positions), 2 if request.field else 1)
    axes = static_size(dimension)
    arguments = (
        (targets, positions, weights),
        tuple(moves),
        profile,
        axes,
        axes[: request.potential],
        axes if request.field else (),
        request.exclude_self,
    )
    potential = np.empty(count if request.potential else 0, targets.dtype)
    field = np.empty((count if request.field else 0, dimension), targets.dtype)
    tiles = -(-count * targets.itemsize // LANE_BYTES)
    if count * positions.shape[0] < PARALLEL_PAIRS:
        _derivatives(0, tiles, *arguments, potential, field)
    else:
        share(lambda start, stop: _derivatives(start, stop, *arguments, potential, field), tiles)
    return Result(potential if request.potential else None, field if request.field else None)


def _terms(value_axes, field_axes, profile, weight, moved_weight, difference, move):
    """What a charge adds: a tuple of lanes."""


@overload(_terms)
def _terms_overload(value_axes, field_axes, profile, weight, moved_weight, difference, move):
    def value_only(value_axes, field_axes, profile, weight, moved_weight, difference, move):
        s, along = dot(difference, difference), dot(difference, move)
        # δq f + 2 q f′ (d · δ), with d and δ the difference and its move
        slope = weight * slope_at(profile, np, s)
        return (moved_weight * value_at(profile, np, s) + (along + along) * slope,)

    def field_only(value_axes, field_axes, profile, weight, moved_weight, difference, move):
        s, along = dot(difference, difference), dot(difference, move)
        slope = slope_at(profile, np, s)
        # (δq f′ + 2 q f″ (d · δ)) d + q f′ δ; the -2 comes as sums are stored
        factor = moved_weight * slope + weight * (curvature_at(profile, np, s) * (along + along))
        return add_each(multiply_each(factor, difference), multiply_each(weight * slope, move))

    def both(value_axes, field_axes, profile, weight, moved_weight, difference, move):
        return (
            *terms_of(value_axes, (), profile, weight, moved_weight, difference, move),
            *terms_of((), field_axes, profile, weight, moved_weight, difference, move),
        )

    terms_of = _terms
    if not len(field_axes):
        return value_only
    return both if len(value_axes) else field_only


@jit(no_cpython_wrapper=True)
def _add_terms(first, tile, moved_tile, charges, moves, profile, axes, value_axes, field_axes, exclude_self, sums):
    """Add the terms of all charges for the tile of targets from ``first`` on."""
    compiled_once()
    targets, moved_targets = load_rows(tile, axes), load_rows(moved_tile, axes)
    positions, weights = charges
    moved_positions, moved_weights = moves
    count = positions.shape[0]
    for block in range(0, count, BLOCK):
        stop = min(block + BLOCK, count)
        partial = zeros(targets, value_axes + field_axes)
        # only blocks that overlap the tile can hold a target's own charge
        if exclude_self and first < stop and block < first + tile.shape[1]:
            for j in range(block, stop):
                difference = subtract_each(targets, row_of(positions, j, axes))
                move = subtract_each(moved_targets, row_of(moved_positions, j, axes))
                terms = _terms(value_axes, field_axes, profile, weights[j], moved_weights[j], difference, move)
                partial = add_each(partial, zero_lane(terms, j - first))
        else:
            for j in range(block, stop):
                difference = subtract_each(targets, row_of(positions, j, axes))
                move = subtract_each(moved_targets, row_of(moved_positions, j, axes))
                terms = _terms(value_axes, field_axes, profile, weights[j], moved_weights[j], difference, move)
                partial = add_each(partial, terms)
        add_to_rows(sums, partial)


@jit
def _derivatives(start, stop, arrays, moves, profile, axes, value_axes, field_axes, exclude_self, potential, field):
    """The derivatives for the tiles from ``start`` to ``stop``."""
    targets, positions, weights = arrays
    lanes = lanes_of(targets)
    tile, moved_tile = np.empty((len(axes), lanes), targets.dtype), np.empty((len(axes), lanes), targets.dtype)
    sums = np.empty((len(value_axes) + len(field_axes), lanes))
    for first in range(start * lanes, stop * lanes, lanes):
        load_tile(first, targets, tile)
        load_tile(first, moves[0], moved_tile)
        sums[:] = 0
        _add_terms(
            first,
            tile,
            moved_tile,
            (positions, weights),
            (moves[1], moves[2]),
            profile,
            axes,
            value_axes,
            field_axes,
            exclude_self,
            sums,
        )
        store_tile(first, sums, value_axes, 1.0, -2.0, potential, field)
