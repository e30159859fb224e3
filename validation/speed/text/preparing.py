"""``data prepare text``, against reading, counting and encoding with dictionaries."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import get_args

import h5py
import numpy as np

from experiments.sources import text as source
from experiments.text import LENGTH, VOCABULARY, StoredText, Unit, prepare

from ..rows import OURS
from . import memory
from .bench import Bench

PEER = "dictionary"
COUNT, QUICK_COUNT = 300_000, 2_000


def run(bench: Bench) -> None:
    """Time both with each unit, and measure the memory of ours in a process of its own.

    Raises
    ------
    RuntimeError
        If they make other codes.
    """
    count = QUICK_COUNT if bench.quick else COUNT
    file, out, peer = (bench.place / name for name in ("lines.txt", "ours.h5", "peer.h5"))
    file.write_text("".join(f"{line}\n" for line in bench.lines(count)), encoding="utf-8")
    for unit in get_args(Unit):
        ours(file, unit, out)
        by_dictionary(file, unit, peer)
        with h5py.File(peer) as other:
            if not np.array_equal(StoredText(out).codes(0, count), other["codes"][:]):
                raise RuntimeError("the dictionary makes other codes")
        name = f"a file of {file.stat().st_size / 1e6:.0f} MB, {unit}"
        calls = {OURS: partial(ours, file, unit, out), PEER: partial(by_dictionary, file, unit, peer)}
        bench.time("preparing", name, count, calls)
        peaks = {way: memory.measure("preparing", way, file, unit) for way in calls}
        bench.weigh("preparing", name, count, peaks)


def ours(file: Path, unit: Unit, out: Path) -> None:
    """Make a prepared file."""
    out.unlink(missing_ok=True)
    prepare(source.open_lines(file, ""), out, "text", unit)


def by_dictionary(file: Path, unit: Unit, out: Path) -> None:
    """Preparation as a short program does it, with all lines in memory."""
    content = file.read_bytes()
    whole: str | bytes = content.decode() if unit == "characters" else content
    padding: str | int = "`" if unit == "characters" else ord("`")
    end: str | bytes = "\n" if unit == "characters" else b"\n"
    lines = [[*line[:LENGTH]] for line in whole.split(end) if line.strip()]  # type: ignore[arg-type]
    lines = [line + [padding] * (LENGTH - len(line)) for line in lines]
    counts: Counter[str | int] = Counter()
    for line in lines:
        counts.update(line)
    kept = sorted(sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[: VOCABULARY - 1])
    code_of = {symbol: code for code, symbol in enumerate(kept, 1)}
    codes = np.array([[code_of.get(symbol, 0) for symbol in line] for line in lines], np.uint16)
    with h5py.File(out, "w") as made:
        made["codes"] = codes
