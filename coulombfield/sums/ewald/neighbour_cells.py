r"""Sums over the pairs closer than r_c, for low dimension on NumPy: sorted cells and loops compiled by Numba.

The points are sorted by cells whose sides are a fraction of r_c, so that the charges of neighbouring cells in a row lie
together in memory. For each cell with targets, the rows within r_c of it are copied together and filled up to whole
vectors; each of its targets then goes through them in vector registers. Pairs beyond r_c are masked out. A target's
sum is kept in as many parts as a vector has lanes, which are added up at the end in float64. Every target belongs to
one thread: results do not depend on the number of threads.

Memory: the points once more and 8 bytes a point and a cell, with at most ``CELLS_A_POINT`` cells a point.
"""

# Numba calls an intrinsic without its first argument, the context.
# mypy: disable-error-code="call-arg, var-annotated"

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ...arrays import jit
from ...lanes import (
    LANE_BYTES,
    ONE,
    add_each,
    add_to_rows,
    compiled_once,
    dot,
    like,
    load_rows,
    multiply_each,
    polynomial,
    row_of,
    select,
    static_size,
    subtract_each,
    zero_lane,
    zeros,
)
from ...profiles import cast, slope_at, value_at
from ...threads import share
from ..pairs.tiles import plain

CELLS_A_POINT = 4
CELLS_A_REACH = {1: (8, 4, 2), 2: (4, 3, 2), 3: (3, 2)}
"""How many cells r_c may be long, by the dimension: small cells hold fewer pairs that are too far apart, but their
neighbourhood is copied for the fewer targets."""
CHARGES_A_CELL = 6  # with which copying the neighbourhood is a small part of the work
PIECES = 64  # of the targets' cells, dealt out like cards: threads get equal shares also where points cluster


class Grid(NamedTuple):
    """Cells of one size that cover all points; the first axis varies fastest."""

    low: np.ndarray
    side: float
    shape: tuple[int, int, int]

    @staticmethod
    def over(low: np.ndarray, high: np.ndarray, reach: float, points: int) -> Grid:
        """The grid that suits a range r_c, unless it had too many cells."""
        for number in CELLS_A_REACH[len(low)]:
            side = reach / number
            if np.prod((high - low) / side + 1) * CHARGES_A_CELL <= points:
                break
        while np.prod(np.floor((high - low) / side) + 1) > CELLS_A_POINT * points + 64:
            side *= 1.25
        shape = [int(extent / side) + 1 for extent in high - low] + [1] * (3 - len(low))
        return Grid(low, side, (shape[0], shape[1], shape[2]))


class Sorted(NamedTuple):
    """Points in the order of their cells."""

    order: np.ndarray
    """Their row numbers."""
    starts: np.ndarray
    """For each cell the place of its first point in the order, and the number of points at the end."""


def sort(points: np.ndarray, grid: Grid) -> Sorted:
    """Sort points by their cells; they must be finite."""
    cells = np.zeros(points.shape[0], np.int64)
    stride = 1
    for axis in range(points.shape[1]):
        steps = (np.asarray(points[:, axis], np.float64) - grid.low[axis]) * (1 / grid.side)
        cells += stride * np.clip(steps.astype(np.int64), 0, grid.shape[axis] - 1)
        stride *= grid.shape[axis]
    found = Sorted(np.empty(len(cells), np.int64), np.zeros(stride + 1, np.int64))
    _counting_sort(cells, found.starts, found.order)
    return found


