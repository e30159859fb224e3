"""Timing on a noisy machine: blocks of calls, in turns, and their spread; by the clock, or on a GPU by its events."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from coulombfield.arrays import Device

BLOCK_SECONDS = 0.25
CPU = Device(np, "cpu")

Timer = Callable[[Callable[[], object], int], float]
"""Mean time of a call that is made so many times in a row [s]."""


class Spread(NamedTuple):
    """Seconds a call: the fastest, the middle and the slowest of the timed blocks."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Spread:
        """Spread of some times."""
        return cls(min(times), statistics.median(times), max(times))

    def __str__(self) -> str:
        return " / ".join(f"{1e3 * seconds:.3f}" for seconds in self) + " ms"


def seconds_a_call(call: Callable[[], object], repeats: int) -> float:
    """Mean time of a call made that many times in a row [s]."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def kind_of(device: Device) -> str:
    """What ``--device`` calls it: ``cpu`` or ``cuda``."""
    return "cpu" if device.xp is np else "cuda"


def timer_of(device: Device) -> Timer:
    """How calls are timed where they compute: by the clock, or on a GPU by CUDA events."""
    return seconds_a_call if device.xp is np else functools.partial(seconds_by_events, device.xp.cuda)


def seconds_by_events(cuda: Any, call: Callable[[], object], repeats: int) -> float:
    """Mean time of a call made that many times in a row, between two events of the current stream [s].

    The GPU has nothing else to do when the first event comes, and has done everything before the time is taken. A call
    that computes on streams of its own has to wait for them, or its work would not count.

    Parameters
    ----------
    cuda : module
        ``cupy.cuda``.
    call, repeats
        What is timed.
    """
    start, end = cuda.Event(), cuda.Event()
    cuda.runtime.deviceSynchronize()

    def between() -> None:
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        cuda.runtime.deviceSynchronize()

    seconds = seconds_a_call(between, 1)
    # The events of a stand-in for a GPU tell no time.
    return (1e-3 * cuda.get_elapsed_time(start, end) or seconds) / repeats


def take_turns(
    calls: Mapping[str, Callable[[], object]], seconds: float, timer: Timer = seconds_a_call
) -> dict[str, Spread]:
    """Time several calls block by block in turns, so that a disturbance of the machine falls on all of them.

    Parameters
    ----------
    calls : mapping from str to callable
        What to time.
    seconds : float
        Time to spend on each [s].
    timer : callable
        By which clock, as :func:`timer_of` gives it.
    """
    repeats = {name: repeats_of(call, timer) for name, call in calls.items()}
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(max(3, round(seconds / BLOCK_SECONDS))):
        for name, call in calls.items():
            blocks[name].append(timer(call, repeats[name]))
    return {name: Spread.of(times) for name, times in blocks.items()}


def few_turns(
    calls: Mapping[str, Callable[[], object]], seconds: float, fewest: int = 3, timer: Timer = seconds_a_call
) -> dict[str, Spread]:
    """Time calls of many seconds one by one in turns, as :func:`take_turns` does short ones in blocks.

    Parameters
    ----------
    calls : mapping from str to callable
        What to time, in the order in which they are made, so that one may use what an earlier one has left.
    seconds : float
        Time to spend on each [s].
    fewest : int
        Calls of each, at least.
    timer : callable
        By which clock.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    start, turns = time.perf_counter(), 0
    while turns < fewest or time.perf_counter() - start < seconds * len(calls):
        for name, call in calls.items():
            times[name].append(timer(call, 1))
        turns += 1
    return {name: Spread.of(taken) for name, taken in times.items()}


@contextlib.contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Have the BLAS libraries use so many threads, as a run has them by ``training.blas_threads``.

    Raises
    ------
    RuntimeError
        If one of them does not, so that something else would be measured.
    """
    with threadpool_limits(count, user_api="blas"):
        for pool in threadpool_info():
            if pool["user_api"] == "blas" and pool["num_threads"] != count:
                raise RuntimeError(f"{pool['filepath']}: asked for {count} threads, has {pool['num_threads']}")
        yield


def sgemm_rate(seconds: float = 1.0) -> float:
    """Rate of NumPy's float32 matrix product at a size that suits it [operations/s]."""
    side = 1024
    a, out = np.ones((side, side), np.float32), np.empty((side, side), np.float32)
    spread = take_turns({"sgemm": lambda: np.matmul(a, a, out=out)}, seconds)["sgemm"]
    return 2 * side**3 / spread.median


def repeats_of(call: Callable[[], object], timer: Timer = seconds_a_call) -> int:
    """How often to make a call in a block, after a first one."""
    call()  # compiles, allocates and warms the caches
    return max(1, round(BLOCK_SECONDS / timer(call, 3)))
