"""The part of short range over ranks: slabs of cells, each with the charges that are near to it.

The cells of :mod:`coulombfield.sums.ewald.neighbour_cells` lie over all points. Along the axis with most of them they
are cut into slabs of about the same work, one for each rank, which gets the targets of its slab and the charges that
are within range of it: its own, and a halo of cells on both sides. Its sums go back to where the targets came from.

Charges of a slab are put into their common order (:mod:`.canonical`) before they are sorted by cells. A target's sum
then adds the same charges in the same order for any number of ranks.

Memory: targets and charges of a slab twice; 8 bytes a cell of all, of which there are at most four a point.
"""

from __future__ import annotations

import numpy as np

from ..scattered.points import BLOCK
from ..sums.ewald.neighbour_cells import Grid, short_sums
from ..sums.ewald.splitting import Split
from ..sums.request import Request, Result
from .canonical import first_like, ordered
from .ranks import Ranks


def short_part(ranks: Ranks, request: Request, split: Split, grid: Grid) -> Result:
    """The short part of a split at this rank's targets, in float64; all numbers are finite."""
    axis = int(np.argmax(grid.shape[: request.targets.shape[1]]))
    halo = int(np.sqrt(split.cutoff) / grid.side) + 1
    of_targets, of_charges = (_cells(points, grid, axis) for points in (request.targets, request.positions))
    first = _slabs(ranks, of_targets, of_charges, grid.shape[axis], halo)
    slab = np.searchsorted(first, of_targets, side="right") - 1
    sent = np.argsort(slab, kind="stable")
    counts = np.bincount(slab, minlength=ranks.size)
    positions, weights = _with_halo(ranks, request, of_charges, first, halo)
    if request.exclude_self:
        rows, coming = ranks.exchanged(np.column_stack([request.positions, request.weights])[sent], counts)
        own, own_weights = np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])
        order, hashes = ordered(own, own_weights)
        targets = own[order]
        # Copies of a charge leave out different places of the order, and may differ in rounding.
        same = first_like(targets, own_weights[order], hashes)
        # Target i is charge i; those of the halo come after.
        inside = _inside(positions, grid, axis, first, ranks.rank)
        positions = np.concatenate([targets, positions[~inside]])
        weights = np.concatenate([own_weights[order], weights[~inside]])
    else:
        targets, coming = ranks.exchanged(request.targets[sent], counts)
        order = same = np.arange(len(targets))
    count, dimension = targets.shape
    table = np.zeros((count, request.potential + dimension * request.field))
    if count and len(positions):
        near = short_sums(
            targets, positions, weights, split, grid, request.exclude_self, request.potential, request.field
        )
        table[order] = np.column_stack([x for x in near if x is not None])[same]
    back, _ = ranks.exchanged(table, coming)
    found = np.empty_like(back)
    found[sent] = back
    potential = found[:, 0] if request.potential else None
    return Result(potential, found[:, int(request.potential) :] if request.field else None)


def _cells(points: np.ndarray, grid: Grid, axis: int) -> np.ndarray:
    """Numbers of the points' cells along an axis, as :func:`neighbour_cells.sort` has them."""
    found = np.empty(len(points), np.int32)
    for start in range(0, len(points), BLOCK):
        rows = slice(start, start + BLOCK)
        steps = (np.asarray(points[rows, axis], np.float64) - grid.low[axis]) * (1 / grid.side)
        found[rows] = np.clip(steps.astype(np.int64), 0, grid.shape[axis] - 1)
    return found


def _slabs(ranks: Ranks, of_targets: np.ndarray, of_charges: np.ndarray, cells: int, halo: int) -> np.ndarray:
    """The first cell of each rank's slab, shape (ranks,)."""
    counts = np.stack([np.bincount(each, minlength=cells) for each in (of_targets, of_charges)])
    targets, charges = ranks.total(counts)
    # A target's pairs are about those with the charges in the layers of cells around its own.
    sums = np.concatenate([[0], np.cumsum(charges)])
    layers = np.arange(cells)
    near = sums[np.minimum(layers + halo + 1, cells)] - sums[np.maximum(layers - halo, 0)]
    work = np.cumsum(targets * (near + 1.0))
    marks = work[-1] * np.arange(1, ranks.size) / ranks.size
    return np.concatenate([[0], np.searchsorted(work, marks) + 1])


def _with_halo(
    ranks: Ranks, request: Request, of_charges: np.ndarray, first: np.ndarray, halo: int
) -> tuple[np.ndarray, np.ndarray]:
    """The charges of this rank's slab and of the cells around it, in their common order."""
    ends = np.append(first[1:], np.iinfo(np.int32).max)
    chosen = [
        np.flatnonzero((of_charges >= low - halo) & (of_charges < min(high + halo, ends[-1])))
        if high > low
        else np.empty(0, np.int64)
        for low, high in zip(first.tolist(), ends.tolist(), strict=True)
    ]
    counts = np.asarray([len(rows) for rows in chosen])
    rows = np.concatenate(chosen)
    table = np.column_stack([request.positions[rows], request.weights[rows]])
    table, _ = ranks.exchanged(table, counts)
    positions, weights = np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])
    order, _ = ordered(positions, weights)
    return positions[order], weights[order]


def _inside(positions: np.ndarray, grid: Grid, axis: int, first: np.ndarray, rank: int) -> np.ndarray:
    """Which charges are in a rank's own slab."""
    return np.searchsorted(first, _cells(positions, grid, axis), side="right") - 1 == rank
