"""Products of matrices that are too small for a library's threads to be worth waking.

OpenBLAS wakes its threads for a product of 64 x 64 matrices. Beside another busy process they then wait for each other,
and a network's update takes tens of milliseconds for one. Here a product has one thread, whoever calls it; of up to
LARGEST multiplications, beyond which a library's threads pay.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit
from coulombfield.lanes import LANE_BYTES, TILE_ROWS, add_outer, add_products, copy_lanes, store_tile, zero_tile
from nets.primitives.inplace import module_of

LARGEST = 2**25
"""Multiplications of a product [1]: a millisecond or less."""

_ROWS = (0,) * TILE_ROWS
_THIN = (0,) * 4


@Primitive
def product(a: Array, b: Array, out: Array) -> Array:
    """Matrix product a b, written to ``out``.

    Parameters
    ----------
    a : array, shape (M, K)
        A matrix, or the transpose of one.
    b : array, shape (K, N)
        Likewise, of the same dtype.
    out : array, shape (M, N)
        Written; in memory of its own.

    Returns
    -------
    array
        ``out``.
    """
    return module_of(a).matmul(a, b, out=out)


@product.version("numpy")
def _product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    (m, k), n = a.shape, b.shape[1]
    if 0 < m * k * n <= LARGEST and out.flags.c_contiguous:
        first, second = _flat(a), _flat(b)
        if first is not None and second is not None:
            multiply(*first, *second, out.reshape(-1), m, n, k)
            return out
    return np.matmul(a, b, out=out)


def _flat(matrix: np.ndarray) -> tuple[np.ndarray, int, int] | None:
    """The numbers of a matrix in a row and its steps between rows and columns; None if it has gaps or is read-only."""
    flags = matrix.flags
    if not flags.writeable:
        return None
    if flags.c_contiguous:
        return matrix.reshape(-1), matrix.shape[1], 1
    if flags.f_contiguous:
        return matrix.T.reshape(-1), 1, matrix.shape[0]
    return None


@jit
def multiply(a, a_row, a_column, b, b_row, b_column, out, m, n, k):
    """``out`` = a b for a of shape (m, k) and b (k, n), whose elements lie these steps apart in flat arrays."""
    width = LANE_BYTES // a.itemsize
    panel = np.empty(k * width, a.dtype)
    none = panel[:0]
    for column in range(0, n, width):
        columns = min(width, n - column)
        fill_panel(panel, b, column * b_column, b_row, b_column, k, columns, none)
        multiply_panel(a, 0, a_row, a_column, panel, k, out, column, n, m, columns)


@jit
def fill_panel(panel, b, start, row, column, k, columns, factors):
    """Put k rows of some columns of a matrix, one after the other and filled up to a vector's length with 0.

    Row i is multiplied by ``factors[i]`` if there are any.
    """
    width = LANE_BYTES // b.itemsize
    if column == 1 and columns == width:
        for i in range(k):
            copy_lanes(panel, i * width, b, start + i * row)
    else:
        for j in range(width):
            for i in range(k):
                panel[i * width + j] = b[start + i * row + j * column] if j < columns else 0
    if factors.size > 0:
        for i in range(k):
            for j in range(width):
                panel[i * width + j] *= factors[i]


@jit
def multiply_panel(a, start, row, column, panel, k, out, place, step, m, columns):
    """Rows of ``out``, ``step`` apart from ``place`` on: ``columns`` numbers each of a times the panel."""
    width, rows = LANE_BYTES // a.itemsize, len(_ROWS)
    tile = np.empty(rows * width, a.dtype)
    if columns <= len(_THIN) and column == 1:
        return _rows_by_columns(a, start, row, panel, k, out, place, step, m, columns, tile)
    if columns <= len(_THIN) and row == 1 and m >= width:
        return _columns_by_columns(a, start, column, panel, k, out, place, step, m, columns, tile)
    if m < rows:
        for i in range(m):
            sums = zero_tile(a, (0,))
            for p in range(k):
                sums = add_outer(sums, a, start + i * row + p * column, row, panel, p * width)
            store_tile(tile, 0, width, sums)
            for j in range(columns):
                out[place + i * step + j] = tile[j]
        return None
    for first in range(0, m, rows):
        i = min(first, m - rows)  # the last tile may overlap the one before
        sums = zero_tile(a, _ROWS)
        for p in range(k):
            sums = add_outer(sums, a, start + i * row + p * column, row, panel, p * width)
        if columns == width:
            store_tile(out, place + i * step, step, sums)
        else:
            store_tile(tile, 0, width, sums)
            for r in range(rows):
                for j in range(columns):
                    out[place + (i + r) * step + j] = tile[r * width + j]
    return None


@jit
def _rows_by_columns(a, start, row, panel, k, out, place, step, m, columns, tile):
    """As :func:`multiply_panel` for few columns and rows of ``a`` in a row: a vector is a part of a sum over k."""
    width, rows = LANE_BYTES // a.itemsize, len(_ROWS)
    whole = k - k % width
    line = np.empty(k, a.dtype)
    for j in range(columns):
        for p in range(k):
            line[p] = panel[p * width + j]
        if m < rows:
            for i in range(m):
                sums = zero_tile(a, (0,))
                for p in range(0, whole, width):
                    sums = add_products(sums, a, start + i * row + p, row, line, p)
                store_tile(tile, 0, width, sums)
                out[place + i * step + j] = _sum(tile, 0, a, start + i * row, line, whole)
        else:
            for first in range(0, m, rows):
                i = min(first, m - rows)
                sums = zero_tile(a, _ROWS)
                for p in range(0, whole, width):
                    sums = add_products(sums, a, start + i * row + p, row, line, p)
                store_tile(tile, 0, width, sums)
                for r in range(rows):
                    total = _sum(tile, r * width, a, start + (i + r) * row, line, whole)
                    out[place + (i + r) * step + j] = total


@jit
def _sum(tile, at, a, start, line, whole):
    """Sum of a row of a tile, and of the products of a row and a line from the element ``whole`` on."""
    total = tile[at]
    for c in range(1, LANE_BYTES // a.itemsize):
        total += tile[at + c]
    for p in range(whole, line.size):
        total += a[start + p] * line[p]
    return total


@jit
def _columns_by_columns(a, start, column, panel, k, out, place, step, m, columns, tile):
    """As :func:`multiply_panel` for few columns and columns of ``a`` in a row: a vector is a part of these."""
    width = LANE_BYTES // a.itemsize
    for first in range(0, m, width):
        i = min(first, m - width)
        sums = zero_tile(a, _THIN)
        for p in range(k):
            sums = add_outer(sums, panel, p * width, 1, a, start + i + p * column)
        store_tile(tile, 0, width, sums)
        for j in range(columns):
            for c in range(width):
                out[place + (i + c) * step + j] = tile[j * width + c]
