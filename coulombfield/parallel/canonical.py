"""Charges in an order of their own, in fixed blocks: the same for any number of ranks, however they were spread.

The order is that of the charges' hashes (:mod:`coulombfield.scattered.hashes`), and where these are the same that of
their values. The hashes' range is cut into a power of two of equal parts, as many as the number of all charges tells;
each is a block. A rank gets consecutive blocks, so that each charge is sent once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..scattered.hashes import hashes_of
from ..scattered.points import Held
from .ranks import Ranks

FEWEST, CHARGES = 2**6, 2**20
"""Blocks, at least, and the most charges of a block on average: more ranks than blocks would not share the work."""


class Canonical(NamedTuple):
    """A rank's charges in the common order, and the way back."""

    charges: Held
    """With blocks as bounds, of which some may be empty."""
    same: np.ndarray
    """For each charge the number of the first that is like it, shape (count,)."""
    counts: np.ndarray
    """How many came from each rank, shape (ranks,)."""
    places: np.ndarray
    """Where each that came is in the order, shape (count,)."""
    sent: np.ndarray
    """Which of this rank's charges were sent, in the order in which they were, shape (own,)."""

    def back(self, ranks: Ranks, rows: np.ndarray) -> np.ndarray:
        """Rows, one for each charge in the common order, as rows for this rank's own charges."""
        coming, _ = ranks.exchanged(rows[self.places], self.counts)
        found = np.empty_like(coming)
        found[self.sent] = coming
        return found


def blocks_for(count: int) -> int:
    """How many blocks there are for so many charges of all ranks."""
    return max(FEWEST, 2 ** math.ceil(math.log2(max(1.0, count / CHARGES))))


def owned(blocks: int, size: int) -> np.ndarray:
    """For each rank the number of its first block, and the number of all, shape (size + 1,)."""
    return np.arange(size + 1) * blocks // size


def canonical(ranks: Ranks, positions: np.ndarray, weights: np.ndarray, total: int) -> Canonical:
    """Send all charges to the ranks that have them in the common order; ``total`` is the number of all."""
    blocks = blocks_for(total)
    first = owned(blocks, ranks.size)
    shift = np.uint64(64 - int(math.log2(blocks)))
    of_rank = np.searchsorted(first, hashes_of(positions, weights) >> shift, side="right") - 1
    sent = np.argsort(of_rank, kind="stable")
    rows = np.column_stack([positions, weights])[sent]
    rows, counts = ranks.exchanged(rows, np.bincount(of_rank, minlength=ranks.size))
    positions, weights = np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])
    order, hashes = ordered(positions, weights)
    positions, weights = positions[order], weights[order]
    bounds = np.searchsorted(hashes >> shift, np.arange(first[ranks.rank], first[ranks.rank + 1] + 1).astype(np.uint64))
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    held = Held(positions, weights, bounds.tolist())
    return Canonical(held, first_like(positions, weights, hashes), counts, places, sent)


def ordered(positions: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of charges in the common order, and their hashes in that order."""
    hashes = hashes_of(positions, weights)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    if len(hashes) and np.any(hashes[1:] == hashes[:-1]):  # copies mostly: of different charges hardly ever
        order = np.lexsort((weights, *positions.T, hashes_of(positions, weights)))
    return order, hashes


def first_like(positions: np.ndarray, weights: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """For each charge in the common order the number of the first with the same values."""
    numbers = np.arange(len(hashes))
    if len(hashes):
        like = hashes[1:] == hashes[:-1]
        like &= (positions[1:] == positions[:-1]).all(axis=1) & (weights[1:] == weights[:-1])
        numbers[1:][like] = 0
        np.maximum.accumulate(numbers, out=numbers)
    return numbers
