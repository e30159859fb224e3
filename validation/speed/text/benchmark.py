"""Text: counting n-grams and preparing data against plain Python with dictionaries, updates against eager PyTorch.

Each table is a file here with ``run(bench)``, named in :data:`TABLES`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield.arrays import Device

from ..rows import ELSEWHERE
from ..timing import CPU
from . import counting, preparing, updates
from .bench import Bench


def _of_updates(name: str) -> Callable[[Bench], None]:
    def table(bench: Bench) -> None:
        rows = updates.run(bench.seconds, only=(name,), quick=bench.quick, device=bench.device, compiled=bench.compiled)
        bench.rows.extend(rows)

    return table


TABLES: dict[str, Callable[[Bench], None]] = {
    "counting": counting.run,
    "preparing": preparing.run,
    **{name: _of_updates(name) for name in updates.TABLES},
}


HOST = ("counting", "preparing", "agreement")
"""Tables of what a GPU has no part in, and of what is compared on the host."""


def names() -> tuple[str, ...]:
    """What ``--only`` takes."""
    return tuple(TABLES)


def run(
    seconds: float,
    *,
    only: Sequence[str] = (),
    quick: bool = False,
    text: Path | None = None,
    device: Device = CPU,
    compiled: bool = False,
) -> list[dict[str, Any]]:
    """Time, print, and return a row for each timing.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; at least three calls are timed.
    only : sequence of str
        Which of :func:`names`.
    quick : bool
        Few lines, for a look at whether all works.
    text : Path, optional
        A file of UTF-8 whose lines are taken, over again if they are too few; by default words are made up, of which
        few are frequent.
    device : Device
        Where updates compute; lines are counted and prepared on a CPU.
    compiled : bool
        On a GPU, also time compiled PyTorch.
    """
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(seconds, Path(place), text, quick=quick, device=device, compiled=compiled)
        for name, table in TABLES.items():
            if only and name not in only:
                continue
            if device.xp is not np and name in HOST:
                print(f"{name}: {ELSEWHERE}")
            else:
                table(bench)
    return bench.rows
