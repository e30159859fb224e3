r"""Proxy points that stand for the charges of a cell, and how many a tolerance needs.

With the Lagrange polynomials :math:`\ell_a` of p Chebyshev points an axis, multiplied over the axes, a kernel between
two cells at some distance is

.. math:: k(x, y) \approx \sum_{a,b} \ell_a(x)\, k(x_a, y_b)\, \ell_b(y),

for any kernel that is smooth there (W. Fong, E. Darve, J. Comput. Phys. 228 (2009) 8712, Eq 10). How well it does so
is measured here, for the very kernel and every size of cells, at a few points of two touching, equal or just separate
cells. No table, and no theory of a kernel, is therefore needed.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

MOST = 24  # points an axis at which looking further is given up
SHARE = 0.5
"""Error allowed between the worst cells, root mean square over places in them, in tolerances. With charges in a few
spots, most of a sum's terms may belong to places that are worse than that mean. Where cells hold many charges, or near
ones add most, errors are far smaller than the tolerance, for a million charges by a factor of 1000."""


class Points(NamedTuple):
    """Chebyshev points of the first kind on [−1, 1] and the factors of their Lagrange polynomials."""

    places: np.ndarray
    factors: np.ndarray
    """1 / Π_{j≠k} (x_k − x_j)."""


class Basis(NamedTuple):
    """Values and derivatives of the Lagrange polynomials at given coordinates, shape (coordinates, p)."""

    values: np.ndarray
    slopes: np.ndarray


@functools.cache
def points(count: int) -> Points:
    """The points for polynomials of degree ``count`` − 1."""
    places = np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))
    differences = places[:, None] - places[None, :] + np.eye(count)
    return Points(places, 1 / np.prod(differences, axis=1))


def basis(count: int, coordinates: np.ndarray) -> Basis:
    """The Lagrange polynomials of ``count`` points at coordinates in [−1, 1]."""
    places, factors = points(count)
    differences = coordinates[:, None] - places
    others = np.stack([np.delete(differences, k, axis=1) for k in range(count)], axis=1)
    slopes = sum(np.prod(np.delete(others, k, axis=2), axis=2) for k in range(count - 1)) if count > 1 else 0.0
    return Basis(factors * np.prod(others, axis=2), factors * slopes)


class Smoothness(NamedTuple):
    """How cells' proxies can be used with a kernel."""

    order: int
    """Points an axis; 0 if no order up to ``MOST`` is enough."""
    touching: np.ndarray
    """Shape (levels, m + 1), bool: whether proxies may stand for touching cells, by level and the number of axes in
    which their places differ."""
    depth: int
    """Level at which even a cell's interaction with itself goes by proxies, or the last level."""


@functools.lru_cache(16)
def smoothness(profile: Any, size: float, levels: int, dimension: int, tolerance: float, field: bool) -> Smoothness:
    """Order that makes cells with another one between them interact within the tolerance, and what else it allows.

    The cells of the uppermost level have that size, and those of each of the ``levels`` below it half of the one above.
    """
    half_widths = size / 2 * 0.5 ** np.arange(levels + 1)
    aside = 2 * np.eye(1, dimension)
    steps = np.tri(dimension + 1, dimension, k=-1)
    allowed = SHARE * tolerance
    for order in range(2, MOST + 1):
        touching = _errors(profile, half_widths, steps, order, field) <= allowed
        smooth = np.flatnonzero(np.all(touching, axis=1))
        depth = int(smooth[0]) if smooth.size else half_widths.shape[0] - 1
        if np.all(_errors(profile, half_widths[: depth + 1], aside, order, field) <= allowed):
            return Smoothness(order, touching, depth)
    return Smoothness(0, np.zeros((half_widths.shape[0], dimension + 1), bool), 0)


@functools.cache
def _samples(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in two cells [−1, 1]^m, shape (samples, m) each: a sequence of low discrepancy (R. Kronecker)."""
    roots = {1: 1.618033988749895, 2: 1.324717957244746, 3: 1.2207440846057596, 4: 1.1673039782614187}
    steps = roots[min(4, 2 * dimension)] ** -np.arange(1.0, 2 * dimension + 1)
    places = 2 * ((0.5 + np.arange(1, 13)[:, None] * steps) % 1) - 1
    return places[:, :dimension], places[:, dimension:]


def _errors(profile: Any, half_widths: np.ndarray, offsets: np.ndarray, order: int, field: bool) -> np.ndarray:
    """Relative error of interpolation between two cells, by half-width and offset of the cells, in cells."""
    targets, charges = _samples(offsets.shape[1])
    dimension = offsets.shape[1]
    bases = [basis(order, targets[:, axis]) for axis in range(dimension)]
    nodes = np.stack(np.meshgrid(*[points(order).places] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    errors = np.empty((half_widths.shape[0], offsets.shape[0]))
    with np.errstate(all="ignore"):
        for which, offset in enumerate(offsets):
            charge_places = charges + 2 * offset
            at_nodes = _squared(nodes, charge_places, half_widths)
            at_targets = _squared(targets, charge_places, half_widths)
            proxies, exact = profile.value(np, at_nodes), profile.value(np, at_targets)
            # The error of the charges' side is as large as the targets'.
            errors[:, which] = np.sqrt(2) * _ratio(_product(bases, None) @ proxies - exact, exact)
            if field:
                differences = (targets[:, None, :] - charge_places[None, :, :]) * half_widths[:, None, None, None]
                gradient = 2 * profile.slope(np, at_targets)[..., None] * differences
                found = [(_product(bases, axis) @ proxies) / half_widths[:, None, None] for axis in range(dimension)]
                errors[:, which] = np.maximum(errors[:, which], _ratio(np.stack(found, axis=-1) - gradient, gradient))
    return errors


def _squared(ones: np.ndarray, others: np.ndarray, half_widths: np.ndarray) -> np.ndarray:
    """Squared distances, shape (half-widths, ones, others)."""
    return np.sum((ones[:, None] - others) ** 2, axis=-1) * (half_widths**2)[:, None, None]


def _product(bases: list[Basis], along: int | None) -> np.ndarray:
    """Products of the axes' polynomials at the samples, shape (samples, p^m); the derivative along an axis if given."""
    factors = [b.slopes if axis == along else b.values for axis, b in enumerate(bases)]
    return functools.reduce(lambda x, y: (x[:, :, None] * y[:, None, :]).reshape(x.shape[0], -1), factors)


def _ratio(error: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Root mean square of the error over that of the sizes, by half-width; 0 if both are, NaN becomes inf."""
    axes = tuple(range(1, error.ndim))
    scale = np.max(np.abs(size), axis=axes, keepdims=True)
    scale = np.where(scale > 0, scale, 1)
    ratio = np.sqrt(np.sum((error / scale) ** 2, axis=axes))
    sizes = np.sqrt(np.sum((size / scale) ** 2, axis=axes))
    ratio = np.where(sizes > 0, ratio / np.where(sizes > 0, sizes, 1), np.where(ratio > 0, np.inf, 0.0))
    return np.where(np.isfinite(ratio), ratio, np.inf)


def coordinates(order: int, dimension: int) -> np.ndarray:
    """Coordinates of a cell's proxies in half-widths, shape (p^m, m); the last axis runs fastest."""
    return np.array(list(itertools.product(points(order).places, repeat=dimension))).reshape(-1, dimension)
