"""Points in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

BLOCK = 2**21  # points in memory that are worked on together: what is computed for them takes some 100 MB


class Block(NamedTuple):
    """Some consecutive points of a process."""

    start: int
    """Number of the first."""
    positions: np.ndarray
    """Shape (count, m) [length]."""
    weights: np.ndarray | None
    """Shape (count,) [charge]; None for targets."""

    @property
    def rows(self) -> slice:
        """Which of the process's points they are."""
        return slice(self.start, self.start + self.positions.shape[0])


class Points(Protocol):
    """The points of a process, in blocks."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def dimension(self) -> int:
        """Their coordinates."""

    @property
    def dtype(self) -> np.dtype:
        """That of blocks."""

    def blocks(self) -> Iterator[Block]:
        """All points, in order; none is empty."""


class Held:
    """Points in memory.

    Parameters
    ----------
    positions, weights
        As in :class:`Block`.
    bounds : sequence of int, optional
        Where blocks begin, and the end of the last.
    """

    def __init__(self, positions: np.ndarray, weights: np.ndarray | None = None, bounds: Sequence[int] | None = None):
        self.positions, self.weights = positions, weights
        self.count, self.dimension = positions.shape
        self.dtype = positions.dtype
        self.bounds = [*range(0, self.count, BLOCK), self.count] if bounds is None else bounds

    def blocks(self) -> Iterator[Block]:
        """Views of the arrays."""
        for start, stop in pairwise(self.bounds):
            if stop > start:
                weights = None if self.weights is None else self.weights[start:stop]
                yield Block(start, self.positions[start:stop], weights)
