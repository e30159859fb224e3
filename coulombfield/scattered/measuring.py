r"""Keeping ``rtol`` over scattered points: exact sums at some targets, over the charges of all processes.

As in :mod:`coulombfield.sums.sampled_targets`, each target has a share p of being drawn: in part uniform, in part by
what it contributes to the sums' squares, in part by how near it is to some charges. It is drawn by priority: with u the
hash of the target as a number from 0 to 1, those with the largest p/u are, and each stands for max(1, τ/p) targets, τ
being the priority of the first that is not (Duffield, Lund and Thorup, J. ACM 54 (2007) 32: no process has to know of
other processes' targets, and estimated sums have no bias).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..rng import Streams
from ..sums.pairs.tiles import plain
from ..sums.request import ExactEngine, Request, Result
from ..sums.sampled_targets import CHARGES, NEAR, OCTAVES, SAMPLE, UNIFORM, octaves_of
from ..sums.tolerance import SINGLE_PRECISION_RTOL, Measure, sizes_of
from .exact_sums import sum_of, value_of
from .hashes import UNIT, hashes_of
from .points import Block, Points
from .survey import Survey
from .team import Team

PIECE = 2**17  # charges that are summed over together: they are copied to float64
REMEMBERED = 2**25  # targets, at most, of which 4 bytes each are kept between two passes
CHUNK = 2**9  # targets, of which the one with the highest priority is looked at first
DIGITS = 3  # of an error, beyond which the order of sums may show


class Sample(NamedTuple):
    """Some targets of all processes, those that were drawn for certain first."""

    positions: np.ndarray
    """Shape (n, m) [length]."""
    counts: np.ndarray
    """How many targets each stands for, shape (n,)."""
    owners: np.ndarray
    """The process of each, shape (n,)."""
    rows: np.ndarray
    """Its number there, shape (n,)."""

    def found(self, team: Team, result: Result) -> Result:
        """What results of all processes have at the sample."""
        mine = self.rows[self.owners == team.rank]
        parts = team.told([None if x is None else x[mine] for x in result])
        gathered: list[np.ndarray | None] = []
        for values in zip(*parts, strict=True):
            if values[0] is None:
                gathered.append(None)
                continue
            whole = np.empty((len(self.rows), *values[0].shape[1:]), values[0].dtype)
            for rank, some in enumerate(values):
                whole[self.owners == rank] = some
            gathered.append(whole)
        return Result(*gathered)


def draw(team: Team, targets: Points, charges: Survey, guide: Result | None) -> Sample:
    """Draw targets at which errors are measured.

    Parameters
    ----------
    charges : Survey
        Near to whose largest, and some others, targets are drawn.
    guide : Result, optional
        Fast sums at the process's targets, which tell what each contributes.
    """
    total, places = sum(team.told(targets.count)), _places(charges)
    near = _Near(targets, places)
    of_octaves = team.total(near.counts())
    with np.errstate(divide="ignore"):
        parts = NEAR / 2 / np.count_nonzero(of_octaves, axis=1)[:, None] / of_octaves
    squares = [_squares(x if x.ndim == 2 else x[:, None]) for x in guide or () if x is not None]
    sizes = [value_of(team.total(sum_of(each))) for each in squares]
    told = [(each, size) for each, size in zip(squares, sizes, strict=True) if 0 < size < np.inf]
    best = _Best(targets.dimension)
    for block in targets.blocks():
        shares = np.full(block.positions.shape[0], (UNIFORM if told else 1.0 - NEAR) / total)
        for each, size in told:
            shares += (1.0 - UNIFORM - NEAR) / (len(told) * size) * each[block.rows]
        for part, octaves in zip(parts, near.octaves(block), strict=True):
            shares += part[octaves]
        best.add(block, shares)
    return _drawn(best.of_all(team))


class _Near:
    """How far targets are from the first of some places, and from the nearest of the others."""

    def __init__(self, targets: Points, places: np.ndarray):
        self._targets, self._places = targets, places
        self._known: dict[int, list[np.ndarray]] = {}

    def counts(self) -> np.ndarray:
        """How many of the process's targets are in each octave, shape (2, ``OCTAVES``)."""
        found = np.zeros((2, OCTAVES), np.int64)
        for block in self._targets.blocks():
            octaves = self.octaves(block)
            for which, each in enumerate(octaves):
                found[which] += np.bincount(each, minlength=OCTAVES)
            if self._targets.count <= REMEMBERED:
                self._known[block.start] = [each.astype(np.int16) for each in octaves]
        return found

    def octaves(self, block: Block) -> list[np.ndarray]:
        """Numbers of their octaves."""
        if block.start in self._known:
            return self._known[block.start]
        return [octaves_of(plain(block.positions), part) for part in (self._places[:1], self._places[1:])]


