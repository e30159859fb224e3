r"""Derivatives of the sums along a tangent through matrix products, in plain array code for any library.

With d = a_i − b_j and δ = δa_i − δb_j, the sums of :func:`.direct.jvp` are those of

.. math:: d\Phi_i = \sum_j \delta q_j f - p_{ij} U_{ij}, \qquad dE_i = \sum_j V_{ij} d + U_{ij} \delta, \qquad
    U_{ij} = -2 q_j f', \qquad V_{ij} = -2 (\delta q_j f' + 2 q_j f'' p_{ij}), \qquad p_{ij} = d \cdot \delta.

The products a·b, a·δb and δa·b give s and p, and V b and U δb the field: five in all. Near pairs are left out of them
and added as differences, as for the sums themselves. Memory is that of :mod:`.array_tiles`, and the tangent once more.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from ...arrays import Array, namespace
from ...profiles import curvature_at, slope_at, value_at
from ..request import Request, Result, Tangent
from .array_tiles import TILE_COLUMNS, TILE_ROWS, centred, near_pairs, rounds, square_distances
from .near_pairs import nearness


def jvp(request: Request, tangent: Tangent) -> Result:
    """The derivatives, for at least one charge and one target."""
    targets, positions, weights = request.targets, request.positions, request.weights
    profile = request.profile
    xp, device = namespace(targets), array_api_compat.device(targets)
    T, S = targets.shape[0], positions.shape[0]
    # A motion that all points share cancels from δ, and so from the second product too if it is left out.
    d_targets, d_positions = (
        xp.zeros_like(points) if moved is None else moved
        for points, moved in ((targets, tangent.targets), (positions, tangent.positions))
    )
    d_weights = xp.zeros_like(weights) if tangent.weights is None else tangent.weights
    a, a_norms, b, b_norms = centred(xp, targets, positions)
    da, _, db, _ = centred(xp, d_targets, d_positions)
    a_da, b_db = xp.sum(a * da, axis=1), xp.sum(b * db, axis=1)
    criterion = nearness(targets.shape[1], float(xp.finfo(targets.dtype).eps), True)
    functions = (value_at, slope_at, curvature_at)[: 2 + request.field]
    potentials, fields = [], []
    # A bare Coulomb kernel divides by zero where points coincide, and its documented answer there is inf or NaN.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for i in range(0, T, TILE_ROWS):
            rows = slice(i, min(i + TILE_ROWS, T))
            own = xp.arange(rows.start, rows.stop, device=device)[:, None]
            potential, field = xp.zeros_like(a_norms[rows]), xp.zeros_like(a[rows, :])
            for j in range(0, S, TILE_COLUMNS):
                columns = slice(j, min(j + TILE_COLUMNS, S))
                norms = a_norms[rows, None] + b_norms[None, columns]
                s = square_distances(xp, a[rows, :] @ b[columns, :].T, norms)
                near = near_pairs(xp, s, norms, profile, criterion, functions)
                out = near
                if request.exclude_self:
                    itself = own == xp.arange(columns.start, columns.stop, device=device)[None, :]
                    near, out = near & ~itself, near | itself
                # p = d·δ = a·δa + b·δb - δa·b - a·δb
                along = a_da[rows, None] + b_db[None, columns]
                along = along - da[rows, :] @ b[columns, :].T - a[rows, :] @ db[columns, :].T
                change, u, v = _factors(
                    xp, s, along, weights[None, columns], d_weights[None, columns], profile, request.field
                )
                zero = xp.zeros_like(s)
                potential = potential + xp.sum(xp.where(out, zero, change), axis=1)
                if request.field:
                    u, v = xp.where(out, zero, u), xp.where(out, zero, v)
                    # Σ V (a - b) + U (δa - δb)
                    field = field + xp.sum(v, axis=1)[:, None] * a[rows, :] - v @ b[columns, :]
                    field = field + xp.sum(u, axis=1)[:, None] * da[rows, :] - u @ db[columns, :]
                # near pairs by differences
                for first, hit in rounds(xp, near):
                    first = first + columns.start
                    d = targets[rows, :] - xp.take(positions, first, axis=0)
                    delta = d_targets[rows, :] - xp.take(d_positions, first, axis=0)
                    s, along = xp.sum(d * d, axis=1), xp.sum(d * delta, axis=1)
                    charges = xp.take(weights, first), xp.take(d_weights, first)
                    change, u, v = _factors(xp, s, along, *charges, profile, request.field)
                    potential = potential + xp.where(hit, change, xp.zeros_like(change))
                    if request.field:
                        term = v[:, None] * d + u[:, None] * delta
                        field = field + xp.where(hit[:, None], term, xp.zeros_like(term))
            potentials.append(potential)
            fields.append(field)
    return Result(xp.concat(potentials) if request.potential else None, xp.concat(fields) if request.field else None)


def _factors(
    xp: Any, s: Array, along: Array, weights: Array, d_weights: Array, profile: Any, field: bool
) -> tuple[Array, Array, Array]:
    """The terms of dΦ, and U and V; without a field V is a mere placeholder."""
    slopes = profile.slope(xp, s)
    u = -2.0 * weights * slopes
    change = d_weights * profile.value(xp, s) - along * u
    return change, u, -2.0 * (d_weights * slopes + 2.0 * weights * profile.curvature(xp, s) * along) if field else u
