"""What the processes of a training do together, where there is one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from coulombfield.arrays import Array, Device

T = TypeVar("T")


@dataclass(frozen=True)
class Shares:
    """How many of some samples each rank has; those of rank 0 come first.

    Attributes
    ----------
    counts : tuple of int
        By rank [samples].
    rank : int
        Whose own share this is.
    """

    counts: tuple[int, ...]
    rank: int

    @cached_property
    def whole(self) -> int:
        """All samples."""
        return sum(self.counts)

    @property
    def own(self) -> int:
        """Samples of this rank."""
        return self.counts[self.rank]

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """Share of each rank in a mean over all samples."""
        return tuple(count / self.whole for count in self.counts)

    @cached_property
    def rows(self) -> slice:
        """Where this rank's samples are among all."""
        starts = [0, *itertools.accumulate(self.counts)]
        return slice(starts[self.rank], starts[self.rank + 1])

    @property
    def even(self) -> bool:
        """Whether all ranks have as many."""
        return len(set(self.counts)) == 1


class Ranks:
    """One process, which has the whole of everything.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0 on, and how many there are.
    local : int
        Number of this process among those of its machine.
    """

    rank, size, local = 0, 1, 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    def shares(self, count: int) -> Shares:
        """Parts of so many samples, as equal as can be: the first ranks have one more where there is a remainder.

        Raises
        ------
        ValueError
            If there are fewer samples than ranks.
        """
        if count < self.size:
            raise ValueError(f"expected at least a sample for each of the {self.size} ranks, got {count}")
        least, more = divmod(count, self.size)
        return Shares(tuple(least + (rank < more) for rank in range(self.size)), self.rank)

    def mean_(self, array: Array, shares: Shares) -> Array:
        """Replace an array of means over each rank's samples by that over all samples, in place.

        The ranks' arrays are added in the order of their ranks, each times its share: the result has the same bits in
        every run with as many ranks, and on each of them.
        """
        return array

    def gathered(self, array: Array) -> Array:
        """That array of every rank, of one shape everywhere: (size, ...)."""
        return array[None]

    def rows(self, array: Array, shares: Shares) -> Array:
        """All samples, shape (whole, ...), of each rank's own (own, ...)."""
        return array

    def any(self, flag: bool) -> bool:
        """Whether it holds on any rank."""
        return flag

    def objects(self, value: T) -> list[T]:
        """What each rank says."""
        return [value]

    def together(self, work: Callable[[], T]) -> T:
        """Do something on each rank by itself; what the user can mend on any of them is raised on all."""
        return work()

    def on_first(self, work: Callable[[], T]) -> T:
        """Result of something that rank 0 does while the others wait; so are its errors."""
        return work()

    def describe(self, batch: int, device: Device) -> str:
        """How the work is divided, for people; empty where it is not."""
        return ""


ALONE = Ranks()


class Exchange:
    """What batch-norms over all ranks need: see :class:`nets.layers.batchnorm.Exchange`.

    Parameters
    ----------
    ranks : Ranks
        Who has a part.
    shares : Shares
        How large each is.
    """

    def __init__(self, ranks: Ranks, shares: Shares):
        self.rank, self.weights, self.gathered = ranks.rank, shares.weights, ranks.gathered
