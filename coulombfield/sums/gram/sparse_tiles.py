r"""Gram tiles on NumPy of points that are mostly zeros, such as one-hot lines of text: gathers instead of products.

With the nonzero coordinates N_b of a point b, and for a point a of any kind,

.. math:: s = \|a\|^2 + \|b\|^2 - 2 \sum_{k \in N_b} a_k b_k, \qquad
    \sum_j W_{ij} (a_i - b_j) = \Bigl(\sum_j W_{ij}\Bigr) a_i - \sum_j \sum_{k \in N_{b_j}} W_{ij} b_{jk} e_k.

A pair takes as many multiplications as b has nonzeros, and a target as many additions to its field; only pairs of two
dense points go through :mod:`.compiled_tiles`, as if there were no others.

It is the same formula without terms that are exactly zero, so that what is said there of accuracy holds. Only the
centre differs: it is the origin for pairs with a sparse point. That costs no digits, since pairs whose s is small for
the squares of their lengths are near (:mod:`.near_pairs`), and computed from differences. Pairs of two sparse points
are near whenever P s < ‖a‖² + ‖b‖²: their differences, of the merged nonzeros, cost little. A coincident pair is exact
to the last bit, as there.

A point is sparse if its coordinates are finite and few of them, up to 1 in :data:`AXES_A_NONZERO`, are other than 0.
Whether gathers are worth while is estimated from :data:`SAMPLE` points and :mod:`..costs`. Where they aren't, as in
data without sparse points, nothing else is looked at, and results have the bits of :mod:`.compiled_tiles`.

Memory: instead of a centred copy of all points one of the dense ones, and the sparse ones' nonzeros with their places.
Where dense and sparse points don't lie apart in the arrays, but one between the other, all points once more, and their
field.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from ...profiles import cast
from ..costs import table
from ..pairs.tiles import plain
from ..request import Request, Result
from . import compiled_tiles
from .compiled_tiles import PRODUCT_ROWS, SHARED_PAIRS, add_products, add_rows, shared, tile_shape
from .gathers import add_sparse_rows, find_nonzeros, gather_rows, scatter_rows, square_lengths
from .near_pairs import nearness

AXES_A_NONZERO = 128  # coordinates of a point for each nonzero that a sparse one may have: more never paid
SAMPLE = 32  # points by which it is decided whether gathers are faster
SHARED_GATHERS = 2**13  # pairs below which waking the threads takes longer than it saves


class Nonzeros(NamedTuple):
    """Nonzero coordinates of each point; of a dense one there are only some."""

    counts: np.ndarray
    """Their numbers, shape (N,), more than there is room for where a point is dense."""
    places: np.ndarray
    """Their axes in ascending order, shape (N, most), uint32: compiled loops take negative ones from the end."""
    values: np.ndarray
    """The coordinates, shape (N, most)."""
    norms: np.ndarray
    """Squares of the lengths of sparse points, shape (N,)."""

    @property
    def sparse(self) -> np.ndarray:
        """Which points are sparse, shape (N,)."""
        return self.counts <= self.places.shape[1]

    def at(self, rows: np.ndarray) -> Nonzeros:
        """The same of some points."""
        return Nonzeros(*(array[rows] for array in self))


class Part(NamedTuple):
    """Points of one kind, dense or sparse."""

    rows: np.ndarray
    """Their numbers, shape (n,)."""
    points: np.ndarray
    """Shape (n, m)."""
    nonzeros: Nonzeros | None
    """None for dense ones."""
    norms: np.ndarray
    """Squares of their lengths, shape (n,)."""


def sums(request: Request) -> Result:
    """The sums, for at least one charge and one target."""
    most = request.positions.shape[1] // AXES_A_NONZERO
    if not most:
        return compiled_tiles.sums(request)
    positions = plain(request.positions)
    targets = positions if request.targets is request.positions else plain(request.targets)
    request = request._replace(targets=targets, positions=positions, weights=plain(request.weights))
    if not _worthwhile(targets, positions, most):
        return compiled_tiles.sums(request)
    of_charges = nonzeros(positions, most)
    of_targets = of_charges if targets is positions else nonzeros(targets, most)
    charges = _parts(positions, of_charges)
    parts = charges if targets is positions else _parts(targets, of_targets)
    potential = np.zeros(targets.shape[0])
    field = np.zeros_like(targets) if request.field else None
    for part in parts:
        added, pulled = _some(potential, part.rows), None if field is None else _some(field, part.rows)
        for others in charges:
            if len(part.rows) and len(others.rows):
                _add(request, part, others, added, pulled)
        potential[part.rows] = added
        if field is not None and not np.shares_memory(field, pulled):
            field[part.rows] = pulled
    return Result(potential.astype(targets.dtype) if request.potential else None, field)


def _worthwhile(targets: np.ndarray, positions: np.ndarray, most: int) -> bool:
    """Whether gathers, and copies of points that don't lie together, take less time than the products that they save.

    It is estimated from some of the points, without a look at all. A field doubles both.
    """
    (T, m), S, same = targets.shape, positions.shape[0], targets is positions
    costs = table()
    product = m * costs.sparse_axis * positions.itemsize / 4  # products of float64 take twice as long
    if T * S * product <= costs.sparse_call:
        return False
    charges = _sampled(positions, most)
    of_targets = charges if same else _sampled(targets, most)
    dense = T * of_targets.dense * S * charges.dense
    pairs = T * S - dense
    kinds = [(charges, S)] if same else [(charges, S), (of_targets, T)]
    takes = (
        costs.sparse_call
        + pairs * costs.sparse_pair
        + T * S * (charges.nonzeros + charges.dense * of_targets.nonzeros) * costs.sparse_gather
        + sum(count * kind.dense for kind, count in kinds) * m * costs.sparse_coordinate
        + sum(count * kind.mixed for kind, count in kinds) * m * costs.sparse_copy
    )
    return takes < pairs * product


class Sample(NamedTuple):
    """What some points say of all."""

    dense: float
    """Share of dense points."""
    nonzeros: float
    """Nonzeros of the sparse ones, over the number of all points."""
    mixed: bool
    """Whether dense and sparse points lie one between the other."""


def _sampled(points: np.ndarray, most: int) -> Sample:
    # Multiples of the golden ratio, which no period of the points can hide from.
    rows = np.unique(np.arange(SAMPLE) * 0.5 * (math.sqrt(5) - 1) % 1 * len(points) // 1).astype(np.intp)
    found = nonzeros(points, most, rows)
    dense, of_sparse = np.count_nonzero(~found.sparse), np.sum(found.counts[found.sparse])
    return Sample(dense / len(rows), float(of_sparse) / len(rows), bool(np.count_nonzero(np.diff(found.sparse)) > 1))


def nonzeros(points: np.ndarray, most: int, rows: np.ndarray | None = None) -> Nonzeros:
    """The nonzero coordinates of points, or some of them, that have up to so many and none that isn't finite."""
    rows = np.arange(len(points)) if rows is None else rows
    count = len(rows)
    found = Nonzeros(
        np.empty(count, np.int64),
        np.empty((count, most), np.uint32),
        np.empty((count, most), points.dtype),
        np.zeros(count, points.dtype),
    )
    shared(lambda start, stop: find_nonzeros(start, stop, points, rows, *found), count, points.shape[1])
    return found


