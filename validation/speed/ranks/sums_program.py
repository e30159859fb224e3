"""Times of sums over the ranks that this is started on; rank 0 prints them as JSON."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import coulombfield as cf
from coulombfield import parallel
from coulombfield.parallel.ranks import Ranks

METHODS: dict[str, dict[str, Any]] = {
    "simd": {"kernel": cf.Plummer(3.0, 1.0), "rtol": None, "dtype": "f4"},
    "nufft": {"kernel": cf.Plummer(3.0, 3.0), "rtol": 1e-6, "dtype": "f8"},
    "split": {"kernel": cf.Plummer(3.0, 0.03), "rtol": 1e-6, "dtype": "f8"},
}
FEWEST = 3
BYTES = 2**26


class Timed(Ranks):
    """Ranks that take the time which is spent on exchanging anything, waiting for others included."""

    spent = 0.0

    def told(self, value: Any) -> Any:
        """As it is."""
        return self._timed(super().told, value)

    def decided(self, make: Callable[[], Any]) -> Any:
        """As it is: rank 0's time of making is waiting for the others."""
        return self._timed(super().decided, make) if self.rank else super().decided(make)

    def total(self, array: np.ndarray) -> np.ndarray:
        """As it is."""
        return self._timed(super().total, array)

    def exchanged(self, rows: np.ndarray, counts: np.ndarray) -> Any:
        """As it is."""
        return self._timed(super().exchanged, rows, counts)

    def ring(self, own: np.ndarray, sizes: list[int]) -> Iterator[Any]:
        """As it is."""
        turns = super().ring(own, sizes)
        while (turn := self._timed(next, turns, None)) is not None:
            yield turn

    def _timed(self, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.spent += time.perf_counter() - start


def times(method: str, count: int, seconds: float, alone: bool) -> dict[str, Any]:
    """Least time of a sum over ``count`` charges of all ranks at their own places, and what was spent on exchange."""
    ranks, how = Timed(), METHODS[method]
    rng = np.random.default_rng(0)
    rows = slice(count * ranks.rank // ranks.size, count * (ranks.rank + 1) // ranks.size)
    points = rng.uniform(-21, 21, (count, 2)).astype(how["dtype"])[rows].copy()
    weights = rng.choice([-1.0, 1.0], count).astype(how["dtype"])[rows] / count
    charges = cf.Charges(points, weights.astype(how["dtype"]))
    options = {"rtol": how["rtol"], "method": method}

    def call() -> None:
        if alone:
            cf.potential_and_field(points, charges, how["kernel"], **options)
        else:
            parallel.potential_and_field(points, charges, how["kernel"], comm=ranks, **options)

    call()
    found: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while len(found) < FEWEST or max(ranks.told(time.perf_counter() - begin)) < seconds:
        ranks.comm.Barrier()
        ranks.spent, start = 0.0, time.perf_counter()
        call()
        ranks.comm.Barrier()
        found.append((time.perf_counter() - start, ranks.spent))
    least, spent = min(found)
    return {"seconds": least, "exchange": sum(ranks.told(spent)) / ranks.size}


def messages() -> dict[str, Any]:
    """Bandwidth of a large message to the next rank [bytes/s], and the time of a small thing told to all [s]."""
    ranks = Ranks()
    own, coming = np.ones(BYTES, np.uint8), np.empty(BYTES, np.uint8)
    large, small = [], []
    for _ in range(8):
        ranks.comm.Barrier()
        start = time.perf_counter()
        ranks.comm.Sendrecv(own, (ranks.rank + 1) % ranks.size, recvbuf=coming, source=(ranks.rank - 1) % ranks.size)
        large.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(100):
            ranks.told(1)
        small.append((time.perf_counter() - start) / 100)
    return {"bandwidth": BYTES / min(large), "latency": min(small)}


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    calls = {"messages": messages} | {name: functools.partial(times, name) for name in METHODS}
    answer = calls[what](*((int(rest[0]), float(rest[1]), rest[2] == "alone") if rest else ()))
    if Ranks().rank == 0:
        print(json.dumps(answer), flush=True)
