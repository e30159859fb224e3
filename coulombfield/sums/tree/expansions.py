r"""Moving sums between charges, cells' proxies and targets: the linear steps of a tree code.

With the Lagrange polynomials :math:`\ell_a` of :mod:`.tree.chebyshev`, the charges :math:`q_j` at
:math:`y_j` are replaced by proxy charges :math:`\sum_j q_j\,\ell_b(y_j)`, and a potential known at the proxies is
:math:`\sum_a \Phi_a\,\ell_a(x)`, with the field as its derivative. Between proxies every step is a matrix, the same for
all pairs of cells of a level with the same offset.

Source: W. Fong, E. Darve, J. Comput. Phys. 228 (2009) 8712, Eqs 11-13.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import jit
from ...profiles import value_at
from ...threads import share
from .chebyshev import basis, points

LANES = 32  # points that are expanded side by side
WIDTH = 8  # a cell's proxies fill a multiple of this many numbers, with zeros
SERIAL = 2**17  # products below which waking the threads takes longer

# Additions may be reordered, which is what lets a dot product fill the vector registers, and products fused with them.
# NaN and inf keep their meaning.
SUMS = {"reassoc", "contract"}


def padded(order: int, dimension: int) -> int:
    """Numbers that a cell's proxies take."""
    return -(-(order**dimension) // WIDTH) * WIDTH


def shifts(order: int, dimension: int, dtype: np.dtype) -> np.ndarray:
    """Values of a cell's polynomials at the proxies of each of its children, shape (2^m, padded, padded)."""
    half = [basis(order, 0.5 * points(order).places + side).values for side in (-0.5, 0.5)]
    size = padded(order, dimension)
    matrices = np.zeros((2**dimension, size, size), dtype)
    for child, matrix in enumerate(matrices):
        product = np.ones((1, 1))
        for axis in range(dimension):
            product = np.kron(product, half[(child >> axis) & 1])
        matrix[: order**dimension, : order**dimension] = product
    return matrices


class Proxies(NamedTuple):
    """Proxies of all cells, and what is known at them; one row a cell, filled up with zeros."""

    nodes: np.ndarray
    """Coordinates of the proxies along an axis, in half-widths."""
    factors: np.ndarray
    """Factors of the Lagrange polynomials."""
    scaled: np.ndarray
    """Shape (m, p^m): coordinates in half-widths."""
    charges: np.ndarray
    """Proxy charges."""
    potential: np.ndarray
    """Potential of charges that are not near."""
    known: np.ndarray
    """Whether a cell has such a potential."""


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _translate_four(matrix, sources, source_rows, out, out_rows, first):
    s0, s1 = sources[source_rows[first]], sources[source_rows[first + 1]]
    s2, s3 = sources[source_rows[first + 2]], sources[source_rows[first + 3]]
    t0, t1 = out[out_rows[first]], out[out_rows[first + 1]]
    t2, t3 = out[out_rows[first + 2]], out[out_rows[first + 3]]
    zero = matrix.dtype.type(0)
    # two rows by four cells: each number that is loaded serves two or four products
    for a in range(0, matrix.shape[0], 2):
        m, n = matrix[a], matrix[a + 1]
        m0 = m1 = m2 = m3 = n0 = n1 = n2 = n3 = zero
        for b in range(matrix.shape[1]):
            m0 += m[b] * s0[b]
            m1 += m[b] * s1[b]
            m2 += m[b] * s2[b]
            m3 += m[b] * s3[b]
            n0 += n[b] * s0[b]
            n1 += n[b] * s1[b]
            n2 += n[b] * s2[b]
            n3 += n[b] * s3[b]
        t0[a] += m0
        t1[a] += m1
        t2[a] += m2
        t3[a] += m3
        t0[a + 1] += n0
        t1[a + 1] += n1
        t2[a + 1] += n2
        t3[a + 1] += n3


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _translate_one(matrix, source, out):
    for a in range(matrix.shape[0]):
        m = matrix[a]
        total = matrix.dtype.type(0)
        for b in range(matrix.shape[1]):
            total += m[b] * source[b]
        out[a] += total


@jit
def _translate(begin, end, matrix, sources, source_rows, out, out_rows):
    """The groups of four rows from ``begin`` to ``end``; the last of all may have fewer."""
    for first in range(4 * begin, min(4 * end, source_rows.shape[0]), 4):
        if first + 4 <= source_rows.shape[0]:
            _translate_four(matrix, sources, source_rows, out, out_rows, first)
        else:
            for i in range(first, source_rows.shape[0]):
                _translate_one(matrix, sources[source_rows[i]], out[out_rows[i]])


def translate(matrix, sources, source_rows, out, out_rows):
    """Add the matrix times rows of ``sources`` to rows of ``out``, no row of which may occur twice."""
    groups = -(-source_rows.shape[0] // 4)
    if source_rows.shape[0] * matrix.size < SERIAL:
        _translate(0, groups, matrix, sources, source_rows, out, out_rows)
    else:
        share(lambda begin, end: _translate(begin, end, matrix, sources, source_rows, out, out_rows), groups)


@jit
def kernel_matrix(profile, proxies, offset, half_width, matrix):
    """Fill a matrix with the kernel between the proxies of two cells, the charges' at an offset in cells."""
    dimension, count = proxies.shape
    squares = np.empty(count)
    for a in range(count):
        for b in range(count):
            squares[b] = 0
        for axis in range(dimension):
            place = proxies[axis, a] - 2 * offset[axis]
            for b in range(count):
                difference = half_width * (place - proxies[axis, b])
                squares[b] += difference * difference
        for b in range(count):
            matrix[a, b] = value_at(profile, np, squares[b])


@jit(no_cpython_wrapper=True)
def _expand(coordinates, nodes, factors, values):
    """Lagrange polynomials at a lane of coordinates; ``values`` has shape (p, lanes)."""
    order = nodes.shape[0]
    lanes = coordinates.shape[0]
    after = np.empty(lanes, values.dtype)
    for lane in range(lanes):
        values[0, lane] = factors[0]
        after[lane] = 1
    # products of (x - x_j) over j < k, then over j > k from the other end: no division by a small x - x_k
    for k in range(1, order):
        ratio = factors[k] / factors[k - 1]
        for lane in range(lanes):
            values[k, lane] = values[k - 1, lane] * (coordinates[lane] - nodes[k - 1]) * ratio
    for k in range(order - 2, -1, -1):
        for lane in range(lanes):
            after[lane] *= coordinates[lane] - nodes[k + 1]
            values[k, lane] *= after[lane]


@jit(no_cpython_wrapper=True)
def _expand_with_slopes(coordinates, nodes, factors, values, slopes):
    """Lagrange polynomials and their derivatives at a lane of coordinates."""
    order = nodes.shape[0]
    lanes = coordinates.shape[0]
    after, after_slope = np.empty(lanes, values.dtype), np.empty(lanes, values.dtype)
    for lane in range(lanes):
        values[0, lane] = factors[0]
        slopes[0, lane] = 0
        after[lane] = 1
        after_slope[lane] = 0
    # as above, and by the product rule the derivatives of either product
    for k in range(1, order):
        ratio = factors[k] / factors[k - 1]
        for lane in range(lanes):
            difference = coordinates[lane] - nodes[k - 1]
            slopes[k, lane] = (slopes[k - 1, lane] * difference + values[k - 1, lane]) * ratio
            values[k, lane] = values[k - 1, lane] * difference * ratio
    for k in range(order - 2, -1, -1):
        for lane in range(lanes):
            difference = coordinates[lane] - nodes[k + 1]
            after_slope[lane] = after_slope[lane] * difference + after[lane]
            after[lane] *= difference
            slopes[k, lane] = slopes[k, lane] * after[lane] + values[k, lane] * after_slope[lane]
            values[k, lane] *= after[lane]


@jit(no_cpython_wrapper=True)
def _load(points, axis, first, count, center, half_width, lanes):
    """Coordinates, in a cell's half-widths, of up to ``LANES`` points; lanes without a point lie in its centre."""
    scale = 1 / half_width
    for lane in range(LANES):
        lanes[lane] = (points[axis, first + lane] - center) * scale if lane < count else 0.0


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _add_products(rows, used, columns, out, cell):
    """Add Σ over lanes of rows times columns to a row of ``out``, the columns' index running fastest."""
    order = columns.shape[0]
    for r in range(used):
        for j in range(order):
            total = out.dtype.type(0)
            for lane in range(LANES):
                total += rows[r, lane] * columns[j, lane]
            out[cell, r * order + j] += total


# Arrays go into these loops one by one: a named tuple of them takes Numba many times as long. A literal integer would
# be a type of its own, for which what is called were compiled once more.


@jit
def gather(
    begin_cell, end_cell, cells, points, weights, ranges, centers, half_widths, nodes, factors, proxy_charges
):  # fmt: skip
    """Proxy charges of some of the listed cells, whose charges are given by ranges."""
    dimension, order = points.shape[0], nodes.shape[0]
    dtype = proxy_charges.dtype
    lanes = np.empty(LANES, dtype)
    values = np.empty((order, LANES), dtype)
    # Weights times the polynomials of the axes so far, which are at most one less than all of them.
    rows = np.empty((dimension, order ** (dimension - 1), LANES), dtype)
    for number in range(begin_cell, end_cell):
        cell = cells[number]
        for first in range(ranges[cell, 0], ranges[cell, 1], LANES):
            count = min(LANES, ranges[cell, 1] - first)
            for lane in range(LANES):
                rows[0, 0, lane] = weights[first + lane] if lane < count else 0
            used = np.int64(1)  # products over the axes so far: p^axis of them
            for axis in range(dimension):
                _load(points, axis, first, count, centers[cell, axis], half_widths[cell], lanes)
                _expand(lanes, nodes, factors, values)
                if axis == dimension - 1:
                    _add_products(rows[axis], used, values, proxy_charges, cell)
                else:
                    for r in range(used):
                        for k in range(order):
                            for lane in range(LANES):
                                rows[axis + 1, r * order + k, lane] = rows[axis, r, lane] * values[k, lane]
                    used *= order


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _contract(rows, used, factors, out):
    """Sum over the fastest index of rows times factors, for each lane."""
    order = factors.shape[0]
    for r in range(used // order):
        for lane in range(LANES):
            out[r, lane] = rows[r * order, lane] * factors[0, lane]
        for k in range(1, order):
            for lane in range(LANES):
                out[r, lane] += rows[r * order + k, lane] * factors[k, lane]


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _contract_proxies(proxies, cell, factors, used, out):
    order = factors.shape[0]
    for r in range(used // order):
        for lane in range(LANES):
            out[r, lane] = proxies[cell, r * order] * factors[0, lane]
        for k in range(1, order):
            weight = proxies[cell, r * order + k]
            for lane in range(LANES):
                out[r, lane] += weight * factors[k, lane]


@jit
def scatter_potential(
    begin_leaf, end_leaf, leaves, points, ranges, centers, half_widths, nodes, factors, known, potential
):  # fmt: skip
    """Add the potential that is known at the proxies of some of the listed leaves to that of their targets."""
    dimension, order = points.shape[0], nodes.shape[0]
    dtype = known.dtype
    lanes = np.empty(LANES, dtype)
    values = np.empty((order, LANES), dtype)
    # Sums over the polynomials of the axes from here on.
    rows = np.empty((dimension, order ** (dimension - 1), LANES), dtype)
    for number in range(begin_leaf, end_leaf):
        leaf = leaves[number]
        for first in range(ranges[leaf, 0], ranges[leaf, 1], LANES):
            count = min(LANES, ranges[leaf, 1] - first)
            used = order**dimension
            # from the fastest index on, each sum leaves a factor p fewer numbers
            for axis in range(dimension - 1, -1, -1):
                _load(points, axis, first, count, centers[leaf, axis], half_widths[leaf], lanes)
                _expand(lanes, nodes, factors, values)
                if axis == dimension - 1:
                    _contract_proxies(known, leaf, values, used, rows[axis])
                else:
                    _contract(rows[axis + 1], used, values, rows[axis])
                used //= order
            for lane in range(count):
                potential[first + lane] += rows[0, 0, lane]


@jit
def scatter_both(
    begin_leaf, end_leaf, leaves, points, ranges, centers, half_widths, nodes, factors, known, potential, field
):  # fmt: skip
    """Add the potential that is known at the proxies, and minus its gradient, to those of the leaves' targets."""
    dimension, order = points.shape[0], nodes.shape[0]
    dtype = known.dtype
    lanes = np.empty(LANES, dtype)
    values = np.empty((order, LANES), dtype)
    slopes = np.empty((order, LANES), dtype)
    # By axis as above; the potential first, then its derivative along each axis.
    rows = np.empty((dimension, 1 + dimension, order ** (dimension - 1), LANES), dtype)
    for number in range(begin_leaf, end_leaf):
        leaf = leaves[number]
        scale = dtype.type(1 / half_widths[leaf])
        for first in range(ranges[leaf, 0], ranges[leaf, 1], LANES):
            count = min(LANES, ranges[leaf, 1] - first)
            used = order**dimension
            # the derivative along an axis has slopes there and values along the others
            for axis in range(dimension - 1, -1, -1):
                _load(points, axis, first, count, centers[leaf, axis], half_widths[leaf], lanes)
                _expand_with_slopes(lanes, nodes, factors, values, slopes)
                if axis == dimension - 1:
                    _contract_proxies(known, leaf, values, used, rows[axis, 0])
                    _contract_proxies(known, leaf, slopes, used, rows[axis, 1 + axis])
                else:
                    _contract(rows[axis + 1, 0], used, values, rows[axis, 0])
                    _contract(rows[axis + 1, 0], used, slopes, rows[axis, 1 + axis])
                    for done in range(axis + 1, dimension):
                        _contract(rows[axis + 1, 1 + done], used, values, rows[axis, 1 + done])
                used //= order
            for lane in range(count):
                potential[first + lane] += rows[0, 0, 0, lane]
                for axis in range(dimension):
                    field[axis, first + lane] -= rows[0, 1 + axis, 0, lane] * scale  # coordinates were in half-widths