def _parts(points: np.ndarray, found: Nonzeros) -> tuple[Part, Part]:
    """The dense and the sparse points."""
    (dense,), (sparse,) = np.nonzero(~found.sparse), np.nonzero(found.sparse)
    of_dense, norms = _some(points, dense), np.empty(len(dense), points.dtype)
    shared(lambda start, stop: square_lengths(start, stop, of_dense, norms), *of_dense.shape)
    of_sparse = found.at(sparse)
    return Part(dense, of_dense, None, norms), Part(sparse, _some(points, sparse), of_sparse, of_sparse.norms)


def _some(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of an array, in ascending order: a part of the array itself where they lie together, or else a copy."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return array[rows[0] : rows[-1] + 1]
    return array[rows]


def _add(request: Request, targets: Part, charges: Part, potential: np.ndarray, field: np.ndarray | None) -> None:
    """Add to some targets' sums what some charges contribute."""
    weights = np.ascontiguousarray(_some(request.weights, charges.rows))
    if targets.nonzeros is None and charges.nonzeros is None:
        positions = charges.points
        points = positions if request.targets is request.positions else targets.points
        part = request._replace(targets=points, positions=positions, weights=weights)
        compiled_tiles.add_sums(part, potential, field)
    elif targets.nonzeros is None or charges.nonzeros is None:
        _add_mixed(request, targets, charges, weights, potential, field)
    else:
        _add_sparse(request, targets.nonzeros, charges.nonzeros, weights, potential, field)


@np.errstate(invalid="ignore", over="ignore")  # what is not finite gets its answer with the near pairs
def _add_mixed(request, targets, charges, weights, potential, field):
    """Pairs of a dense and a sparse point, of which none is the charge that a target is itself."""
    dtype, m = targets.points.dtype, targets.points.shape[1]
    profile = cast(request.profile, dtype.type)
    criterion = cast(nearness(m, float(np.finfo(dtype).eps), request.field), dtype.type)
    T, S = len(targets.rows), len(charges.rows)
    rows, columns = tile_shape(T, S, m)
    memory = np.empty(rows * columns, dtype)
    pull, product = None, None
    if field is not None:
        pull = -2 * weights
        product = np.empty((min(rows, PRODUCT_ROWS), m), dtype) if charges.nonzeros is None else None
    for i in range(0, T, rows):
        up = min(i + rows, T)
        for j in range(0, S, columns):
            end = min(j + columns, S)
            tile = memory[: (up - i) * (end - j)].reshape(up - i, end - j)
            # a·b by gathers of the sparse side's nonzeros; all else is as for dense tiles
            if charges.nonzeros is not None:
                _gather(targets.points[i:up], charges.nonzeros, j, tile)
            else:
                _gather(charges.points[j:end], targets.nonzeros, i, tile.T)
            slopes = None if field is None else np.empty(up - i, dtype)
            arguments = (
                tile, targets.points[i:up], charges.points[j:end], targets.norms[i:up], charges.norms[j:end],
                weights[j:end], None if pull is None else pull[j:end], profile, criterion, None,
                potential[i:up], slopes, None if field is None else field[i:up],
            )  # fmt: skip
            shared(functools.partial(add_rows, arguments), up - i, end - j, SHARED_PAIRS)
            if field is None:
                continue
            if charges.nonzeros is None:
                add_products(tile, slopes, targets.points[i:up], charges.points[j:end], product, field[i:up])
            else:
                _scatter(tile, slopes, targets.points[i:up], charges.nonzeros, j, field[i:up])


def _gather(points, of_others, first, tile):
    """Put the products of points and sparse ones from the number ``first`` on into a tile."""
    counts, places, values, _ = of_others
    shared(
        lambda start, stop: gather_rows(start, stop, points, counts, places, values, first, tile),
        tile.shape[0], tile.shape[1], SHARED_GATHERS,
    )  # fmt: skip


def _scatter(tile, slopes, points, of_charges, first, field):
    counts, places, values, _ = of_charges
    shared(
        lambda start, stop: scatter_rows(start, stop, tile, slopes, points, counts, places, values, first, field),
        *points.shape,
    )


@np.errstate(invalid="ignore", over="ignore")
def _add_sparse(request, targets, charges, weights, potential, field):
    """Pairs of two sparse points."""
    dtype, m = weights.dtype, request.positions.shape[1]
    profile = cast(request.profile, dtype.type)
    criterion = cast(nearness(m, float(np.finfo(dtype).eps), request.field), dtype.type)
    pull, excluded = None if field is None else -2 * weights, request.exclude_self
    shared(
        lambda start, stop: add_sparse_rows(
            start, stop, m, *targets, *charges, weights, pull, profile, criterion, excluded, potential, field
        ),
        len(targets.counts), len(charges.counts), SHARED_GATHERS,
    )  # fmt: skip
