"""Sums over charges for any array library: the reference that the other engines are tested against.

Pairs are formed as differences a − b, tile by tile over the targets and block by block over the charges, so that
k(a, a) is exact. The charges of a block are added up with the library's own ``sum``, and the blocks in their order.

Memory: a few temporaries of at most ``TILE_NUMBERS`` numbers each (8 MiB in float64), or of m numbers if m is larger.
"""

from __future__ import annotations

import array_api_compat
import numpy as np

from .request import Request, Result

SECONDS_A_PAIR, SECONDS_AN_AXIS = 1e-8, 3e-9
TILE_NUMBERS = 2**20  # numbers in a tile of differences: few enough for the second-level cache to help
BLOCK = 512  # charges of a block, fewer if m is so large that they fill a tile


def refusal(request: Request) -> str:
    """Empty: whatever the arrays are, this engine can serve them."""
    return ""


def seconds(request: Request) -> float:
    """Time by the number of pairs, as measured with NumPy on one core."""
    wanted = request.potential + request.field
    return 1e-5 + request.pairs * wanted * (SECONDS_A_PAIR + SECONDS_AN_AXIS * request.targets.shape[1])


def evaluate(request: Request) -> Result:
    """The sums, one after the other."""
    arguments = request.targets, request.positions, request.weights, request.profile, request.exclude_self
    return Result(
        _potential(*arguments) if request.potential else None,
        _field(*arguments) if request.field else None,
    )


def _potential(targets, positions, weights, profile, exclude_self):
    """Σ_j w_j f(‖a_i − b_j‖²), shape (T,)."""

    def block_sum(xp, difference, s, weights, own):
        terms = weights * profile.value(xp, s)
        return xp.sum(terms if own is None else xp.where(own, xp.zeros_like(terms), terms), axis=1)

    return _sum(block_sum, targets, positions, weights, exclude_self)


def _field(targets, positions, weights, profile, exclude_self):
    """−2 Σ_j w_j f′(‖a_i − b_j‖²) (a_i − b_j), shape (T, m)."""

    def block_sum(xp, difference, s, weights, own):
        slopes = weights * profile.slope(xp, s)
        slopes = slopes if own is None else xp.where(own, xp.zeros_like(slopes), slopes)
        return -2.0 * xp.sum(xp.expand_dims(slopes, axis=-1) * difference, axis=1)

    return _sum(block_sum, targets, positions, weights, exclude_self)


def _sum(block_sum, targets, positions, weights, exclude_self):
    """Add up ``block_sum`` over blocks of charges, for one tile of targets after the other."""
    xp = array_api_compat.array_namespace(targets)
    device = array_api_compat.device(targets)
    count, dimension = positions.shape
    block = max(1, min(BLOCK, TILE_NUMBERS // dimension))
    rows = max(1, TILE_NUMBERS // (block * dimension))
    tiles = []
    # A bare Coulomb kernel divides by zero where points coincide, and its documented answer there is inf or NaN.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(0, max(1, targets.shape[0]), rows):
            tile = targets[i : min(i + rows, targets.shape[0]), :]
            total = None
            # No charges at all make one empty block, whose sum is 0 in the right shape.
            for j in range(0, max(1, count), block):
                end = min(j + block, count)  # the standard leaves a slice beyond the end undefined
                difference = tile[:, None, :] - positions[None, j:end, :]
                s = xp.sum(difference * difference, axis=-1)
                own = None
                if exclude_self:
                    own_row = xp.arange(i, i + s.shape[0], device=device)
                    own = own_row[:, None] == xp.arange(j, j + s.shape[1], device=device)[None, :]
                part = block_sum(xp, difference, s, weights[j:end], own)
                total = part if total is None else total + part
            tiles.append(total)
    return xp.concat(tiles)
