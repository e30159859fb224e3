"""Compiled loops over the nonzero coordinates of points that are mostly zeros, for :mod:`.sparse_tiles`.

Nonzeros come as ``counts``, shape (N,), and as ``places``, their axes, and ``values``, both of shape (N, most), whose
rows are filled up to the counts. Each loop works on the items from ``start`` to before ``stop``.
"""

from __future__ import annotations

import numpy as np

from ...arrays import jit
from .compiled_tiles import BLOCK, LANES, put_slopes, put_values, sum_of


@jit
def find_nonzeros(start, stop, points, rows, counts, places, values, norms):
    """Put the nonzeros of the points ``rows`` into the arrays, unless they are more than these have room for."""
    most = places.shape[1]
    for i in range(start, stop):
        count, norm = 0, 0.0
        for first in range(0, points.shape[1], BLOCK):
            row = points[rows[i], first : first + BLOCK]
            here = _count(row, most + 1)
            if here and count + here <= most:
                for axis in range(row.shape[0]):
                    x = row[axis]
                    if x != 0:
                        places[i, count], values[i, count] = first + axis, x
                        norm += np.float64(x) * np.float64(x)
                        count += 1
            else:
                count += here
                if count > most:
                    break
        counts[i], norms[i] = count, norm


@jit(no_cpython_wrapper=True)
def _count(row, beyond):
    """Number of nonzeros, of which those that aren't finite count as ``beyond`` of them."""
    count = 0
    for axis in range(row.shape[0]):
        x = row[axis]
        count += 0 if x == 0 else (1 if abs(x) < np.inf else beyond)
    return count


@jit(fastmath=LANES)
def square_lengths(start, stop, points, norms):
    """Put the squares of the points' lengths into ``norms``."""
    for i in range(start, stop):
        total = 0.0
        for first in range(0, points.shape[1], BLOCK):
            partial = points.dtype.type(0)
            for axis in range(first, min(first + BLOCK, points.shape[1])):
                partial += points[i, axis] * points[i, axis]
            total += partial
        norms[i] = total


@jit
def gather_rows(start, stop, points, counts, places, values, first, tile):
    """Put the products a·b of points and of sparse ones from the number ``first`` on into rows of a tile."""
    for i in range(start, stop):
        for j in range(tile.shape[1]):
            tile[i, j] = _product(points[i], first + j, counts, places, values)


@jit(fastmath=LANES, no_cpython_wrapper=True)
def _product(point, other, counts, places, values):
    total = point.dtype.type(0)
    for k in range(counts[other]):
        total += point[places[other, k]] * values[other, k]
    return total


@jit
def scatter_rows(start, stop, tile, slopes, points, counts, places, values, first, field):
    """Add Σ_j W_ij (a_i − b_j), with W in the tile and its rows' sums in ``slopes``."""
    for i in range(start, stop):
        for axis in range(points.shape[1]):
            field[i, axis] += slopes[i] * points[i, axis]
        for j in range(tile.shape[1]):
            for k in range(counts[first + j]):
                field[i, places[first + j, k]] -= tile[i, j] * values[first + j, k]


@jit
def add_sparse_rows(
    start, stop, dimension, a_counts, a_places, a_values, a_norms, b_counts, b_places, b_values, b_norms,
    weights, pull, profile, criterion, excluded, potential, field,
):  # fmt: skip
    """Add q_j f(s_ij) to potentials, and W_ij (a_i − b_j) to the field, whose axes are those of the nonzeros."""
    target = np.zeros(dimension, weights.dtype)  # with its zeros, of which a gather takes any
    s, terms = np.empty(BLOCK, weights.dtype), np.empty(BLOCK, weights.dtype)
    near = np.empty(BLOCK, np.intp)
    for i in range(start, stop):
        value_total, slope_total, spoiled = 0.0, 0.0, 0.0
        for k in range(a_counts[i]):
            target[a_places[i, k]] = a_values[i, k]
        for first in range(0, b_counts.shape[0], BLOCK):
            size = min(BLOCK, b_counts.shape[0] - first)
            count = 0
            for j in range(size):
                other = first + j
                both = a_norms[i] + b_norms[other]
                product = _product(target, other, b_counts, b_places, b_values)
                # |a|² + |b|² - 2 a·b, and by differences where that has cancelled
                s[j] = both - (product + product)
                if not criterion.proximity * s[j] >= both:
                    s[j] = _merged_distance(
                        a_counts[i], a_places[i], a_values[i], b_counts[other], b_places[other], b_values[other]
                    )
                if not s[j] >= criterion.close * both:
                    near[count] = j
                    count += 1
            itself = i - first if excluded and 0 <= i - first < size else -1
            put_values(terms, s[:size], weights[first : first + size], profile)
            if itself >= 0:
                terms[itself] = 0
            value_total += sum_of(terms[:size])
            if field is not None:
                put_slopes(s[:size], pull[first : first + size], profile)
                if itself >= 0:
                    s[itself] = 0
                # near pairs: W (a - b) by differences, which sums of W a and W b would lose
                for j in near[:count]:
                    other = first + j
                    _add_merged(
                        field[i], s[j], a_counts[i], a_places[i], a_values[i],
                        b_counts[other], b_places[other], b_values[other],
                    )  # fmt: skip
                    spoiled += 0 * s[j]
                    s[j] = 0
                # all others: -Σ W b now, a Σ W in the end
                for j in range(size):
                    other = first + j
                    for k in range(b_counts[other]):
                        field[i, b_places[other, k]] -= s[j] * b_values[other, k]
                slope_total += sum_of(s[:size])
        potential[i] += value_total
        spoiled += 0 * slope_total
        if field is not None and np.isnan(spoiled):  # where both points are zero as well, as 0 times inf or NaN is
            field[i] += field.dtype.type(spoiled)
        for k in range(a_counts[i]):
            if field is not None:
                field[i, a_places[i, k]] += weights.dtype.type(slope_total) * a_values[i, k]
            target[a_places[i, k]] = 0


@jit(no_cpython_wrapper=True)
def _merged_distance(a_count, a_places, a_values, b_count, b_places, b_values):
    """Square of the distance of two sparse points by the differences of their nonzeros."""
    total = a_values.dtype.type(0)
    i = j = 0
    while i < a_count or j < b_count:
        _, difference, i, j = _next(i, a_count, a_places, a_values, j, b_count, b_places, b_values)
        total += difference * difference
    return total


@jit(no_cpython_wrapper=True)
def _add_merged(field, slope, a_count, a_places, a_values, b_count, b_places, b_values):
    """Add ``slope`` times the difference of two sparse points."""
    i = j = 0
    while i < a_count or j < b_count:
        axis, difference, i, j = _next(i, a_count, a_places, a_values, j, b_count, b_places, b_values)
        field[axis] += slope * difference


@jit(no_cpython_wrapper=True)
def _next(i, a_count, a_places, a_values, j, b_count, b_places, b_values):
    """The next axis in which one of two sparse points has a nonzero, their difference there, and where both go on."""
    if j == b_count or (i < a_count and a_places[i] < b_places[j]):
        return a_places[i], a_values[i], i + 1, j
    if i == a_count or b_places[j] < a_places[i]:
        return b_places[j], -b_values[j], i, j + 1
    return a_places[i], a_values[i] - b_values[j], i + 1, j + 1
