"""Gram tiles in plain array code, for any library, also CuPy if a kernel has no CUDA code; others are tested by it.

Near pairs leave the tile's sums and are added as differences, one pair a row at a time: the first near column of each
row is found by ``argmax``, so that nothing is sorted, scattered or of a size that depends on the values. Each round
costs a pass over the tile and one over its targets. There are as many rounds as the target that has most of them has
near charges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import array_api_compat
import numpy as np

from ...arrays import Array, namespace
from ...profiles import slope_at, value_at
from ..request import Request, Result
from .near_pairs import Nearness, nearness

TILE_ROWS, TILE_COLUMNS = 2048, 2048


def sums(request: Request) -> Result:
    """The sums, for at least one charge and one target."""
    targets, positions, weights = request.targets, request.positions, request.weights
    xp, device = namespace(targets), array_api_compat.device(targets)
    (T, m), S = targets.shape, positions.shape[0]
    criterion = nearness(m, float(xp.finfo(targets.dtype).eps), request.field)
    same = targets is positions
    a, a_norms, b, b_norms = centred(xp, targets, positions)
    potentials, fields = [], []
    # A bare Coulomb kernel divides by zero where points coincide, and its documented answer there is inf or NaN.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(0, T, TILE_ROWS):
            rows = slice(i, min(i + TILE_ROWS, T))
            potential = field = None
            for j in range(0, S, TILE_COLUMNS):
                columns = slice(j, min(j + TILE_COLUMNS, S))
                # s = |a|² + |b|² - 2 a·b; near pairs, where that cancels, by differences
                norms = a_norms[rows, None] + b_norms[None, columns]
                s = square_distances(xp, a[rows, :] @ b[columns, :].T, norms)
                itself = None
                if request.exclude_self or same:
                    own = xp.arange(rows.start, rows.stop, device=device)[:, None]
                    itself = own == xp.arange(columns.start, columns.stop, device=device)[None, :]
                near = near_pairs(xp, s, norms, request.profile, criterion, (value_at, slope_at)[: 1 + request.field])
                if itself is not None:
                    near = near & ~itself
                part = _Part(
                    xp, targets[rows, :], positions[columns, :], weights[columns], request.profile, request.field
                )
                part.add_far(s, near if itself is None else near | itself, a[rows, :], b[columns, :])
                part.add_near(near)
                potential = part.potential if potential is None else potential + part.potential
                field = part.field if field is None else field + part.field
            potentials.append(potential)
            fields.append(field)
        potential, field = xp.concat(potentials), xp.concat(fields) if request.field else None
        if same and not request.exclude_self:
            potential, field = _with_own_terms(xp, potential, field, request)
    return Result(potential if request.potential else None, field)


def centred(xp: Any, targets: Array, positions: Array) -> tuple[Array, Array, Array, Array]:
    """Targets and charges relative to the charges' mean, each followed by their squared lengths."""
    # A coordinate that is not finite counts as 0, and so spoils no row but its own.
    centre = xp.mean(xp.where(xp.isfinite(positions), positions, xp.zeros_like(positions)), axis=0)
    b = positions - centre
    a = b if targets is positions else targets - centre
    return a, xp.sum(a * a, axis=1), b, xp.sum(b * b, axis=1)


def square_distances(xp: Any, products: Array, norms: Array) -> Array:
    """‖a‖² + ‖b‖² − 2 a·b, and no less than 0."""
    s = norms - 2.0 * products
    return xp.where(s < 0, xp.zeros_like(s), s)


def near_pairs(
    xp: Any, s: Array, norms: Array, profile: Any, criterion: Nearness, functions: Sequence[Callable]
) -> Array:
    """Whether a pair's s must be computed from differences, for the functions of the profile that are to be summed.

    It never must where a point has a NaN, as the result will have too.
    """
    # A NaN in s counts: the product of an infinite coordinate and 0 is one, but the distance is none.
    near = ~(criterion.proximity * s >= norms) & ~xp.isnan(norms)
    moved = s + criterion.step * norms
    matters = s <= max(criterion.coincident, criterion.close) * norms
    for function in functions:
        before = function(profile, xp, s)
        change = xp.abs(function(profile, xp, moved) - before)
        matters = matters | ~(change <= criterion.change * xp.abs(before))
    return near & matters


def rounds(xp: Any, near: Array) -> Iterator[tuple[Array, Array]]:
    """Each row's first near column and whether it has one, then its second, and so on."""
    column = xp.arange(near.shape[1], device=array_api_compat.device(near))[None, :]
    while bool(xp.any(near)):
        first = xp.argmax(xp.astype(near, xp.int8), axis=1)
        yield first, xp.any(near, axis=1)
        near = near & (column != first[:, None])


class _Part:
    """What the charges of one tile contribute to its targets."""

    def __init__(self, xp, targets, positions, weights, profile, wants_field):
        self._xp, self._targets, self._positions = xp, targets, positions
        self._weights, self._profile, self._wants_field = weights, profile, wants_field
        self.potential: Array = None
        self.field: Array = None

    def add_far(self, s, left_out, a, b):
        """Start with the pairs that the Gram tile serves."""
        xp = self._xp
        terms = self._weights * self._profile.value(xp, s)
        self.potential = xp.sum(xp.where(left_out, xp.zeros_like(terms), terms), axis=1)
        if self._wants_field:
            pulls = -2.0 * self._weights * self._profile.slope(xp, s)
            pulls = xp.where(left_out, xp.zeros_like(pulls), pulls)
            self.field = xp.sum(pulls, axis=1)[:, None] * a - pulls @ b

    def add_near(self, near):
        """Add the near pairs, each target's first one, then its second, and so on."""
        xp = self._xp
        for first, hit in rounds(xp, near):
            difference = self._targets - xp.take(self._positions, first, axis=0)
            s = xp.sum(difference * difference, axis=1)
            weights = xp.take(self._weights, first)
            term = weights * self._profile.value(xp, s)
            self.potential = self.potential + xp.where(hit, term, xp.zeros_like(term))
            if self._wants_field:
                term = (-2.0 * weights * self._profile.slope(xp, s))[:, None] * difference
                self.field = self.field + xp.where(hit[:, None], term, xp.zeros_like(term))


def _with_own_terms(xp, potential, field, request):
    """Add each charge's term with itself, whose difference is 0, or NaN if it is not finite."""
    positions, weights, profile = request.positions, request.weights, request.profile
    difference = positions - positions
    s = xp.sum(difference * difference, axis=1)
    potential = potential + weights * profile.value(xp, s)
    if field is not None:
        field = field + (-2.0 * weights * profile.slope(xp, s))[:, None] * difference
    return potential, field
