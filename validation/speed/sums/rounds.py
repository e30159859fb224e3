"""Timing calls that take from microseconds to minutes, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..timing import Spread, Timer, seconds_a_call

FEWEST, MOST = 3, 20  # blocks of a call that is not too long
LONGEST_BLOCK = 0.25  # [s]


def in_turns(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    known: Mapping[str, float],
    timer: Timer = seconds_a_call,
) -> dict[str, Spread]:
    """Time calls that have been made once already, so that a disturbance of the machine falls on all of them.

    Parameters
    ----------
    calls : mapping from str to callable
        What to time.
    seconds : float
        Time to spend on each [s]. A call that takes longer is timed once.
    known : mapping from str to float
        Seconds of earlier calls that did nothing but their work; one that took longer than ``seconds`` stays alone.
    timer : callable
        By which clock, as :func:`..timing.timer_of` gives it.
    """
    blocks: dict[str, list[float]] = {}
    repeats, left = {}, {}
    for name, call in calls.items():
        once = known.get(name, 0.0)
        if once <= seconds:
            once = timer(call, 1)
            if 2 * once <= seconds:  # a single short call tells little
                once = min(once, timer(call, 1))
        repeats[name] = max(1, round(min(LONGEST_BLOCK, seconds / FEWEST) / once))
        left[name] = 0 if once > seconds else min(MOST, max(FEWEST, round(seconds / (once * repeats[name]))))
        blocks[name] = [] if left[name] else [once]
    while any(left.values()):
        for name, call in calls.items():
            if left[name]:
                blocks[name].append(timer(call, repeats[name]))
                left[name] -= 1
    return {name: Spread.of(times) for name, times in blocks.items()}