class _Best:
    """Targets with the highest priorities, copies of one as one: they have one hash, and would be drawn together."""

    def __init__(self, dimension: int):
        self._table = np.empty((0, dimension + 5))  # priority, share, copies, process, number, place

    def add(self, block: Block, shares: np.ndarray) -> None:
        priorities = shares / np.maximum(hashes_of(block.positions, None) * UNIT, UNIT)
        # Copies may be many, and no more than the first are wanted; of different ones these are enough.
        best = np.arange(len(shares))
        if len(shares) > SAMPLE:
            best = np.flatnonzero(priorities >= _bound(priorities))
            if len(np.unique(priorities[best])) <= SAMPLE:
                best = _with_copies(priorities)
            if len(self._table) > SAMPLE:
                best = best[priorities[best] >= self._table[-1, 0]]
        ones, numbers = np.ones(len(best)), block.start + best
        some = np.column_stack([priorities[best], shares[best], ones, 0 * ones, numbers, block.positions[best]])
        self._table = _merged(np.concatenate([self._table, some]))

    def of_all(self, team: Team) -> np.ndarray:
        """The table of the best of all processes."""
        tables = team.told(self._table)
        for rank, table in enumerate(tables):
            table[:, 3] = rank
        return _merged(np.concatenate(tables))


