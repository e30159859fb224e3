"""How often each n-gram occurs inside lines, for n from 1 to 6."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import jit

from .grams import MOST_WORDS, NO_RANKS, ORDER, grams_of, merged, needs_ranks, runs_of, symbols_of, words_of

SYMBOLS = 1 << 21  # of lines whose grams are sorted in one go

Blocks = Callable[[], Iterable[np.ndarray]]
"""Gives the codes of all lines, shape (some, L) each time, in as many passes as it is called."""


class Level(NamedTuple):
    """All n-grams of one n, in ascending order."""

    codes: np.ndarray
    """Last code of each, shape (T,)."""
    starts: np.ndarray
    """Number of the first n-gram that begins with each (n - 1)-gram, in their order; one more at the end."""
    counts: np.ndarray
    """How often each occurs, shape (T,)."""


class NGrams(NamedTuple):
    """N-grams of some lines as a tree: an n-gram is a child of the (n - 1)-gram that it begins with."""

    vocabulary: int
    """V."""
    lines: int
    """N."""
    length: int
    """L."""
    levels: list[Level]
    """For n = 1, 2, ..., :data:`~.grams.ORDER`, or L where lines are shorter."""

    def total(self, n: int) -> int:
        """How many n-grams there are, equal ones included."""
        return self.lines * max(0, self.length - n + 1)

    def counts_in(self, other: NGrams) -> list[np.ndarray]:
        """How often other lines have these n-grams: for each n an array of int64 of the shape of its ``counts``."""
        places, found = np.zeros(1, np.int64), []
        for level, there in zip(self.levels, other.levels, strict=False):
            places = _places(places, *level[:2], *there[:2])
            found.append(np.where(places < 0, 0, there.counts[places] if len(there.counts) else 0).astype(np.int64))
        return found


def count(blocks: Blocks, vocabulary: int, workers: int = 0) -> NGrams:
    """Count the n-grams of lines, none of which goes beyond its line.

    Parameters
    ----------
    blocks : callable
        Gives the codes of all lines, below ``vocabulary``, shape (some, L) each time. It is called twice for more than
        1624 codes.
    vocabulary : int
        V.
    workers : int
        Threads that sort; 0 for as many as there are cores.

    Raises
    ------
    ValueError
        If there are no lines, or more different words of three symbols than 32 bits can count.

    Notes
    -----
    Grams of some lines are sorted, and merged with others of about as many; see :mod:`.grams`. Time is O(N L log(N L)).
    Memory: 32 bytes for each different 6-gram, and some 64 MiB a thread.
    """
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        words = NO_RANKS
        if needs_ranks(vocabulary):
            found = _Counter(pool).run(blocks, words_of, vocabulary).values
            words = np.concatenate([np.zeros(1, np.uint64), found])  # the first is what lies behind the end
            if len(words) > MOST_WORDS:
                raise ValueError(f"lines: expected at most {MOST_WORDS} different words, got {len(words)}")
        counter = _Counter(pool)
        grams, counts = counter.run(blocks, grams_of, vocabulary, words)
    if not counter.lines:
        raise ValueError("lines: expected at least one")
    return NGrams(vocabulary, counter.lines, counter.length, _levels(grams, counts, vocabulary, words, counter.length))


def count_lines(codes: np.ndarray, vocabulary: int) -> NGrams:
    """Count the n-grams of lines in memory, shape (N, L), as :func:`count`."""
    step = max(1, SYMBOLS // max(1, codes.shape[1]))
    return count(lambda: (codes[start : start + step] for start in range(0, len(codes), step)), vocabulary)


class _Run(NamedTuple):
    """Numbers in ascending order, and how often each occurs."""

    values: np.ndarray
    counts: np.ndarray


class _Counter:
    """Counts numbers that are made of lines."""

    def __init__(self, pool: ThreadPoolExecutor):
        self._pool, self.lines, self.length = pool, 0, 0

    def run(self, blocks: Blocks, numbers: Callable[..., None], *told: object) -> _Run:
        """All different numbers of all lines, each with how often it occurs."""
        runs: list[_Run] = []
        for run in self._sorted(blocks, numbers, *told):
            runs.append(run)
            while len(runs) > 1 and len(runs[-2].values) <= 2 * len(runs[-1].values):
                runs.append(_merge(runs.pop(), runs.pop()))
        while len(runs) > 1:
            runs.append(_merge(runs.pop(), runs.pop()))
        return runs[0] if runs else _Run(np.zeros(0, np.uint64), np.zeros(0, np.int64))

    def _sorted(self, blocks: Blocks, numbers: Callable[..., None], *told: object) -> Iterator[_Run]:
        waiting: deque[Future[_Run]] = deque()
        for codes in self._parts(blocks):
            self.lines += len(codes)
            self.length = codes.shape[1]
            waiting.append(self._pool.submit(_run, codes, numbers, *told))
            if len(waiting) > self._pool._max_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    @staticmethod
    def _parts(blocks: Blocks) -> Iterator[np.ndarray]:
        for codes in blocks():
            step = max(1, SYMBOLS // codes.shape[1])
            for start in range(0, len(codes), step):
                yield codes[start : start + step]


def _run(codes: np.ndarray, numbers: Callable[..., None], *told: object) -> _Run:
    values = np.empty(codes.size, np.uint64)
    numbers(np.ascontiguousarray(codes), *told, values)
    values.sort()
    counts = np.empty(len(values), np.int64)
    different = runs_of(values, values, counts)
    return _Run(values[:different].copy(), counts[:different].copy())


def _merge(first: _Run, second: _Run) -> _Run:
    size = len(first.values) + len(second.values)
    values, counts = np.empty(size, np.uint64), np.empty(size, np.int64)
    different = merged(*first, *second, values, counts)
    return _Run(values[:different], counts[:different])


def _levels(grams: np.ndarray, counts: np.ndarray, vocabulary: int, words: np.ndarray, length: int) -> list[Level]:
    order = min(ORDER, length)
    sizes = np.zeros(ORDER, np.int64)
    _sizes(grams, vocabulary, words, sizes)
    largest = int(counts.sum())
    dtype = np.dtype(np.uint32 if largest < 1 << 32 else np.int64)
    levels = []
    for n in range(1, order + 1):
        size, before = int(sizes[n - 1]), int(sizes[n - 2]) if n > 1 else 1
        codes = np.empty(size, np.uint8 if vocabulary <= 256 else np.uint16)
        starts, sums = np.empty(before + 1, dtype), np.zeros(size, dtype)
        _fill(grams, counts, vocabulary, words, n, codes, starts, sums)
        levels.append(Level(codes, starts, sums))
    return levels


@jit
def _sizes(grams, vocabulary, words, sizes):
    """Add to ``sizes``, shape (ORDER,), how many different n-grams there are of each n."""
    before, symbols = np.zeros(ORDER, np.int64), np.empty(ORDER, np.int64)
    for gram in grams:
        symbols_of(gram, vocabulary, words, symbols)
        same = True
        for place in range(ORDER):
            if not symbols[place]:
                break
            same = same and symbols[place] == before[place]
            sizes[place] += not same
        before[:] = symbols


@jit
def _fill(grams, grams_counts, vocabulary, words, n, codes, starts, counts):
    """Write the level of one n."""
    before, symbols = np.zeros(ORDER, np.int64), np.empty(ORDER, np.int64)
    node, parent = -1, -1
    starts[0] = 0
    for number in range(len(grams)):
        symbols_of(grams[number], vocabulary, words, symbols)
        same = True
        for place in range(n):
            if not symbols[place]:
                break
            same = same and symbols[place] == before[place]
            if not same and place == n - 2:
                parent += 1
                starts[parent] = node + 1
            if place == n - 1:
                if not same:
                    node += 1
                    codes[node] = symbols[place] - 1
                counts[node] += grams_counts[number]
        before[:] = symbols
    starts[len(starts) - 1] = node + 1


@jit
def _places(parents, codes, starts, other_codes, other_starts):
    """Numbers that n-grams have among other ones, -1 where they are none of them.

    Parameters
    ----------
    parents : array of int64
        The same of the (n - 1)-grams.
    codes, starts, other_codes, other_starts : array
        Of both levels.
    """
    places = np.full(len(codes), -1, np.int64)
    for parent in range(len(parents)):
        if parents[parent] < 0:
            continue
        end = np.int64(other_starts[parents[parent] + 1])
        low = np.int64(other_starts[parents[parent]])
        for node in range(starts[parent], starts[parent + 1]):
            high = end
            while low < high:  # children ascend, so that the next one lies behind
                middle = (low + high) // 2
                if other_codes[middle] < codes[node]:
                    low = middle + 1
                else:
                    high = middle
            if low < end and other_codes[low] == codes[node]:
                places[node] = low
    return places