def short_sums(
    targets: np.ndarray,
    positions: np.ndarray,
    weights: np.ndarray,
    split: Any,
    grid: Grid,
    exclude_self: bool,
    potential: bool,
    field: bool,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Potential and field of the short part of a split, f − smooth part, in float64."""
    dimension, real = targets.shape[1], targets.dtype.type
    sources = sort(positions, grid)
    destinations = sources if targets is positions else sort(targets, grid)
    table = np.empty((dimension + 1, positions.shape[0]), real)
    for axis in range(dimension):
        table[axis] = positions[sources.order, axis]
    table[dimension] = weights[sources.order]
    place = np.empty(0, np.int64)
    if exclude_self:
        place = np.empty_like(sources.order)
        place[sources.order] = np.arange(len(place))
    polynomials = [tuple(real(c) for c in split.coefficients)]
    if field:
        polynomials.append(tuple(real(c) for c in split.slopes))
    out = np.zeros((1 + dimension if field else 1, targets.shape[0]))
    occupied = np.flatnonzero(np.diff(destinations.starts))
    arguments = (
        plain(targets),
        destinations.order,
        destinations.starts,
        occupied,
        table,
        sources.starts,
        place,
        _reaches(math.sqrt(split.cutoff), grid.side),
        grid.shape,
        real(0.25 * np.finfo(real).max),  # a coordinate out of reach, whose square need not be finite
        cast(split.profile, real),
        real(split.cutoff),
        real(2 / split.cutoff),
        tuple(polynomials),
        static_size(dimension),
        out,
    )

    def work(start: int, stop: int) -> None:
        for index in range(start, stop):
            _piece(index, *arguments)

    share(work, PIECES)
    return out[0] if potential else None, out[1:].T if field else None


def _reaches(reach: float, side: float) -> np.ndarray:
    """How many cells far a row holds points within r_c, by the row's distance along both other axes; −1 for none."""
    width = int(reach / side) + 1
    gaps = np.maximum(np.arange(width + 1) - 1.0, 0.0) * side
    rest = reach * reach - (gaps[:, None] ** 2 + gaps[None, :] ** 2)
    return np.where(rest > 0, np.floor(np.sqrt(np.maximum(rest, 0)) / side) + 1, -1).astype(np.int64)


@jit
def _counting_sort(cells, starts, order):
    """Fill ``starts``, which are 0, and ``order``; see :class:`Sorted`."""
    for i in range(len(cells)):
        starts[cells[i] + 1] += 1
    for cell in range(len(starts) - 1):
        starts[cell + 1] += starts[cell]
    # Each start moves to its end, which is where the next begins: one place further than they belong.
    for i in range(len(cells)):
        order[starts[cells[i]]] = i
        starts[cells[i]] += 1
    for cell in range(len(starts) - 1, 0, -1):
        starts[cell] = starts[cell - 1]
    starts[0] = 0


# In what follows ``axes`` is the static size m, and ``polynomials`` a tuple of the coefficients of the smooth part and,
# for fields, of its slope: its length says which of both functions is called.


@jit(no_cpython_wrapper=True)
def _potential_lanes(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, sums):
    rows = (*axes, 0)
    nothing = zeros(load_rows(near[0], rows), ONE)  # what charges beyond the cutoff add
    total = nothing
    for block in range(blocks):
        tile = load_rows(near[block], rows)
        difference = subtract_each(target, tile)
        s = dot(difference, difference)
        # f less the smooth part, a polynomial in u = 2 s / r_c^2 - 1; beyond the cutoff it is another sum's
        value = value_at(profile, np, s) - polynomial(s * scale - like(scale, 1), polynomials[0])
        terms = (select(s < cutoff, tile[len(axes)] * value, nothing[0]),)  # q_j (f - smooth) within r_c
        total = add_each(total, zero_lane(terms, own - block * near.shape[2]))
    add_to_rows(sums, total)


@jit(no_cpython_wrapper=True)
def _both_lanes(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, sums):
    rows = (*axes, 0)
    nothing = zeros(load_rows(near[0], rows), ONE)
    total = nothing
    total_field = zeros(load_rows(near[0], rows), axes)
    for block in range(blocks):
        tile = load_rows(near[block], rows)
        difference = subtract_each(target, tile)
        s = dot(difference, difference)
        u = s * scale - like(scale, 1)
        weight = tile[len(axes)]
        # of f and of f′ the smooth part comes off, within r_c
        value = weight * (value_at(profile, np, s) - polynomial(u, polynomials[0]))
        slope = weight * (slope_at(profile, np, s) - polynomial(u, polynomials[1]))
        inside = s < cutoff
        terms = select(inside, value, nothing[0]), select(inside, slope, nothing[0])
        value, slope = zero_lane(terms, own - block * near.shape[2])
        total = add_each(total, (value,))
        total_field = add_each(total_field, multiply_each(slope, difference))
    add_to_rows(sums, total + total_field)


def _add(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, sums):
    """Add all charges of the buffer to the sums at one target, which are in parts."""


@overload(_add)
def _overload_add(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, sums):
    chosen = _potential_lanes if len(polynomials) == 1 else _both_lanes

    def add(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, sums):
        chosen(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, sums)

    return add


@jit(no_cpython_wrapper=True)
def _gather(near, cell, table, starts, reaches, shape, nowhere, rows):
    """Copy the charges near a cell into a buffer, unless it is empty; their number, and a difference.

    It is that between a charge's place in the buffer and in the sorted order, for charges of the cell's row.
    """
    compiled_once()
    # a row of cells along x lies together in the sorted order, so that each row near is one range
    x = cell % shape[0]
    y = cell // shape[0] % shape[1]
    z = cell // (shape[0] * shape[1])
    width = reaches.shape[0] - 1
    lanes = near.shape[2]
    count = block = lane = 0
    shift = 0
    for other_z in range(max(z - width, 0), min(z + width + 1, shape[2])):
        for other_y in range(max(y - width, 0), min(y + width + 1, shape[1])):
            reach = reaches[abs(other_z - z), abs(other_y - y)]
            if reach < 0:
                continue
            row = (other_z * shape[1] + other_y) * shape[0]
            begin = starts[row + max(x - reach, 0)]
            end = starts[row + min(x + reach, shape[0] - 1) + 1]
            if other_z == z and other_y == y:
                shift = count - begin  # own charges are in the cell's own row
            count += end - begin
            if near.shape[0] == 0:
                continue
            for j in range(begin, end):
                for row in range(len(rows)):
                    near[block, row, lane] = table[row, j]
                lane += 1
                if lane == lanes:
                    block += 1
                    lane = 0
    # the last block is filled up with charges beyond the cutoff
    if lane > 0:
        for row in range(len(rows)):
            for other in range(lane, lanes):
                near[block, row, other] = nowhere
    return count, shift


@jit
def _piece(
    index, targets, order, ends, occupied, table, starts, place, reaches, shape, nowhere, profile, cutoff, scale,
    polynomials, axes, out,
):  # fmt: skip
    """The sums at the targets of every ``PIECES``-th cell."""
    lanes = LANE_BYTES // table.itemsize
    # A buffer for the most that are near any of these cells: Numba compiles one that grows for seconds.
    none = np.empty((0, len(axes) + 1, lanes), table.dtype)
    most = 0
    for number in range(index, len(occupied), PIECES):
        count, shift = _gather(none, occupied[number], table, starts, reaches, shape, nowhere, (*axes, 0))
        most = max(most, count)
    near = np.empty((most // lanes + 1, len(axes) + 1, lanes), table.dtype)
    sums = np.empty((out.shape[0], lanes))
    for number in range(index, len(occupied), PIECES):
        cell = occupied[number]
        count, shift = _gather(near, cell, table, starts, reaches, shape, nowhere, (*axes, 0))
        blocks = (count + lanes - 1) // lanes
        for k in range(ends[cell], ends[cell + 1]):
            i = order[k]
            own = place[i] + shift if len(place) else -1  # the target's own charge in the buffer, if it is left out
            for axis in range(out.shape[0]):
                for lane in range(lanes):
                    sums[axis, lane] = 0
            _add(near, blocks, row_of(targets, i, axes), own, profile, cutoff, scale, polynomials, axes, sums)
            for axis in range(out.shape[0]):
                total = 0.0
                for lane in range(lanes):
                    total += sums[axis, lane]
                out[axis, i] = -2 * total if axis else total  # E = -2 sum of q f′(s) (a - b)
