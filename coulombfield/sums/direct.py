"""Sums over charges for any array library: the reference that the other engines are tested against.

Pairs are formed as differences a − b, tile by tile over the targets and block by block over the charges, so that
k(a, a) is exact. The charges of a block are added up with the library's own ``sum``, and the blocks in their order.

Memory: a few temporaries of at most ``TILE_NUMBERS`` numbers each (8 MiB in float64), or of m numbers if m is larger.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import array_api_compat
import numpy as np

from ..arrays import Array, namespace
from .costs import table
from .request import Request, Result, Tangent

TILE_NUMBERS = 2**20  # numbers in a tile of differences: few enough for the second-level cache to help
BLOCK = 512  # charges of a block, fewer if m is so large that they fill a tile


def refusal(request: Request) -> str:
    """Empty: whatever the arrays are, this engine can serve them."""
    return ""


def seconds(request: Request) -> float:
    """Time by the number of pairs, as NumPy takes it on one core."""
    costs, wanted = table(), request.potential + request.field
    pair = costs.direct_pair + costs.direct_axis * request.targets.shape[1]
    return costs.direct_call + request.pairs * wanted * pair


def evaluate(request: Request) -> Result:
    """The sums, one after the other."""
    weights, profile = request.weights, request.profile

    def potential(block: _Block) -> Array:
        return block.total(weights[block.columns] * profile.value(block.xp, block.s))

    def field(block: _Block) -> Array:
        slopes = block.others(weights[block.columns] * profile.slope(block.xp, block.s))
        return -2.0 * block.xp.sum(slopes[:, :, None] * block.difference, axis=1)

    return Result(
        _sum(potential, request) if request.potential else None, _sum(field, request) if request.field else None
    )


def jvp(request: Request, tangent: Tangent) -> Result:
    r"""Derivative of the sums along a tangent.

    With d = a_i − b_j and its change δ = δa_i − δb_j, each term's differential is

    .. math:: d\Phi_i = \sum_j \delta q_j f + 2 q_j f' (d \cdot \delta), \qquad
        dE_i = -2 \sum_j \bigl(\delta q_j f' + 2 q_j f'' (d \cdot \delta)\bigr) d + q_j f' \delta.
    """
    weights, profile = request.weights, request.profile
    moves = tangent.targets is not None or tangent.positions is not None

    def change(block: _Block) -> Array:
        """How a − b changes, shape (t, b, m)."""
        delta = 0.0 * block.difference
        if tangent.targets is not None:
            delta = delta + tangent.targets[block.rows, :][:, None, :]
        if tangent.positions is not None:
            delta = delta - tangent.positions[block.columns, :][None, :, :]
        return delta

    def terms(block: _Block, by_weight: Callable, by_distance: Callable) -> Array:
        """δq f + 2 q f′ (d · δ) for the two functions given, shape (t, b)."""
        total = 0.0 * block.s
        if tangent.weights is not None:
            total = total + tangent.weights[block.columns] * by_weight(block.xp, block.s)
        if moves:
            along = block.xp.sum(block.difference * change(block), axis=-1)
            total = total + 2.0 * weights[block.columns] * by_distance(block.xp, block.s) * along
        return block.others(total)

    def potential(block: _Block) -> Array:
        return block.xp.sum(terms(block, profile.value, profile.slope), axis=1)

    def field(block: _Block) -> Array:
        # (δq f′ + 2 q f″ (d · δ)) d, and q f′ δ where anything moves
        total = terms(block, profile.slope, profile.curvature)[:, :, None] * block.difference
        if moves:
            slopes = block.others(weights[block.columns] * profile.slope(block.xp, block.s))
            total = total + slopes[:, :, None] * change(block)
        return -2.0 * block.xp.sum(total, axis=1)

    return Result(
        _sum(potential, request) if request.potential else None, _sum(field, request) if request.field else None
    )


class _Block(NamedTuple):
    """The pairs of a tile of t targets with a block of b charges."""

    xp: ModuleType
    rows: slice
    columns: slice
    difference: Array
    """a − b, shape (t, b, m)."""
    s: Array
    """‖a − b‖², shape (t, b)."""
    own: Array | None
    """Where target i is charge i and to be left out, shape (t, b)."""

    def others(self, terms: Array) -> Array:
        """The terms of shape (t, b) with 0 where target i is charge i."""
        # Selecting, unlike multiplying by 0, also leaves out a term that is not finite.
        return terms if self.own is None else self.xp.where(self.own, self.xp.zeros_like(terms), terms)

    def total(self, terms: Array) -> Array:
        """Sums of the terms over the block's charges, shape (t,)."""
        return self.xp.sum(self.others(terms), axis=1)


def _sum(block_sum: Callable[[_Block], Array], request: Request) -> Array:
    """Add up ``block_sum`` over blocks of charges, for one tile of targets after the other."""
    targets, positions = request.targets, request.positions
    xp, device = namespace(targets), array_api_compat.device(targets)
    count, dimension = positions.shape
    width = max(1, min(BLOCK, TILE_NUMBERS // dimension))
    height = max(1, TILE_NUMBERS // (width * dimension))
    tiles = []
    # A bare Coulomb kernel divides by zero where points coincide, and its documented answer there is inf or NaN.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(0, max(1, targets.shape[0]), height):
            rows = slice(i, min(i + height, targets.shape[0]))
            total = None
            # No charges at all make one empty block, whose sum is 0 in the right shape.
            for j in range(0, max(1, count), width):
                columns = slice(j, min(j + width, count))  # the standard leaves a slice beyond the end undefined
                difference = targets[rows, :][:, None, :] - positions[columns, :][None, :, :]
                s = xp.sum(difference * difference, axis=-1)
                own = None
                if request.exclude_self:
                    own_row = xp.arange(i, i + s.shape[0], device=device)
                    own = own_row[:, None] == xp.arange(j, j + s.shape[1], device=device)[None, :]
                    s = xp.where(own, xp.ones_like(s), s)  # no inf or NaN for automatic differentiation to pass on
                part = block_sum(_Block(xp, rows, columns, difference, s, own))
                total = part if total is None else total + part
            tiles.append(total)
    return xp.concat(tiles)
