"""The processes that points are spread over, as sums see them: so few things that one process is a team as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

T = TypeVar("T")


class Team(Protocol):
    """Processes that all call the same in the same order."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0 on."""

    @property
    def size(self) -> int:
        """How many there are."""

    def told(self, value: T) -> list[T]:
        """What each process says, by its number: small things of any kind."""

    def decided(self, make: Callable[[], T]) -> T:
        """What process 0 makes, for all; if it raises, all do."""

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum of the processes' arrays, with the same bits for all."""


class Alone:
    """One process."""

    rank, size = 0, 1

    def told(self, value: Any) -> list[Any]:
        """What it says."""
        return [value]

    def decided(self, make: Callable[[], Any]) -> Any:
        """What it makes."""
        return make()

    def total(self, array: np.ndarray) -> np.ndarray:
        """The array itself."""
        return array
