"""Drawing targets at which a fast sum is measured: uniformly, and by what each contributes to the sums' squares.

What a target contributes is told by the fast sums themselves, which are there for all targets, and, since terms of both
signs may cancel in them, by sums over a few charges, drawn by their size and all taken as positive.
"""

from __future__ import annotations

import array_api_compat
import numpy as np

from ..arrays import Array, to_numpy
from ..rng import Streams
from .request import ExactEngine, Request, Result

SAMPLE = 64  # targets: they tell the root mean square of the errors to a tenth or so, and cost little
CHARGES = 16  # stand for all of them: they tell who is near and who far


def draw(request: Request, exact: ExactEngine, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of some targets, none twice, and how many targets each stands for; those that contribute most go first.

    Those that would be drawn for certain stand for themselves only.
    """
    total = request.targets.shape[0]
    if total <= SAMPLE:
        return np.arange(total), np.ones(total)
    xp = array_api_compat.array_namespace(request.targets)
    stream = Streams(seed=0).stream("targets")
    shares = _shares(request, exact, result, stream)
    certain = np.flatnonzero(to_numpy(shares * SAMPLE >= 1))
    likely = to_numpy(shares[xp.asarray(certain, device=array_api_compat.device(shares))])
    certain = certain[np.argsort(-likely, kind="stable")]
    shares[xp.asarray(certain, device=array_api_compat.device(shares))] = 0.0
    others, weights = _by_share(shares, SAMPLE - len(certain), stream)
    return np.concatenate([certain, others]), np.concatenate([np.ones(len(certain)), weights])


def _by_share(shares: Array, count: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows drawn in proportion to their shares, and how many rows each stands for; those of large shares first."""
    xp, device = array_api_compat.array_namespace(shares), array_api_compat.device(shares)
    sums = xp.cumulative_sum(shares)
    total = float(sums[-1])
    # One from each of equal parts: no part is missed by chance, and no order of the targets is met in step.
    marks = (np.arange(count) + stream.random(count)) * (total / count)
    drawn = to_numpy(xp.searchsorted(sums, xp.asarray(marks, device=device), side="right"))
    rows, times = np.unique(np.minimum(drawn, shares.shape[0] - 1), return_counts=True)
    chances = to_numpy(xp.take(shares, xp.asarray(rows, device=device), axis=0)) * (count / total)
    order = np.argsort(-chances, kind="stable")
    return rows[order], (times / chances)[order]


def _shares(request: Request, exact: ExactEngine, result: Result, stream: np.random.Generator) -> Array:
    """Each target's chance of being drawn, float64, of sum 1: half of it the same for all."""
    xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
    squares = [_squares(values) for values in result if values is not None]
    squares += _squares_by_few(request, exact, stream)
    sums = [float(xp.sum(each)) for each in squares]
    told = [(each, total) for each, total in zip(squares, sums, strict=True) if 0 < total < np.inf]
    count = request.targets.shape[0]
    shares = xp.full(count, (0.5 if told else 1.0) / count, dtype=xp.float64, device=device)
    for each, total in told:
        shares += each * (0.5 / (len(told) * total))
    return shares


def _squares(values: Array) -> Array:
    """Squares of the rows' lengths in float64, in units of the largest coordinate; 0 where they are not finite."""
    xp = array_api_compat.array_namespace(values)
    values = xp.astype(values, xp.float64, copy=False)
    columns = [values] if values.ndim == 1 else [values[:, axis] for axis in range(values.shape[1])]
    largest = float(xp.max(xp.abs(values)))
    if not np.isfinite(largest):
        columns = [xp.where(xp.isfinite(column), column, xp.zeros_like(column)) for column in columns]
        largest = max(float(xp.max(xp.abs(column))) for column in columns)
    total = xp.zeros(values.shape[0], dtype=xp.float64, device=array_api_compat.device(values))
    for column in columns:
        scaled = column / (largest or 1.0)
        total += scaled * scaled
    return total


def _squares_by_few(request: Request, exact: ExactEngine, stream: np.random.Generator) -> list[Array]:
    """Squares of the sums over a few charges, taken as equal and positive."""
    xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
    sums = xp.cumulative_sum(xp.abs(request.weights), dtype=xp.float64)
    total = float(sums[-1])
    if not 0 < total < np.inf:
        return []
    marks = xp.asarray((np.arange(CHARGES) + stream.random(CHARGES)) * (total / CHARGES), device=device)
    last = request.positions.shape[0] - 1
    chosen = np.minimum(to_numpy(xp.searchsorted(sums, marks, side="right")), last)
    rows = xp.asarray(chosen, device=device)
    few = request._replace(
        positions=xp.take(request.positions, rows, axis=0),
        weights=xp.ones(CHARGES, dtype=request.weights.dtype, device=device),
        exclude_self=False,
    )
    squares = [_squares(values) for values in exact.evaluate(few) if values is not None]
    if request.exclude_self or request.targets is request.positions:
        for each in squares:  # these targets' own terms would stand for those of all others
            each[rows[rows < request.targets.shape[0]]] = 0.0
    return squares
