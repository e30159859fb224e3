"""Threads for loops compiled by Numba without the GIL.

Numba's own ``prange`` takes no nested tuple, such as a sum of two kernels, and compiles each loop a second time.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import threadpoolctl

PIECES = 4  # for each thread, so that one whose processor has other work does less

_pool: ThreadPoolExecutor | None = None


def share(work: Callable[[int, int], object], count: int) -> None:
    """Call ``work(start, stop)`` for consecutive parts of range(count), as many at a time as Numba may have threads.

    Raises
    ------
    Exception
        What a call of ``work`` raises.
    """
    threads = min(numba.get_num_threads(), count)
    if threads <= 1:
        work(0, count)
        return
    pieces = min(count, PIECES * threads)
    bounds = [count * piece // pieces for piece in range(pieces + 1)]
    waiting = iter(list(itertools.pairwise(bounds)))

    def take_turns() -> None:
        for start, stop in waiting:  # next() of a list's iterator is atomic
            work(start, stop)

    futures = [_executor().submit(take_turns) for _ in range(threads - 1)]
    try:
        take_turns()
    finally:
        for future in futures:
            if not future.cancel():  # one that has not begun, because all threads are busy, has nothing left to do
                future.result()


def lone_products() -> contextlib.AbstractContextManager:
    """Let each matrix product run in one thread: for products that :func:`share` computes side by side.

    A product then has the same bits however many threads there are.
    """
    return _controller().limit(limits=1, user_api="blas")


@functools.cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()  # looks through all loaded libraries, for milliseconds


def _executor() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        _pool = ThreadPoolExecutor(max(1, most - 1), thread_name_prefix="coulombfield")
    return _pool


def _forget() -> None:
    """In a forked child the pool's threads are not there."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
