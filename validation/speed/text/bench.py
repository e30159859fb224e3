"""What the tables of text share: lines, and the form of a row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield.arrays import Device

from ..process_memory import Peak
from ..rows import OURS
from ..timing import CPU, Spread, few_turns

WORDS = 50_000  # different ones of made-up text
WORDS_OF_A_LINE = 12  # at most
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))


class Bench:
    """Collects rows.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s].
    place : Path
        Folder for files.
    text : Path or None
        Where lines come from.
    quick : bool
        Whether few are to be taken.
    device : Device
        Where updates compute.
    compiled : bool
        Whether PyTorch's are also compiled on a GPU.
    """

    def __init__(
        self,
        seconds: float,
        place: Path,
        text: Path | None,
        *,
        quick: bool,
        device: Device = CPU,
        compiled: bool = False,
    ):
        self.device, self.compiled = device, compiled
        self.seconds, self.place, self.quick, self._text = seconds, place, quick, text
        self.rows: list[dict[str, Any]] = []

    def lines(self, count: int) -> list[str]:
        """Some lines, without their ends."""
        if self._text is None:
            return list(made_up(count))
        with open(self._text, encoding="utf-8") as file:
            there = [line.rstrip("\n") for line in itertools.islice(file, count) if line.strip()]
        return list(itertools.islice(itertools.cycle(there), count))

    def time(self, table: str, name: str, lines: int, calls: Mapping[str, Callable[[], object]]) -> None:
        """Time ours and its peer in turns; print and keep a row."""
        spreads = few_turns(calls, self.seconds)
        own = spreads[OURS]
        print(f"{table}: {name}, {lines:,} lines")
        for way, spread in spreads.items():
            ratio = spread.median / own.median
            rate = lines / spread.median
            print(f"  {way:24}{_seconds(spread):32}{rate:14,.0f} lines/s  {ratio:6.1f} times as long as ours (medians)")
            self.rows.append(
                {
                    "table": table,
                    "name": name,
                    "way": way,
                    "lines": lines,
                    "min_s": spread.minimum,
                    "median_s": spread.median,
                    "max_s": spread.maximum,
                    "lines_per_s": rate,
                    "ratio": ratio,
                }
            )

    def weigh(self, table: str, name: str, lines: int, peaks: Mapping[str, Peak]) -> None:
        """Print and keep peak memory, over that with all packages."""
        for way, peak in peaks.items():
            print(f"  {way:24}{peak.after - peak.before:,.0f} MB at its peak, beside {peak.before:,.0f} MB before")
            self.rows.append(
                {
                    "table": f"{table} memory",
                    "name": name,
                    "way": way,
                    "lines": lines,
                    "before_mb": peak.before,
                    "after_mb": peak.after,
                }
            )


def made_up(count: int) -> Iterator[str]:
    """Lines of random words, the k-th of which is 1 / k as frequent as the first (Zipf's law)."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, len(LETTERS) + 1)
    letters = rng.choice(LETTERS, (WORDS, 10), p=shares / shares.sum())
    lengths = rng.integers(1, 11, WORDS)
    words = ["".join(row[:length]) for row, length in zip(letters, lengths, strict=True)]
    frequency = np.cumsum(1 / np.arange(1, WORDS + 1))
    for start in range(0, count, 1000):
        numbers = np.searchsorted(frequency, frequency[-1] * rng.random((min(1000, count - start), WORDS_OF_A_LINE)))
        for row, taken in zip(numbers, rng.integers(1, WORDS_OF_A_LINE + 1, len(numbers)), strict=True):
            yield " ".join([words[number] for number in row[:taken]])


def _seconds(spread: Spread) -> str:
    return " / ".join(f"{each:.3g}" for each in spread) + " s"
