"""Products of matrices that are too small for a library.

OpenBLAS wakes its threads for a product of 64 x 64 matrices. Beside another busy process they then wait for each other,
and a network's update takes tens of milliseconds for one. Here a product has one thread, whoever calls it; of up to
LARGEST multiplications, beyond which a library's threads pay.

On a GPU, a product of up to LARGEST_ON_GPU multiplications takes less time than its launch, and CuPy 14 refuses to
record one by cuBLAS in a CUDA graph (:mod:`coulombfield.graphs`). ``products.cu`` can be recorded. It is exact in the
arrays' dtype, with TF32 too. For 256 x 128 times 128 x 128 it has 32 blocks of 256 threads, each of which reads two
chunks of 64 terms and then does 32 rounds of 16 multiplications by 8 numbers of shared memory: some 2 µs, by arithmetic
and not by measurement. A thread has 89 to 126 registers in float32 and up to 158 in float64, and spills none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, library, module_of
from coulombfield.lanes import (
    ONE,
    TILE_ROWS,
    add_outer,
    compiled_once,
    copy_lanes,
    lanes_of,
    static_size,
    store_tile,
    zero_tile,
)
from nets.primitives.cuda import launch

LARGEST = 2**25
"""Multiplications of a product [1]: a millisecond or less."""
LARGEST_ON_GPU = 2**24
"""The same on a GPU: a few microseconds of a small one."""

SPAN = 1024
"""Terms of a sum that one block adds up on a GPU."""
TILE = 32
"""Rows and columns of the product that a block of threads makes on a GPU, as in ``products.cu``."""

_ROWS = static_size(TILE_ROWS)


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
    # What doesn't fit together is for NumPy to refuse: compiled loops would read beyond the arrays.
    fit = b.shape[0] == k and out.shape == (m, n) and a.dtype == b.dtype == out.dtype and a.dtype.isnative
    if fit and 0 < m * k * n <= LARGEST and out.flags.c_contiguous:
        first, second = _flat(a), _flat(b)
        if first is not None and second is not None:
            multiply(*first, *second, out.reshape(-1), m, n, k)
            return out
    return np.matmul(a, b, out=out)


@product.version("cupy")
def _product_on_gpu(a: Array, b: Array, out: Array) -> Array:
    (m, k), n = a.shape, b.shape[1]
    fit = b.shape[0] == k and out.shape == (m, n) and a.dtype == b.dtype == out.dtype and a.dtype.kind == "f"
    whole = not any(step % a.itemsize for step in (*a.strides, *b.strides))
    if fit and whole and 0 < m * k * n <= LARGEST_ON_GPU and a.itemsize > 2 and out.flags.c_contiguous:
        parts = -(-k // SPAN)
        made = out if parts == 1 else module_of(a).empty((parts, m, n), a.dtype)
        blocks = parts * -(-m // TILE) * -(-n // TILE)
        launch(a, "products.cu", "product", blocks, (a, *_steps(a), b, *_steps(b), made, m, n, k, SPAN))
        return out if parts == 1 else made.sum(axis=0, out=out)
    return module_of(a).matmul(a, b, out=out)


def new_product(a: Array, b: Array) -> Array:
    """Matrix product a b, of one dtype, as a new array: the library's, but on a GPU that of :func:`product`."""
    if library(type(a)) != "cupy":
        return a @ b
    return product(a, b, module_of(a).empty((a.shape[0], b.shape[1]), a.dtype))


def _steps(matrix: Array) -> Iterator[int]:
    """From a row to the next one, and from a column."""
    return (step // matrix.itemsize for step in matrix.strides)


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
    zero = np.int64(0)
    multiply_part(a, zero, a_row, a_column, b, zero, b_row, b_column, a[:0], out, zero, n, m, n, k)


@jit(no_cpython_wrapper=True)
def multiply_part(a, a_start, a_row, a_column, b, b_start, b_row, b_column, factors, out, place, step, m, n, k):
    """The same for matrices that begin at some elements of the arrays, with the rows of ``out`` a step apart.

    Row i of b is multiplied by ``factors[i]`` first, if there are any. A panel is as many columns of b as a vector has
    numbers, one row after the other and filled up with 0. All in one function: what a function calls is compiled anew
    with it.
    """
    compiled_once()
    width, rows = lanes_of(a), len(_ROWS)
    panel, tile = np.empty(k * width, a.dtype), np.empty(rows * width, a.dtype)
    for first in range(0, n, width):
        columns = min(width, n - first)
        for i in range(k):
            here = b_start + i * b_row + first * b_column
            if b_column == 1 and columns == width:
                copy_lanes(panel, i * width, b, here)
            else:
                for j in range(width):
                    panel[i * width + j] = b[here + j * b_column] if j < columns else 0
            if factors.size > 0:
                for j in range(width):
                    panel[i * width + j] *= factors[i]
        if m < rows:
            for i in range(m):
                sums = zero_tile(a, ONE)
                for p in range(k):
                    sums = add_outer(sums, a, a_start + i * a_row + p * a_column, a_row, panel, p * width)
                store_tile(tile, 0, width, sums)
                for j in range(columns):
                    out[place + i * step + first + j] = tile[j]
            continue
        for above in range(0, m, rows):
            i = min(above, m - rows)  # the last tile may overlap the one before
            many = zero_tile(a, _ROWS)
            for p in range(k):
                many = add_outer(many, a, a_start + i * a_row + p * a_column, a_row, panel, p * width)
            if columns == width:
                store_tile(out, place + i * step + first, step, many)
            else:
                store_tile(tile, 0, width, many)
                for r in range(rows):
                    for j in range(columns):
                        out[place + (i + r) * step + first + j] = tile[r * width + j]
