"""Gram tiles on NumPy: matrix products by BLAS, and all else on a tile in one compiled pass over its rows.

A row is worked off in blocks that stay in the first-level cache: squared distances from products, near pairs anew, then
kernel values and slopes, and their sums. A block is summed in the arrays' dtype and the blocks' sums in float64.
Each row belongs to one thread, so that the number of Numba's threads changes no bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ...arrays import jit
from ...profiles import cast, slope_at, value_at
from ...threads import share
from ..pairs.tiles import plain
from ..request import Request, Result
from .near_pairs import nearness

BLOCK = 512  # charges: a few arrays of that length fit the first-level cache
AXES = 512  # coordinates whose mean is found in one go over the points
CENTRAL = 256  # charges whose mean is the centre, which need not be exact

TILE_COLUMNS = 4096
TILE_ROWS = 256
TALL_TILE_ROWS = 2048
TALL_FROM = 512  # dimensions from which the symmetric product of a whole square tile beats the general one
PRODUCT_ROWS = 512  # of W B at a time: enough for BLAS, and no second array as large as the field
# Below these waking the threads takes longer, tens of µs, than it saves:
SHARED_NUMBERS = 2**18  # coordinates to work on
SHARED_PAIRS = 2**17

# Lanes of partial sums instead of one running sum. NaN and inf keep their meaning.
LANES = {"reassoc", "contract", "nsz"}


def tile_shape(targets: int, charges: int, dimension: int) -> tuple[int, int]:
    """Rows and columns of a Gram tile."""
    rows = TALL_TILE_ROWS if dimension >= TALL_FROM else TILE_ROWS
    return min(rows, targets), min(TILE_COLUMNS, charges)


def sums(request: Request) -> Result:
    """The sums, for at least one charge and one target."""
    targets = plain(request.targets)
    positions = targets if request.positions is request.targets else plain(request.positions)
    potential = np.zeros(targets.shape[0])
    field = np.zeros_like(targets) if request.field else None
    add_sums(request._replace(targets=targets, positions=positions, weights=plain(request.weights)), potential, field)
    return Result(potential.astype(targets.dtype) if request.potential else None, field)


@np.errstate(invalid="ignore", over="ignore")  # what is not finite gets its answer with the near pairs
def add_sums(request: Request, potential: np.ndarray, field: np.ndarray | None) -> None:
    """Add the sums, of :func:`.tiles.plain` arrays, to ``potential``, which is of float64, and to ``field``."""
    targets, positions, weights = request.targets, request.positions, request.weights
    dtype = targets.dtype
    (T, m), S = targets.shape, positions.shape[0]
    profile = cast(request.profile, dtype.type)
    criterion = cast(nearness(m, float(np.finfo(dtype).eps), request.field), dtype.type)

    # |a - b|² = |a|² + |b|² - 2 a·b cancels less the shorter the points are: they are counted from a centre
    centre = np.empty(m, dtype)
    some = positions[:: max(1, S // CENTRAL)]
    shared(lambda start, stop: _centre(start, stop, some, centre), -(-m // AXES), some.shape[0] * AXES)
    b, b_norms = _centred(positions, centre)
    a, a_norms = (b, b_norms) if targets is positions else _centred(targets, centre)

    rows, columns = tile_shape(T, S, m)
    memory = np.empty(rows * columns, dtype)
    pull, product = None, None
    if field is not None:
        pull = -2 * weights
        product = np.empty((min(rows, PRODUCT_ROWS), m), dtype)
    for i in range(0, T, rows):
        up = min(i + rows, T)
        for j in range(0, S, columns):
            end = min(j + columns, S)
            tile = memory[: (up - i) * (end - j)].reshape(up - i, end - j)
            np.matmul(a[i:up], b[j:end].T, out=tile)  # a·b; the loop makes W of it in its place
            own = i - j if request.exclude_self else None
            slopes = None if field is None else np.empty(up - i, dtype)
            arguments = (
                tile, targets[i:up], positions[j:end], a_norms[i:up], b_norms[j:end], weights[j:end],
                None if pull is None else pull[j:end], profile, criterion, own,
                potential[i:up], slopes, None if field is None else field[i:up],
            )  # fmt: skip
            shared(functools.partial(add_rows, arguments), up - i, end - j, SHARED_PAIRS)
            if field is not None:
                add_products(tile, slopes, a[i:up], b[j:end], product, field[i:up])


def shared(work: Callable[[int, int], object], count: int, numbers: int, least: int = SHARED_NUMBERS) -> None:
    """Call ``work(start, stop)`` for parts of range(count), each item of which takes so many numbers' work."""
    if count * numbers < least:
        work(0, count)
    else:
        share(work, count)


