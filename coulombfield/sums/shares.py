"""Drawing targets at which a fast sum is measured: uniformly, and by what each contributes to the sums' squares.

What a target contributes is told by the fast sums themselves, which are there for all targets, and, since terms of both
signs may cancel in them, by sums over a few charges, drawn by their size and all taken as positive.
"""

from __future__ import annotations

import array_api_compat
import numpy as np

from ..arrays import Array, jit, to_numpy
from ..rng import Streams
from .request import ExactEngine, Request, Result
from .tiles import plain

SAMPLE = 48  # targets: they tell the root mean square of the errors to a tenth or so, and cost little
CHARGES = 8  # stand for all of them: they tell who is near and who far
CANDIDATES = 1024  # of which they are drawn by size
TYPICAL = 32  # targets: they tell the size of the sums at most targets
HANDFUL, COUNTS = 4, 0.1  # so many targets must have less than this part of the sums' squares, not to be looked for
LENGTHS = 2.0 ** np.arange(-20, 5)  # at which a kernel's steepest slope is looked for, as squares of its length


def draw(request: Request, exact: ExactEngine, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of some targets, none twice, and how many targets each stands for.

    Those that would be drawn for certain go first, and stand for themselves only.
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
    """Rows drawn in proportion to their shares, in no order, and how many rows each stands for."""
    xp, device = array_api_compat.array_namespace(shares), array_api_compat.device(shares)
    sums = xp.cumulative_sum(shares)
    total = float(sums[-1])
    # One from each of equal parts: no part is missed by chance, and no order of the targets is met in step.
    marks = (np.arange(count) + stream.random(count)) * (total / count)
    drawn = to_numpy(xp.searchsorted(sums, xp.asarray(marks, device=device), side="right"))
    rows, times = np.unique(np.minimum(drawn, shares.shape[0] - 1), return_counts=True)
    chances = to_numpy(xp.take(shares, xp.asarray(rows, device=device), axis=0)) * (count / total)
    order = stream.permutation(len(rows))
    return rows[order], (times / chances)[order]


def _shares(request: Request, exact: ExactEngine, result: Result, stream: np.random.Generator) -> Array:
    """Each target's chance of being drawn, float64, of sum 1: half of it the same for all."""
    xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
    guides = [values for values in (*result, *_sums_by_few(request, exact, stream)) if values is not None]
    told = [(values, total) for values in guides if 0 < (total := _sum_of_squares(values)) < np.inf]
    count = request.targets.shape[0]
    shares = xp.full(count, (0.5 if told else 1.0) / count, dtype=xp.float64, device=device)
    for values, total in told:
        _add_squares(shares, values, 0.5 / (len(told) * total))
    return shares


def _sums_by_few(request: Request, exact: ExactEngine, stream: np.random.Generator) -> Result:
    """Sums over a few charges, taken as equal and positive; at these charges themselves 0."""
    xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
    candidates = stream.integers(request.positions.shape[0], size=CANDIDATES)
    sizes = np.abs(to_numpy(xp.take(request.weights, xp.asarray(candidates, device=device))).astype(np.float64))
    total = float(np.sum(sizes))
    if not 0 < total < np.inf:
        return Result(None, None)
    chosen = candidates[stream.choice(CANDIDATES, CHARGES, p=sizes / total)]
    rows = xp.asarray(chosen, device=device)
    few = request._replace(
        positions=xp.take(request.positions, rows, axis=0),
        weights=xp.ones(CHARGES, dtype=request.weights.dtype, device=device),
        exclude_self=False,
    )
    if not _few_may_matter(few, exact, stream):
        return Result(None, None)
    found = exact.evaluate(few)
    if request.exclude_self or request.targets is request.positions:
        # Their own terms, which all others have too or none has, would stand out.
        own = xp.asarray(chosen[chosen < request.targets.shape[0]], device=device)
        for values in found:
            if values is not None:
                values[own] = 0.0
    return found


def _few_may_matter(request: Request, exact: ExactEngine, stream: np.random.Generator) -> bool:
    """Whether a handful of targets, as near to the charges as can be, may have a part in the sums' squares that counts.

    More of them would not all escape notice: terms of both signs don't cancel at each.
    """
    length = getattr(request.profile, "length", None)
    if length is None:
        return True
    xp, device = array_api_compat.array_namespace(request.targets), array_api_compat.device(request.targets)
    total = request.targets.shape[0]
    some = xp.asarray(stream.integers(total, size=TYPICAL), device=device)
    typical = exact.evaluate(request._replace(targets=xp.take(request.targets, some, axis=0)))
    s = np.append(0.0, length * length * LENGTHS)
    largest = (
        np.max(np.abs(request.profile.value(np, s))),
        np.max(2 * np.abs(request.profile.slope(np, s)) * np.sqrt(s)),
    )
    return any(
        not HANDFUL * (CHARGES * most) ** 2 <= COUNTS * total * _sum_of_squares(values) / TYPICAL
        for values, most in zip(typical, largest, strict=True)
        if values is not None
    )


# What is not finite counts as 0 here: a NaN in the data must not keep the other targets from being looked at.


def _sum_of_squares(values: Array) -> float:
    """Sum of all squares, in float64."""
    if isinstance(values, np.ndarray):
        return float(_compiled_sum_of_squares(np.reshape(plain(values), (len(values), -1))))
    xp = array_api_compat.array_namespace(values)
    return float(xp.sum(_finite_squares(values)))


def _add_squares(shares: Array, values: Array, factor: float) -> None:
    """Add a factor times the squares of the rows' lengths."""
    if isinstance(values, np.ndarray):
        _compiled_add_squares(shares, np.reshape(plain(values), (len(values), -1)), factor)
    else:
        xp = array_api_compat.array_namespace(values)
        shares += factor * xp.sum(xp.reshape(_finite_squares(values), (values.shape[0], -1)), axis=1)


def _finite_squares(values: Array) -> Array:
    xp = array_api_compat.array_namespace(values)
    squares = xp.square(xp.astype(values, xp.float64))
    return xp.where(xp.isfinite(squares), squares, xp.zeros_like(squares))


@jit(fastmath={"reassoc"})  # so that LLVM adds in vectors
def _compiled_sum_of_squares(values):
    total = 0.0
    for i in range(values.shape[0]):
        for axis in range(values.shape[1]):
            square = np.float64(values[i, axis]) * np.float64(values[i, axis])
            total += square if square < np.inf else 0.0
    return total


@jit
def _compiled_add_squares(shares, values, factor):
    for i in range(values.shape[0]):
        total = 0.0
        for axis in range(values.shape[1]):
            square = np.float64(values[i, axis]) * np.float64(values[i, axis])
            total += square if square < np.inf else 0.0
        shares[i] += factor * total
