"""The loops of Winograd's convolution, between images, weights or results and their points, on vectors of channels.

With stride s and padding p, tap a of output row o reads row s o - p + a of the image. The taps f, f + s, ... and the
rows s e - p + f are phase f: between them, with e for the row's number, it is a correlation of stride 1. Columns
likewise.

A tile is m x m outputs, which n x n points stand for. The numbers of a point (i, j) are a matrix, which begins at
``offsets[i, j]`` of a flat array; a row of it holds all phases and channels. A point with i or j at infinity has the
phases with three taps only, which are the first.

All arrays are flat and contiguous, with channels innermost. A loop may serve some of the channels only, or some of the
filters: ``width`` of the ``channels``, ``depth`` of the ``filters``, all multiples of a vector's length. Images,
weights or results then begin at the first of these, and the matrices have no others. Of ``points``, ``taps`` and
``sides`` the lengths count, n, 3 and m.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coulombfield.arrays import jit
from coulombfield.lanes import LANE_BYTES, add_series, load_series, store_series

from .tiles import (
    TAPS,
    data_points,
    data_points_adjoint,
    results,
    results_adjoint,
    tap_points,
    tap_points_adjoint,
)


class Axis(NamedTuple):
    """Rows or columns of a convolution in tiles."""

    size: int
    output: int
    stride: int
    padding: int
    kernel: int
    tiles: int
    phases: int
    """Phases with a tap."""
    long: int
    """Phases with three taps."""


@jit
def phase_taps(axis, phase):
    """Taps of a phase."""
    return (axis.kernel - phase + axis.stride - 1) // axis.stride


@jit
def phase_of_tile(axis, phase, tile, n):
    """Points of a phase along an axis, its first pixel in a tile, and low and high of its pixels in the image."""
    count = n if phase < axis.long else n - 1
    first = axis.stride * (n - TAPS + 1) * tile - axis.padding + phase
    low = max(0, -(first // axis.stride)) if first < 0 else 0
    high = (axis.size - first + axis.stride - 1) // axis.stride if axis.size > first else 0
    return count, first, min(low, count), min(high, count)


@jit
def points_along(axis, n):
    """Points of the products along an axis: all n, but without that at infinity where no phase has three taps."""
    return n if axis.long > 0 else n - 1


@jit
def images_to_points(start, stop, images, channels, width, rows, columns, values, offsets, points):
    """B^T d B of the tiles start <= t < stop, counted over images, rows and columns of tiles."""
    n, lane = len(points), LANE_BYTES // images.itemsize
    # a tile after the first of the two products, n x n vectors of channels
    square = np.empty(n * n * lane, images.dtype)
    for tile in range(start, stop):
        image, rest = divmod(tile, rows.tiles * columns.tiles)
        tile_row, tile_column = divmod(rest, columns.tiles)
        for f in range(rows.phases):
            # ny, nx < n where a phase has two taps: no point at infinity
            ny, row, low, high = phase_of_tile(rows, f, tile_row, n)
            for g in range(columns.phases):
                nx, column, left, right = phase_of_tile(columns, g, tile_column, n)
                corner = ((image * rows.size + row) * columns.size + column) * channels
                down, across = rows.stride * columns.size * channels, columns.stride * channels
                for c in range(0, width, lane):
                    # B^T d: columns of pixels; those beyond the image's left and right edges are 0
                    for j in range(nx):
                        bottom = high if left <= j < right else low
                        d = load_series(images, corner + j * across + c, down, low, bottom, points)
                        store_series(square, j * lane, n * lane, 0, ny, data_points(d, points))
                    # (B^T d) B: rows, to their places in the matrices of the points (i, 0), ..., (i, n - 1)
                    for i in range(ny):
                        d = load_series(square, i * n * lane, lane, 0, nx, points)
                        # a matrix at infinity has the long phases only, those of three taps
                        phases = rows.phases if i < n - 1 else rows.long
                        wide, narrow = phases * columns.phases * width, phases * columns.long * width
                        v = data_points(d, points)
                        place = offsets[i, 0] + tile * wide + (f * columns.phases + g) * width + c
                        store_series(values, place, offsets[i, 1] - offsets[i, 0], 0, n - 1, v)
                        if nx == n:  # the point at infinity of the columns
                            place = offsets[i, n - 1] + tile * narrow + (f * columns.long + g) * width + c
                            store_series(values, place - (n - 1), 1, n - 1, n, v)


@jit
def points_to_images(start, stop, images, channels, width, rows, columns, values, offsets, points):
    """Images start <= i < stop: the adjoint of :func:`images_to_points`; what no window reads becomes 0."""
    n, lane = len(points), LANE_BYTES // images.itemsize
    square = np.empty(n * n * lane, images.dtype)
    pixels = rows.size * columns.size
    for image in range(start, stop):
        for pixel in range(image * pixels, (image + 1) * pixels):
            images[pixel * channels : pixel * channels + width] = 0  # tiles overlap, so that each adds to what is there
        for tile_row in range(rows.tiles):
            for tile_column in range(columns.tiles):
                tile = (image * rows.tiles + tile_row) * columns.tiles + tile_column
                for f in range(rows.phases):
                    ny, row, low, high = phase_of_tile(rows, f, tile_row, n)
                    for g in range(columns.phases):
                        nx, column, left, right = phase_of_tile(columns, g, tile_column, n)
                        corner = ((image * rows.size + row) * columns.size + column) * channels
                        down, across = rows.stride * columns.size * channels, columns.stride * channels
                        for c in range(0, width, lane):
                            # v B^T: rows, gathered from the matrices of the points (i, 0), ..., (i, n - 1)
                            for i in range(ny):
                                phases = rows.phases if i < n - 1 else rows.long
                                wide, narrow = phases * columns.phases * width, phases * columns.long * width
                                place = offsets[i, 0] + tile * wide + (f * columns.phases + g) * width + c
                                v = load_series(values, place, offsets[i, 1] - offsets[i, 0], 0, n - 1, points)
                                store_series(square, i * n * lane, lane, 0, n - 1, v)
                                if nx == n:  # the point at infinity, whose matrix is narrower
                                    place = offsets[i, n - 1] + tile * narrow + (f * columns.long + g) * width + c
                                    last = load_series(values, place - (n - 1), 1, n - 1, n, points)
                                    store_series(square, i * n * lane, lane, n - 1, n, last)
                                v = load_series(square, i * n * lane, lane, 0, nx, points)
                                store_series(square, i * n * lane, lane, 0, n, data_points_adjoint(v, points))
                            # B (v B^T): columns, of which the padding's are nobody's
                            for j in range(left, right):
                                v = load_series(square, j * lane, n * lane, 0, ny, points)
                                d = data_points_adjoint(v, points)
                                add_series(images, corner + j * across + c, down, low, high, d)


@jit
def points_to_results(start, stop, outputs, channels, width, rows, columns, products, points):
    """A^T p A of the tiles start <= t < stop, for products (n, n, tiles, width), cut where the output ends."""
    n, lane = len(points), LANE_BYTES // outputs.itemsize
    m, ny, nx = n - TAPS + 1, points_along(rows, n), points_along(columns, n)
    matrix = products.size // (n * n)  # numbers of a point's matrix
    square = np.empty(n * n * lane, outputs.dtype)
    for tile in range(start, stop):
        image, rest = divmod(tile, rows.tiles * columns.tiles)
        tile_row, tile_column = divmod(rest, columns.tiles)
        height, breadth = min(m, rows.output - m * tile_row), min(m, columns.output - m * tile_column)
        corner = ((image * rows.output + m * tile_row) * columns.output + m * tile_column) * channels
        for c in range(0, width, lane):
            for i in range(ny):  # p A: rows of points
                p = load_series(products, i * n * matrix + tile * width + c, matrix, 0, nx, points)
                store_series(square, i * m * lane, lane, 0, m, results(p, points))
            for j in range(breadth):  # A^T (p A): columns
                p = load_series(square, j * lane, m * lane, 0, ny, points)
                down = columns.output * channels
                store_series(outputs, corner + j * channels + c, down, 0, height, results(p, points))


@jit
def results_to_points(start, stop, outputs, channels, width, rows, columns, products, points, sides):
    """Adjoint of :func:`points_to_results`: A y A^T of the tiles start <= t < stop, with 0 beyond the output."""
    n, lane = len(points), LANE_BYTES // outputs.itemsize
    m, ny, nx = n - TAPS + 1, points_along(rows, n), points_along(columns, n)
    matrix = products.size // (n * n)  # numbers of a point's matrix
    square = np.empty(n * n * lane, outputs.dtype)
    for tile in range(start, stop):
        image, rest = divmod(tile, rows.tiles * columns.tiles)
        tile_row, tile_column = divmod(rest, columns.tiles)
        height, breadth = min(m, rows.output - m * tile_row), min(m, columns.output - m * tile_column)
        corner = ((image * rows.output + m * tile_row) * columns.output + m * tile_column) * channels
        for c in range(0, width, lane):
            for j in range(m):  # A y: columns of results
                bottom = height if j < breadth else 0
                y = load_series(outputs, corner + j * channels + c, columns.output * channels, 0, bottom, sides)
                store_series(square, j * lane, m * lane, 0, ny, results_adjoint(y, points))
            for i in range(ny):  # (A y) A^T: rows
                y = load_series(square, i * m * lane, lane, 0, m, sides)
                p = results_adjoint(y, points)
                store_series(products, i * n * matrix + tile * width + c, matrix, 0, nx, p)


@jit
def weights_to_points(
    start, stop, weights, channels, filters, width, depth, rows, columns, values, offsets, points, taps
):
    """G g G^T of the channels start <= c < stop of ``weights`` (kernel, kernel, channels, filters)."""
    n, lane = len(points), LANE_BYTES // weights.itemsize
    square = np.empty(n * n * lane, weights.dtype)
    for c in range(start, stop):
        for f in range(rows.phases):
            ny, high = n if f < rows.long else n - 1, phase_taps(rows, f)  # points, and taps, of the phase along rows
            for g in range(columns.phases):
                nx, right = n if g < columns.long else n - 1, phase_taps(columns, g)
                # taps f, f + s, ... and g, g + s, ... are this phase's kernel
                corner = ((f * columns.kernel + g) * channels + c) * filters
                down = rows.stride * columns.kernel * channels * filters
                across = columns.stride * channels * filters
                for k in range(0, depth, lane):
                    for b in range(right):  # G g: columns of taps; a third tap that is not there is 0
                        w = load_series(weights, corner + b * across + k, down, 0, high, taps)
                        store_series(square, b * lane, n * lane, 0, ny, tap_points(w, points))
                    # (G g) G^T: rows, to the matrices of the points (i, 0), ..., (i, n - 1)
                    for i in range(ny):
                        w = load_series(square, i * n * lane, lane, 0, right, taps)
                        u = tap_points(w, points)
                        place = offsets[i, 0] + ((f * columns.phases + g) * width + c) * depth + k
                        store_series(values, place, offsets[i, 1] - offsets[i, 0], 0, n - 1, u)
                        if nx == n:  # the point at infinity, whose matrix is narrower
                            place = offsets[i, n - 1] + ((f * columns.long + g) * width + c) * depth + k
                            store_series(values, place - (n - 1), 1, n - 1, n, u)


@jit
def points_to_weights(start, stop, weights, channels, filters, width, depth, rows, columns, values, offsets, points):
    """Adjoint of :func:`weights_to_points`: G^T u G for the channels start <= c < stop."""
    n, lane = len(points), LANE_BYTES // weights.itemsize
    square = np.empty(n * n * lane, weights.dtype)
    for c in range(start, stop):
        for f in range(rows.phases):
            ny, high = n if f < rows.long else n - 1, phase_taps(rows, f)
            for g in range(columns.phases):
                nx, right = n if g < columns.long else n - 1, phase_taps(columns, g)
                corner = ((f * columns.kernel + g) * channels + c) * filters
                down = rows.stride * columns.kernel * channels * filters
                across = columns.stride * channels * filters
                for k in range(0, depth, lane):
                    # u G: rows, gathered from the matrices of the points (i, 0), ..., (i, n - 1)
                    for i in range(ny):
                        place = offsets[i, 0] + ((f * columns.phases + g) * width + c) * depth + k
                        u = load_series(values, place, offsets[i, 1] - offsets[i, 0], 0, n - 1, points)
                        store_series(square, i * n * lane, lane, 0, n - 1, u)
                        if nx == n:  # the point at infinity, whose matrix is narrower
                            place = offsets[i, n - 1] + ((f * columns.long + g) * width + c) * depth + k
                            last = load_series(values, place - (n - 1), 1, n - 1, n, points)
                            store_series(square, i * n * lane, lane, n - 1, n, last)
                        u = load_series(square, i * n * lane, lane, 0, nx, points)
                        store_series(square, i * n * lane, lane, 0, right, tap_points_adjoint(u, points))
                    for b in range(right):  # G^T (u G): columns
                        u = load_series(square, b * lane, n * lane, 0, ny, points)
                        store_series(weights, corner + b * across + k, down, 0, high, tap_points_adjoint(u, points))