def add_rows(arguments, start, stop):
    """Call :func:`_add_tile` for some rows of a tile."""
    _add_tile(start, stop, *arguments)


def add_products(tile, slopes, a, b, product, field):
    """Add Σ_j W_ij (a_i − b_j), with W in the tile and its rows' sums in ``slopes``."""
    step = product.shape[0]
    for i in range(0, tile.shape[0], step):
        rows = slice(i, min(i + step, tile.shape[0]))
        part = product[: rows.stop - i]
        np.matmul(tile[rows], b, out=part)
        arguments = field[rows], slopes[rows], a[rows], part
        shared(functools.partial(_add_some_differences, arguments), *part.shape)


def _add_some_differences(arguments, start, stop):
    _add_differences(start, stop, *arguments)


@jit
def _add_differences(start, stop, field, slopes, a, product):
    for i in range(start, stop):
        for axis in range(field.shape[1]):
            field[i, axis] += slopes[i] * a[i, axis] - product[i, axis]


@jit
def _centre(start, stop, points, centre):
    """Mean of the points; a coordinate that is not finite counts as 0, and so spoils no row but its own."""
    count, dimension = points.shape
    for task in range(start, stop):
        first = task * AXES
        axes = min(AXES, dimension - first)
        total = np.zeros(AXES)
        for i in range(count):
            row = points[i, first : first + axes]
            for axis in range(axes):
                x = row[axis]
                # Unlike isfinite() a comparison that LLVM makes in vectors.
                total[axis] += x if abs(x) < np.inf else 0.0
        for axis in range(axes):
            centre[first + axis] = total[axis] / count


def _centred(points, centre):
    """The points minus the centre, and their squared lengths."""
    centred, norms = np.empty_like(points), np.empty(points.shape[0], points.dtype)
    shared(lambda start, stop: _centre_rows(start, stop, points, centre, centred, norms), *points.shape)
    return centred, norms


@jit(fastmath=LANES)
def _centre_rows(start, stop, points, centre, centred, norms):
    for i in range(start, stop):
        total = 0.0
        for first in range(0, points.shape[1], BLOCK):
            partial = points.dtype.type(0)
            for axis in range(first, min(first + BLOCK, points.shape[1])):
                x = points[i, axis] - centre[axis]
                centred[i, axis] = x
                partial += x * x
            total += partial
        norms[i] = total


