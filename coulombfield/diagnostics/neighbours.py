"""Distances to the nearest neighbour."""

from __future__ import annotations

import math
from types import ModuleType
from typing import NamedTuple

import array_api_compat
import numpy as np
from scipy.spatial import KDTree

from ..arrays import Array, backend, floating
from ..charges import check_like, check_points

TREE_DIMENSIONS = 8  # up to which a tree looks at few points; beyond, it looks at nearly all, more slowly than a loop
TILE_NUMBERS = 2**20  # numbers in a tile of differences
BLOCK = 512  # neighbours of a tile


class Neighbours(NamedTuple):
    """The nearest neighbour of each point."""

    distances: Array
    """Shape (T,) [length], of the library, dtype and device of the points."""
    indices: Array
    """Which neighbour it is, shape (T,), int64."""


def nearest_neighbours(points: Array, among: Array | None = None) -> Neighbours:
    r"""Nearest neighbour of each point, among the other points or among those of another set.

    .. math:: r_i = \min_j \|a_i - b_j\|, \qquad j \ne i \text{ if both are one set}

    Parameters
    ----------
    points : array, shape (T, m)
        The points a [length].
    among : array, shape (S, m), optional
        The points b [length]; library, dtype and device of ``points``. Without it they are the points themselves,
        and a point is not its own neighbour, though one that coincides with it is.

    Returns
    -------
    Neighbours
        Distances and indices. Where two are equally near, either may be named.

    Raises
    ------
    TypeError
        If an argument is no array or has another dtype, or the two belong to different libraries.
    ValueError
        If there is no neighbour to find, a coordinate is not finite, or a shape or a device does not fit.

    Notes
    -----
    NumPy arrays of up to 8 dimensions go through a k-d tree, in O((T + S) log S); others through all pairs in tiles of
    2^20 differences. Memory is O((T + S) m).
    """
    own = among is None
    points, others = floating(points=points, among=points if among is None else among)
    others = points if own else others
    xp = backend(points=points, among=others)
    check_points("points", points)
    check_points("among", others)
    check_like("among", others, "points", points)
    if others.shape[0] < 1 + own:
        name, least = ("points", "two points") if own else ("among", "one point")
        raise ValueError(f"{name}: expected at least {least}, got {others.shape[0]}")
    for name, array in (("points", points), ("among", others)):
        if not bool(xp.all(xp.isfinite(array))):
            raise ValueError(f"{name}: expected finite coordinates, got some that are NaN or infinite")
    unit = _unit(xp, points, others)
    if unit != 1:
        points, others = points / unit, others / unit
    tree = isinstance(points, np.ndarray) and points.shape[1] <= TREE_DIMENSIONS
    distances, indices = _by_tree(points, others, own) if tree else _by_pairs(xp, points, others, own)
    return Neighbours(distances if unit == 1 else distances * unit, indices)


def _unit(xp: ModuleType, points: Array, others: Array) -> float:
    """Power of two to measure lengths in, so that their squares neither overflow nor vanish; 1 where they don't."""
    limits = xp.finfo(points.dtype)
    largest = max((float(xp.max(xp.abs(array))) for array in (points, others) if 0 not in array.shape), default=0.0)
    if largest == 0 or float(limits.smallest_normal) ** 0.25 < largest < float(limits.max) ** 0.25:
        return 1.0
    return math.ldexp(1.0, math.frexp(largest)[1] - 1)


def _by_tree(points: np.ndarray, others: np.ndarray, own: bool) -> Neighbours:
    # A tree can't part points that coincide, and looks at all of them for each: it gets one of each place.
    order = np.lexsort(others.T)
    before, after = order[:-1], order[1:]
    again = np.all(others[before] == others[after], axis=1)
    places = np.concatenate([order[:1], after[~again]])
    tree = KDTree(others[places])
    if not own:
        distances, nearest = tree.query(points)
        return Neighbours(distances.astype(points.dtype), places[nearest])
    distances, indices = np.zeros(len(points), points.dtype), np.empty(len(points), np.int64)
    if len(places) > 1:
        lengths, nearest = tree.query(others[places], k=2)  # the first is the point itself
        distances[places], indices[places] = lengths[:, 1], places[nearest[:, 1]]
    for some, neighbours in ((before[again], after[again]), (after[again], before[again])):
        distances[some], indices[some] = 0, neighbours
    return Neighbours(distances, indices)


def _by_pairs(xp: ModuleType, points: Array, others: Array, own: bool) -> Neighbours:
    device = array_api_compat.device(points)
    count, dimension = others.shape
    width = max(1, min(BLOCK, TILE_NUMBERS // dimension))
    height = max(1, TILE_NUMBERS // (width * dimension))
    distances, indices = [], []
    for i in range(0, max(1, points.shape[0]), height):
        rows = points[i : min(i + height, points.shape[0]), :]
        nearest = xp.full((rows.shape[0],), xp.inf, dtype=points.dtype, device=device)
        which = xp.zeros((rows.shape[0],), dtype=xp.int64, device=device)
        for j in range(0, count, width):
            columns = xp.arange(j, min(j + width, count), device=device)
            difference = rows[:, None, :] - others[j : min(j + width, count), :][None, :, :]
            s = xp.sum(difference * difference, axis=-1)
            if own:
                row = xp.arange(i, i + rows.shape[0], device=device)
                s = xp.where(row[:, None] == columns[None, :], xp.full_like(s, xp.inf), s)
            if s.shape[0]:
                least = xp.min(s, axis=1)
                which = xp.where(least < nearest, xp.take(columns, xp.argmin(s, axis=1)), which)
                nearest = xp.minimum(nearest, least)
        distances.append(xp.sqrt(nearest))
        indices.append(which)
    return Neighbours(xp.concat(distances), xp.concat(indices))
