"""Timing calls that take from microseconds to half a minute, in turns, the long ones no more often than needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .timing import BLOCK_SECONDS, Spread, Timer, seconds_a_call

FEWEST = 3  # blocks, so that even the longest call has a spread
LONG = 0.5  # [s]; of two ways to do the same, the slower is not timed again
HOPELESS = 1.25  # times as long as the other way: too slow to be the better one
COLD = 2.0  # [s]; so long a call of a library that compiles nothing is timed from the first on


def take_turns(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    rivals: tuple[str, ...] = (),
    timer: Timer = seconds_a_call,
) -> dict[str, Spread]:
    """Time several calls block by block in turns, so that a disturbance of the machine falls on all of them.

    Parameters
    ----------
    calls : mapping from str to callable
        What to time. Each is called once before, which compiles, allocates and warms the caches.
    seconds : float
        Time to spend on each [s]; three blocks are timed in any case.
    rivals : tuple of str
        Calls that compile nothing, and of which only the best counts: one that is long and much slower than another
        keeps the time of its first call, and the first of very long ones is the first that counts.
    timer : callable
        By which clock, as :func:`.timing.timer_of` gives it.
    """
    warm = {name: timer(call, 1) for name, call in calls.items()}
    best = min((warm[name] for name in rivals), default=0.0)
    slow = {name for name in rivals if warm[name] > max(LONG, HOPELESS * best)}
    counted = slow | {name for name in rivals if warm[name] > COLD}
    first = {name: warm[name] if name in counted else timer(call, 1) for name, call in calls.items()}
    block = min(BLOCK_SECONDS, seconds / FEWEST)
    repeats = {name: max(1, round(block / once)) for name, once in first.items()}
    count = {name: max(FEWEST, round(seconds / (first[name] * repeats[name]))) for name in calls}
    count |= dict.fromkeys(slow, 1)
    blocks = {name: [first[name]] if repeats[name] == 1 else [] for name in calls}
    for _ in range(max(count.values())):
        for name, call in calls.items():
            if len(blocks[name]) < count[name]:
                blocks[name].append(timer(call, repeats[name]))
    return {name: Spread.of(times) for name, times in blocks.items()}
