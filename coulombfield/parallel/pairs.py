"""All pairs, exactly: the charges go round the ranks in a ring while each rank sums over those that it has.

In a fixed order, all ranks sum over the same blocks at the same time instead: that of rank 0 first, which it sends to
all while they work on the one before. Each target then adds the same numbers in the same order however many ranks there
are, and blocks are the same too (:mod:`.canonical`).

Memory: the charges of two ranks, and the results in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..sums.engines import EXACT
from ..sums.pairs import simd
from ..sums.request import Request, Result
from .canonical import Canonical, blocks_for, canonical, owned
from .ranks import Ranks

PAIRS = 2**26  # summed before MPI is given time to move what is on its way: about 10 ms
UNORDERED = "gram"  # whose sums at a target depend on the targets beside it


def ring(ranks: Ranks, request: Request, method: str, counts: list[int]) -> Result:
    """The sums by an exact engine; ``counts`` are the numbers of charges of all ranks."""
    dimension = request.targets.shape[1]
    own = np.concatenate([np.ravel(request.positions), request.weights])
    total = _empty(request)
    sizes = [count * (dimension + 1) for count in counts]
    for owner, array, poll in ranks.ring(own, sizes):
        count = counts[owner]
        positions, weights = array[: count * dimension].reshape(count, dimension), array[count * dimension :]
        if not count:
            continue
        for rows in _pieces(len(request.targets), count):
            some = request._replace(
                targets=request.targets[rows], positions=positions, weights=weights, exclude_self=False
            )
            if request.exclude_self and owner == ranks.rank:
                # Target 0 of the piece is charge 0 of those that are rolled to the front.
                some = some._replace(
                    positions=np.roll(positions, -rows.start, axis=0),
                    weights=np.roll(weights, -rows.start),
                    exclude_self=True,
                )
            _add(total, rows, EXACT[method].evaluate(some))
            poll()
    return _rounded(total, request)


def in_order(ranks: Ranks, request: Request, method: str, counts: list[int], bound: float) -> Result:
    """The sums in an order that does not depend on ranks; ``bound`` is one of all squared distances."""

    def evaluate(some: Request) -> Result:
        return simd.evaluate(some, bound) if method == "simd" else EXACT[method].evaluate(some)

    total = sum(counts)
    found = canonical(ranks, request.positions, request.weights, total)
    if not request.exclude_self:
        return _in_order(ranks, request, found, total, evaluate)
    # Targets are charges, and go where these are.
    result = _in_order(ranks, request._replace(targets=found.charges.positions), found, total, evaluate)
    # Copies of a charge leave out different places of the order, and may differ in rounding.
    rows = [None if x is None else (x if x.ndim == 2 else x[:, None])[found.same] for x in result]
    backs = [None if x is None else found.back(ranks, x) for x in rows]
    return Result(None if backs[0] is None else backs[0][:, 0], backs[1])


def _in_order(
    ranks: Ranks, request: Request, found: Canonical, count: int, evaluate: Callable[[Request], Result]
) -> Result:
    dimension, charges = request.targets.shape[1], found.charges
    first = owned(blocks_for(count), ranks.size)
    ends = ranks.told(list(charges.bounds))
    total = _empty(request)
    assert charges.weights is not None
    own = np.concatenate([np.ravel(charges.positions), charges.weights])
    for owner, array, poll in ranks.one_by_one(own, [bounds[-1] * (dimension + 1) for bounds in ends]):
        held = ends[owner][-1]
        positions, weights = array[: held * dimension].reshape(held, dimension), array[held * dimension :]
        assert len(ends[owner]) == first[owner + 1] - first[owner] + 1
        for start, stop in pairwise(ends[owner]):
            if start == stop:
                continue
            some = request._replace(positions=positions[start:stop], weights=weights[start:stop], exclude_self=False)
            parts = [slice(0, len(request.targets))]
            if request.exclude_self and owner == ranks.rank:
                parts = [slice(0, start), slice(start, stop), slice(stop, len(request.targets))]
            for rows in parts:
                if rows.start < rows.stop:
                    aligned = len(parts) > 1 and rows.start == start and rows.stop == stop
                    piece = some._replace(targets=request.targets[rows], exclude_self=aligned)
                    _add(total, rows, evaluate(piece))
            poll()
    return _rounded(total, request)


def _pieces(targets: int, charges: int) -> list[slice]:
    """Rows of the targets in parts of about ``PAIRS`` pairs."""
    parts = max(1, min(targets, targets * charges // PAIRS))
    bounds = [targets * part // parts for part in range(parts + 1)]
    return [slice(*ends) for ends in pairwise(bounds)]


def _empty(request: Request) -> Result:
    """Sums of nothing yet, in float64."""
    count, dimension = request.targets.shape
    return Result(
        np.zeros(count) if request.potential else None, np.zeros((count, dimension)) if request.field else None
    )


def _add(total: Result, rows: slice, part: Result) -> None:
    for whole, some in zip(total, part, strict=True):
        if whole is not None:
            whole[rows] += some


def _rounded(total: Result, request: Request) -> Result:
    with np.errstate(over="ignore"):
        return Result(*(None if x is None else x.astype(request.targets.dtype, copy=False) for x in total))
