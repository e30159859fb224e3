"""Threads for loops in which each part is computed by itself, so that any division gives the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coulombfield.threads import share

WORTH = 2**18
"""Numbers from which on threads pay: some tens of microseconds of work each."""


def share_numbers(work: Callable[[int, int], object], count: int, numbers: int) -> None:
    """Call ``work(start, stop)`` for parts of range(count), in threads if these hold many ``numbers``."""
    if numbers < WORTH:
        work(0, count)
    else:
        share(work, count)


def share_rows(work: Callable[..., object], arrays: Sequence[np.ndarray], *settings: Any) -> None:
    """Call ``work(*arrays, *settings)``, where the first array is large for parts of all along their first axis."""
    if arrays[0].size < WORTH:
        work(*arrays, *settings)
    else:
        share(lambda start, stop: work(*[array[start:stop] for array in arrays], *settings), len(arrays[0]))
