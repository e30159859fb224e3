"""Counting the n-grams of lines, n from 1 to 6, against a dictionary of strings."""

from __future__ import annotations

from collections import Counter

import numpy as np

from experiments.text import Alphabet
from experiments.text.grams import ORDER
from experiments.text.ngrams import NGrams, count_lines

from ..rows import OURS
from . import memory
from .bench import Bench

PEER = "dictionary"
LENGTH = 32
COUNT, QUICK_COUNT = 1_000_000, 2_000


def run(bench: Bench) -> None:
    """Time both, and measure the memory of each in a process of its own.

    Raises
    ------
    RuntimeError
        If they count otherwise.
    """
    count = QUICK_COUNT if bench.quick else COUNT
    lines = bench.lines(count)
    codes, vocabulary = encoded(lines)
    cut = [line[:LENGTH].ljust(LENGTH, "`") for line in lines]
    expect_same(count_lines(codes[:QUICK_COUNT], vocabulary), by_dictionary(cut[:QUICK_COUNT]))
    name = f"n-grams, n = 1 to {ORDER}, V = {vocabulary}"
    calls = {OURS: lambda: count_lines(codes, vocabulary), PEER: lambda: by_dictionary(cut)}
    bench.time("counting", name, count, calls)
    file = bench.place / "codes.npy"
    np.save(file, codes)
    peaks = {way: memory.measure("counting", way, file, str(vocabulary)) for way in calls}
    bench.weigh("counting", name, count, peaks)


def encoded(lines: list[str]) -> tuple[np.ndarray, int]:
    """Codes, and how many there are, of lines whose every character has one."""
    points = sorted({ord(each) for each in set("".join(lines)) | {"`"}})
    alphabet = Alphabet("characters", np.array([-1, *points]))
    return alphabet.encode(lines, LENGTH), len(alphabet)


def by_dictionary(lines: list[str]) -> list[Counter[str]]:
    """Counts as a short program makes them."""
    found: list[Counter[str]] = []
    for n in range(1, ORDER + 1):
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update([line[start : start + n] for start in range(len(line) - n + 1)])
        found.append(counts)
    return found


def expect_same(found: NGrams, expected: list[Counter[str]]) -> None:
    """Raise RuntimeError where both have other counts."""
    for level, counts in zip(found.levels, expected, strict=True):
        if sorted(level.counts.tolist()) != sorted(counts.values()):
            raise RuntimeError("the dictionary counts other n-grams")
