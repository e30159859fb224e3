r"""Exact nearest neighbours of some points among many in high dimension, which come in blocks, as from a disk.

A tile of squared distances :math:`\|a\|^2 + \|b\|^2 - 2\, a \cdot b` is one matrix product, whose sums are taken over
:data:`CHUNK` coordinates at a time in the points' own precision and added up in float64.

*8-bit pixels.* Less 128, their products are at most 2^14 in size, so that sums over 2^10 of them are whole numbers up
to 2^24, all of which float32 holds: every distance is exact, in whatever order BLAS adds.

*Floating point.* The product's error has a bound, :math:`2 (n + 4) u\, (\|a\|^2 + \|b\|^2)` over chunks of n (Higham
2002, ch. 3, by Cauchy-Schwarz). All neighbours that may be the nearest within it are computed once more from
differences in float64.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from coulombfield.threads import lone_products, share

CHUNK = 1024  # coordinates: see above
ROWS = 256  # points of a tile
COLUMNS = 512  # others of a tile
DIFFERENCES = 2**20  # numbers in an array of differences
CENTRE = 128  # of 8-bit pixels


class Neighbours(NamedTuple):
    """The nearest of each point."""

    indices: np.ndarray
    """Its number in the order of the blocks, the lowest of those that are equally near, shape (N,), int64."""
    squares: np.ndarray
    """Squared distance to it, shape (N,), float64."""


def nearest_neighbours(points: np.ndarray, blocks: Iterable[np.ndarray]) -> Neighbours:
    """The nearest neighbour of each point among those of all blocks.

    Parameters
    ----------
    points : array, shape (N, m)
        Of uint8 or floating point.
    blocks : iterable of array, shape (any, m)
        Of the same dtype, such as the images of a training set as they are read.

    Returns
    -------
    Neighbours
        As from ``np.square(a - b, dtype=float64).sum()`` of each pair: exact for uint8.

    Raises
    ------
    ValueError
        If there is nothing in the blocks, a shape or a dtype does not fit, or a number is not finite.

    Notes
    -----
    Beside points and a block, memory is that of 512 others in floating point, and for each thread that of 256 points
    and a tile of 256 × 512 numbers of float64. Time grows where very many neighbours are within rounding of the
    nearest, as where all are the same.
    """
    count, dimension = points.shape
    found = Neighbours(np.zeros(count, np.int64), np.full(count, np.inf))
    start = 0
    with lone_products():
        for block in blocks:
            if block.ndim != 2 or block.shape[1] != dimension or block.dtype != points.dtype:
                raise ValueError(
                    f"blocks: expected {points.dtype} of shape (N, {dimension}), got {block.dtype} of {block.shape}"
                )
            for j in range(0, len(block), COLUMNS):
                _search(points, block[j : j + COLUMNS], found, start + j)
            start += len(block)
    if not start:
        raise ValueError("blocks: expected at least one point, got none")
    return found


def _search(points: np.ndarray, others: np.ndarray, found: Neighbours, start: int) -> None:
    """Take over what is nearer to any point among others whose first has the number ``start``, tiles side by side."""
    work, tile = _floats(others), _whole_numbers if points.dtype == np.uint8 else _floating_point

    def tiles(first: int, stop: int) -> None:
        for i in range(first * ROWS, stop * ROWS, ROWS):
            rows = slice(i, i + ROWS)
            tile(points[rows], others, work, found.indices[rows], found.squares[rows], start)

    share(tiles, -(-len(points) // ROWS))


def square_distances(points: np.ndarray) -> np.ndarray:
    """Squared distances of all pairs of points of uint8, shape (N, m): exact, shape (N, N), float64."""
    work = _floats(points)
    norms = _norms(work)
    squares = -2 * _products(work, work)
    squares += norms[:, np.newaxis]
    squares += norms
    return squares


def _whole_numbers(
    points: np.ndarray, _others: np.ndarray, work: np.ndarray, index: np.ndarray, squares: np.ndarray, start: int
) -> None:
    """Take over what is nearer among others of uint8, whose first has the number ``start``."""
    rows = _floats(points)
    tile = _products(rows, work)
    tile *= -2
    tile += _norms(work)
    nearest = tile.argmin(axis=1)
    least = tile[np.arange(len(tile)), nearest] + _norms(rows)
    nearer = least < squares
    squares[nearer], index[nearer] = least[nearer], start + nearest[nearer]


def _floating_point(
    points: np.ndarray, others: np.ndarray, work: np.ndarray, index: np.ndarray, squares: np.ndarray, start: int
) -> None:
    """The same by candidates, and the differences of these."""
    limits, dimension = np.finfo(work.dtype), points.shape[1]
    rows = _floats(points)
    with np.errstate(over="ignore", invalid="ignore"):
        of_rows, of_others = _norms(rows)[:, np.newaxis], _norms(work)
        relative = 1.01 * (min(CHUNK, dimension) + 4) * float(limits.eps)  # eps is 2 u; norms have errors as well
        vanished = 4 * dimension * float(limits.smallest_normal)  # products that are too small for the dtype
        lowest = _products(rows, work)
        lowest *= -2
        lowest += (1 - relative) * of_others - vanished
        lowest += (1 - relative) * of_rows
        highest = (lowest + 2 * relative * of_others).min(axis=1) + 2 * relative * of_rows[:, 0] + 2 * vanished
    beyond = ~np.isfinite(highest) | ~np.isfinite(lowest).all(axis=1)  # of the dtype: all of them are candidates
    lowest[beyond], highest[beyond] = -np.inf, np.inf
    limit = np.minimum(highest, squares)
    limit[squares == 0] = -np.inf  # nothing is nearer, and what is as near comes later
    which, columns = np.nonzero(lowest <= limit[:, np.newaxis])
    step = max(1, DIFFERENCES // max(1, dimension))
    for i in range(0, len(which), step):
        row, column = which[i : i + step], columns[i : i + step]
        exact = np.square(points[row].astype(np.float64) - others[column]).sum(axis=1)
        if np.isnan(exact).any():
            raise ValueError("points, blocks: expected finite numbers, got some that are NaN or infinite")
        order = np.lexsort((column, exact, row))
        row, column, exact = row[order], column[order], exact[order]
        first = np.flatnonzero(np.diff(row, prepend=-1))
        nearer = first[exact[first] < squares[row[first]]]
        squares[row[nearer]], index[row[nearer]] = exact[nearer], start + column[nearer]


def _floats(points: np.ndarray) -> np.ndarray:
    """Points as BLAS takes them."""
    if points.dtype == np.uint8:
        work = points.astype(np.float32)
        work -= CENTRE
        return work
    return points.astype(np.result_type(points, np.float32), copy=False)


def _products(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Inner products of all pairs, shape (N, M), float64."""
    total = np.zeros((len(rows), len(columns)))
    part = np.empty_like(total, rows.dtype)
    for k in range(0, rows.shape[1], CHUNK):
        total += np.matmul(rows[:, k : k + CHUNK], columns[:, k : k + CHUNK].T, out=part)
    return total


def _norms(points: np.ndarray) -> np.ndarray:
    """Squares of lengths, shape (N,), float64."""
    total = np.zeros(len(points))
    for k in range(0, points.shape[1], CHUNK):
        part = points[:, k : k + CHUNK]
        total += np.einsum("ij,ij->i", part, part)
    return total