def _bound(priorities: np.ndarray) -> float:
    """A number that at least ``SAMPLE`` + 1 of them reach, and not many more where there are many."""
    chunks = priorities[: len(priorities) // CHUNK * CHUNK].reshape(-1, CHUNK)
    # Each of the chunks with the largest maxima has one: finding these takes less than to sort all.
    some = chunks.max(axis=1) if len(chunks) > SAMPLE else priorities
    return float(np.partition(some, -SAMPLE - 1)[-SAMPLE - 1])


def _with_copies(priorities: np.ndarray) -> np.ndarray:
    """Numbers of the targets with the highest priorities of which there are enough different ones."""
    different = np.unique(priorities)
    return np.flatnonzero(priorities >= different[max(0, len(different) - SAMPLE - 1)])


def _merged(table: np.ndarray) -> np.ndarray:
    """The first rows of a table by priority, with copies of a target as one row."""
    table = table[np.lexsort((*table.T[5:], -table[:, 0]))]
    first = np.ones(len(table), bool)
    first[1:] = (table[1:, 5:] != table[:-1, 5:]).any(axis=1)
    starts = np.flatnonzero(first)
    if len(starts):
        copies = np.add.reduceat(table[:, 2], starts)
        table = table[starts]
        table[:, 2] = copies
    return table[: SAMPLE + 1]


def _drawn(table: np.ndarray) -> Sample:
    """The sample from the best of all processes."""
    stands_for = np.ones(len(table))
    if len(table) > SAMPLE:
        threshold, table = table[-1, 0], table[:-1]
        stands_for = np.maximum(1.0, threshold / table[:, 1])
    # The first of the others are to be a sample of them, whatever their shares.
    certain = stands_for <= 1
    order = np.concatenate([np.flatnonzero(certain), np.flatnonzero(~certain)])
    table, counts = table[order], (table[:, 2] * stands_for)[order]
    return Sample(table[:, 5:], counts, table[:, 3].astype(int), table[:, 4].astype(int))


def _places(charges: Survey) -> np.ndarray:
    """Where some charges are, shape (``CHARGES``, m): the largest, some at random, one by its size."""
    sizes = np.abs(charges.weights) * charges.copies
    chances = sizes / sizes.sum() if 0 < sizes.sum() < np.inf else None
    stream = Streams(seed=0).stream("places")
    some = np.append(
        stream.integers(len(sizes), size=CHARGES // 2), stream.choice(len(sizes), CHARGES // 2 - 1, p=chances)
    )
    return np.concatenate([charges.strongest[None, :], charges.places[some]])


def _squares(rows: np.ndarray) -> np.ndarray:
    """What each row adds to a sum of squares; 0 where it is not finite."""
    squares = np.einsum("tk,tk->t", rows, rows, dtype=np.float64)
    return np.where(np.isfinite(squares), squares, 0.0)


class ExactSums:
    """Exact sums at sampled targets, and of the terms' magnitudes, added up block by block of charges.

    Parameters
    ----------
    wanted : Request
        Its kernel, what is wanted, whether own terms are left out, and ``rtol``.
    sample : Sample
        Where.
    exact : ExactEngine
        What sums.
    rank : int
        Number of this process: of the sample's targets that are its own, the own terms are left out.
    """

    def __init__(self, wanted: Request, sample: Sample, exact: ExactEngine, rank: int):
        double = wanted.rtol is None or wanted.rtol < SINGLE_PRECISION_RTOL
        dtype = np.dtype(np.float64) if double else wanted.targets.dtype
        self._wanted, self._exact = wanted, exact
        self._targets = sample.positions.astype(dtype)
        self._mine = np.where(sample.owners == rank, sample.rows, -1)

    def table(self, points: Points, request: Callable[[Request], Request] = lambda request: request) -> np.ndarray:
        """Sums over a process's charges, of requests that were changed so; see :meth:`add`."""
        total = self.empty(request)
        for block in points.blocks():
            self.add(block, total, request)
        return total

    def empty(self, request: Callable[[Request], Request]) -> np.ndarray:
        """A table of no charges' sums."""
        some = request(self._wanted._replace(targets=self._targets))
        return np.zeros((len(some.targets), some.potential + some.field * self._targets.shape[1]))

    def add(self, block: Block, total: np.ndarray, request: Callable[[Request], Request]) -> None:
        """Add the sums over a block, shape (n, columns), to a table: potential first, then the field's axes."""
        assert block.weights is not None
        dtype = self._targets.dtype
        for start in range(0, len(block.weights), PIECE):
            piece = slice(start, start + PIECE)
            positions, weights = block.positions[piece].astype(dtype), block.weights[piece].astype(dtype)
            whole = request(self._wanted._replace(targets=self._targets, positions=positions, weights=weights))
            count = len(whole.targets)
            at = self._mine[:count] - block.start - start
            inside = (at >= 0) & (at < len(weights)) & whole.exclude_self
            others = np.flatnonzero(~inside)
            if len(others):
                total[others] += self._rows(whole._replace(targets=whole.targets[others], exclude_self=False))
            for row in np.flatnonzero(inside):
                # Target 0 is charge 0.
                order = np.concatenate([[at[row]], np.delete(np.arange(len(weights)), at[row])])
                own = whole._replace(targets=whole.targets[row : row + 1])
                own = own._replace(positions=whole.positions[order], weights=whole.weights[order])
                total[row] += self._rows(own)[0]

    def _rows(self, request: Request) -> np.ndarray:
        found = [x if x.ndim == 2 else x[:, None] for x in self._exact.evaluate(request) if x is not None]
        return np.concatenate(found, axis=1, dtype=np.float64)


def sizes_at(name: str, count: int) -> Callable[[Request], Request]:
    """Change requests into those of the magnitudes of the terms of a result, at the first so many targets."""
    return lambda request: sizes_of(request._replace(targets=request.targets[:count]), name)


def result_of(table: np.ndarray, wanted: Request) -> Result:
    """The result that a table of sums stands for."""
    potential = table[:, 0] if wanted.potential else None
    return Result(potential, table[:, int(wanted.potential) :] if wanted.field else None)


def measure(team: Team, wanted: Request, sample: Sample, charges: Points, exact: ExactEngine) -> Measure:
    """What fast sums at a sample are measured against."""
    assert wanted.rtol is not None
    sums = ExactSums(wanted, sample, exact, team.rank)

    def magnitudes(name: str, count: int) -> np.ndarray:
        return team.total(sums.table(charges, sizes_at(name, count)))[:, 0]

    reference = result_of(team.total(sums.table(charges)), wanted)
    return Measure(wanted.rtol, sample.counts, reference, magnitudes)


def told_error(team: Team, measured: Measure, found: Result) -> float:
    """The error of sums at the sample as process 0 finds it, rounded so that the order of sums does not show."""
    error = measured.error(found)
    return float(f"{team.told(error)[0]:.{DIGITS - 1}e}")
