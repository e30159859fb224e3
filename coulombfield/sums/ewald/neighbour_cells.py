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
    copy_lanes,
    dot,
    lanes_of,
    like,
    load_series,
    multiply_each,
    polynomial,
    row_of,
    select,
    static_size,
    subtract_each,
    zero_lane,
    zeros,
)
from ...profiles import slope_at, value_at
from ...threads import share
from ..pairs.root_powers import merged
from ..pairs.tiles import plain

CELLS_A_POINT = 4
MOST_CELLS = 2**31 - 1  # so that an int holds their numbers
CELLS_A_REACH = {1: (8, 4, 2), 2: (4, 3, 2), 3: (3, 2)}
"""How many cells r_c may be long, by the dimension: small cells hold fewer pairs that are too far apart, but their
neighbourhood is copied for the fewer targets."""
CHARGES_A_CELL = 6  # with which copying the neighbourhood is a small part of the work
ROUNDING = 1e-12  # of a number of cells
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
        while np.prod(np.floor((high - low) / side) + 1) > min(CELLS_A_POINT * points + 64, MOST_CELLS):
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
    axes = static_size(dimension)
    sources = sort(positions, grid)
    destinations = sources if targets is positions else sort(targets, grid)
    count = positions.shape[0]
    table = np.zeros((dimension + 1, count + LANE_BYTES // positions.itemsize), real)  # read in whole vectors
    for axis in range(dimension):
        table[axis, :count] = positions[sources.order, axis]
    table[dimension, :count] = weights[sources.order]
    place = np.empty(0, np.int64)
    if exclude_self:
        place = np.empty_like(sources.order)
        place[sources.order] = np.arange(len(place))
    parts = ([split.coefficients] if potential else []) + ([split.slopes] if field else [])
    out = np.zeros((potential + dimension * field, targets.shape[0]))
    occupied = np.flatnonzero(np.diff(destinations.starts))
    arguments = (
        plain(targets),
        destinations.order,
        destinations.starts,
        occupied,
        table.reshape(-1),
        sources.starts,
        place,
        row_reaches(math.sqrt(split.cutoff), grid.side),
        grid.shape,
        real(0.25 * np.finfo(real).max),  # a coordinate out of reach, whose square need not be finite
        merged(split.profile, real, split.cutoff, int(field)),  # terms beyond the cutoff may be anything
        real(split.cutoff),
        real(2 / split.cutoff),
        tuple(tuple(real(c) for c in part) for part in parts),
        axes,
        axes[:potential],
        axes if field else (),
        out,
    )

    def work(start: int, stop: int) -> None:
        for index in range(start, stop):
            _piece(index, *arguments)

    share(work, PIECES)
    return out[0] if potential else None, out[int(potential) :].T if field else None


def row_reaches(reach: float, side: float) -> np.ndarray:
    """How many cells far a row holds points within r_c, by the row's distance along both other axes; −1 for none."""
    width = int(reach / side) + 1
    gaps = np.maximum(np.arange(width + 1) - 1.0, 0.0) * side
    rest = reach * reach - (gaps[:, None] ** 2 + gaps[None, :] ** 2)
    # Nothing counts at r_c itself: a cell that begins there is too far, and one that rounding moves there adds nothing.
    cells = np.ceil(np.sqrt(np.maximum(rest, 0)) / side - ROUNDING)
    return np.where(cells > 0, cells, -1).astype(np.int64)


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


# In what follows ``axes``, ``value_axes`` and ``field_axes`` are static sizes: m, 1 or 0, m or 0; ``polynomials`` are
# the coefficients of the smooth part, of its slope, or of both, as they are wanted.


def _factors(value_axes, field_axes, profile, s, inside, u, weight, polynomials, nothing):
    """The charge times what the smooth part leaves of f, of f′ or of both, within r_c: a tuple of lanes."""


@overload(_factors)
def _factors_overload(value_axes, field_axes, profile, s, inside, u, weight, polynomials, nothing):
    def value_only(value_axes, field_axes, profile, s, inside, u, weight, polynomials, nothing):
        return (select(inside, weight * (value_at(profile, np, s) - polynomial(u, polynomials[0])), nothing),)

    def slope_only(value_axes, field_axes, profile, s, inside, u, weight, polynomials, nothing):
        return (select(inside, weight * (slope_at(profile, np, s) - polynomial(u, polynomials[0])), nothing),)

    def both(value_axes, field_axes, profile, s, inside, u, weight, polynomials, nothing):
        value = weight * (value_at(profile, np, s) - polynomial(u, polynomials[0]))
        slope = weight * (slope_at(profile, np, s) - polynomial(u, polynomials[1]))
        return select(inside, value, nothing), select(inside, slope, nothing)

    if not len(field_axes):
        return value_only
    return both if len(value_axes) else slope_only


def _terms(value_axes, field_axes, factors, difference):
    """What a charge adds to potential and field, less the field's factor −2: a tuple of lanes."""


@overload(_terms)
def _terms_overload(value_axes, field_axes, factors, difference):
    def value_only(value_axes, field_axes, factors, difference):
        return factors

    def field_only(value_axes, field_axes, factors, difference):
        return multiply_each(factors[0], difference)

    def both(value_axes, field_axes, factors, difference):
        return (factors[0], *multiply_each(factors[1], difference))

    if not len(field_axes):
        return value_only
    return both if len(value_axes) else field_only


@jit(no_cpython_wrapper=True)
def _add(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, value_axes, field_axes, sums):
    """Add all charges of the buffer to the sums at one target, which are in parts."""
    rows = (*axes, 0)
    lanes, capacity, all_rows = lanes_of(near), len(near) // len(rows), len(rows)
    tile = load_series(near, 0, capacity, 0, all_rows, rows)
    nothing = zeros(tile, ONE)  # what charges beyond r_c add
    total = zeros(tile, value_axes + field_axes)
    own_block = own // lanes  # −1 for none
    for block in range(blocks):
        tile = load_series(near, block * lanes, capacity, 0, all_rows, rows)
        difference = subtract_each(target, tile)
        s = dot(difference, difference)
        u = s * scale - like(scale, 1)  # 2 s / r_c^2 - 1, in which the smooth part is a polynomial
        factors = _factors(value_axes, field_axes, profile, s, s < cutoff, u, tile[len(axes)], polynomials, nothing[0])
        if block == own_block:
            factors = zero_lane(factors, own - block * lanes)
        total = add_each(total, _terms(value_axes, field_axes, factors, difference))
    add_to_rows(sums, total)


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
    lanes = lanes_of(table)
    capacity, stride = len(near) // len(rows), len(table) // len(rows)
    count = shift = 0
    for other_z in range(max(z - width, 0), min(z + width + 1, shape[2])):
        for other_y in range(max(y - width, 0), min(y + width + 1, shape[1])):
            reach = reaches[abs(other_z - z), abs(other_y - y)]
            if reach < 0:
                continue
            first = (other_z * shape[1] + other_y) * shape[0]
            begin = starts[first + max(x - reach, 0)]
            end = starts[first + min(x + reach, shape[0] - 1) + 1]
            if other_z == z and other_y == y:
                shift = count - begin  # own charges are in the cell's own row
            if len(near):
                # whole vectors: what is beyond a range is overwritten by the next, or by the charges at the end
                for j in range(begin, end, lanes):
                    for row in range(len(rows)):
                        copy_lanes(near, row * capacity + count + j - begin, table, row * stride + j)
            count += end - begin
    # the last vector is filled up with charges beyond the cutoff
    if len(near):
        for row in range(len(rows)):
            for k in range(count, count + lanes):
                near[row * capacity + k] = nowhere
    return count, shift


@jit
def _piece(
    index, targets, order, ends, occupied, table, starts, place, reaches, shape, nowhere, profile, cutoff, scale,
    polynomials, axes, value_axes, field_axes, out,
):  # fmt: skip
    """The sums at the targets of every ``PIECES``-th cell."""
    lanes = lanes_of(table)
    # A buffer for the most that are near any of these cells: Numba compiles one that grows for seconds.
    none = np.empty(0, table.dtype)
    most = 0
    for number in range(index, len(occupied), PIECES):
        count, shift = _gather(none, occupied[number], table, starts, reaches, shape, nowhere, (*axes, 0))
        most = max(most, count)
    near = np.empty((len(axes) + 1) * (most + 2 * lanes), table.dtype)
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
            target = row_of(targets, i, axes)
            _add(near, blocks, target, own, profile, cutoff, scale, polynomials, axes, value_axes, field_axes, sums)
            for axis in range(out.shape[0]):
                total = 0.0
                for lane in range(lanes):
                    total += sums[axis, lane]
                out[axis, i] = total if axis < len(value_axes) else -2 * total  # E = -2 sum of q f′(s) (a - b)