@jit
def _add_tile(
    start, stop, tile, targets, positions, a_norms, b_norms, weights, pull, profile, criterion, own,
    potential, slopes, field,
):  # fmt: skip
    """Turn rows of products a·b into W_ij = −2 q_j f′(s_ij), and add up what can be added without another product.

    Added to ``potential`` are the sums of q_j f(s_ij), and to ``field`` the terms W_ij (a_i − b_j) of near pairs, whose
    W_ij become 0; ``slopes`` receives the rows' sums of W. ``own`` is the column in which the target of row 0 meets
    itself, or None. Without ``field`` the tile is left as scrap.
    """
    terms = np.empty(BLOCK, tile.dtype)
    near = np.empty(BLOCK, np.intp)
    for i in range(start, stop):
        value_total, slope_total = 0.0, 0.0
        for first in range(0, tile.shape[1], BLOCK):
            last = min(first + BLOCK, tile.shape[1])
            s, charges, norms = tile[i, first:last], positions[first:last], b_norms[first:last]
            itself = -1 if own is None else i + own - first
            if not 0 <= itself < last - first:
                itself = -1
            count = 0
            # s = |a|² + |b|² - 2 a·b; where that has cancelled, by differences
            if _square_distances(s, a_norms[i], norms, criterion.proximity) > 0:
                count = _mend(s, targets[i], charges, a_norms[i], norms, profile, criterion, itself, near, pull)
            put_values(terms, s, weights[first:last], profile)  # q_j f(s)
            if itself >= 0:
                terms[itself] = 0
            value_total += sum_of(terms[: last - first])
            if field is not None:
                put_slopes(s, pull[first:last], profile)  # W = -2 q_j f′(s)
                if itself >= 0:
                    s[itself] = 0
                for index in near[:count]:
                    _add_term(field[i], s[index], targets[i], charges[index])
                    s[index] = 0
                slope_total += sum_of(s)
        potential[i] += value_total
        if field is not None:
            slopes[i] = slope_total


@jit(fastmath=LANES, no_cpython_wrapper=True)
def _square_distances(products, norm, norms, proximity):
    """Put s = ‖a‖² + ‖b‖² − 2 a·b, and no less than 0, in place of a·b; the result is positive if any may be near."""
    zero, one = products.dtype.type(0), products.dtype.type(1)
    count = zero
    for j in range(products.shape[0]):
        both = norm + norms[j]
        s = both - (products[j] + products[j])
        s = zero if s < zero else s
        products[j] = s
        # A NaN must count: the product of an infinite coordinate and 0 is one, but the distance is none.
        count += zero if proximity * s >= both else one
    return count


@jit(no_cpython_wrapper=True)
def _mend(s, target, charges, norm, norms, profile, criterion, itself, near, slope_too):
    """Compute s anew where the pair is near, and list those pairs; their number."""
    count = 0
    for j in range(s.shape[0]):
        both = norm + norms[j]
        if criterion.proximity * s[j] >= both or j == itself or np.isnan(both):
            continue
        moved = s[j] + criterion.step * both
        mend = s[j] <= max(criterion.coincident, criterion.close) * both
        mend = mend or _changes(value_at(profile, np, s[j]), value_at(profile, np, moved), criterion.change)
        if slope_too is not None:
            mend = mend or _changes(slope_at(profile, np, s[j]), slope_at(profile, np, moved), criterion.change)
        if mend:
            s[j] = _square_distance(target, charges[j])
            near[count] = j
            count += 1
    return count


@jit(no_cpython_wrapper=True)
def _changes(before, after, change):
    return not abs(after - before) <= change * abs(before)


@jit(fastmath=LANES, no_cpython_wrapper=True)
def _square_distance(target, charge):
    total = target.dtype.type(0)
    for axis in range(target.shape[0]):
        difference = target[axis] - charge[axis]
        total += difference * difference
    return total


@jit(no_cpython_wrapper=True)
def _add_term(field, slope, target, charge):
    for axis in range(target.shape[0]):
        field[axis] += slope * (target[axis] - charge[axis])


@jit(no_cpython_wrapper=True)
def put_values(terms, s, weights, profile):
    """Put q_j f(s_j) into ``terms``."""
    for j in range(s.shape[0]):
        terms[j] = weights[j] * value_at(profile, np, s[j])


@jit(no_cpython_wrapper=True)
def put_slopes(s, pull, profile):
    """Put W_j = −2 q_j f′(s_j) in place of s_j, with ``pull`` for −2 q_j."""
    for j in range(s.shape[0]):
        s[j] = pull[j] * slope_at(profile, np, s[j])


@jit(fastmath=LANES, no_cpython_wrapper=True)
def sum_of(values):
    """Sum in the values' dtype, in lanes."""
    total = values.dtype.type(0)
    for j in range(values.shape[0]):
        total += values[j]
    return total
