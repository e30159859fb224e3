"""Threads for loops compiled by Numba without the GIL.

Numba's own ``prange`` takes no nested tuple, such as a sum of two kernels, and compiles each loop a second time. Its
threads also end a forked process where they are those of GNU OpenMP, and any process in which two threads of Python use
them at once where they are Numba's own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numba
import threadpoolctl

PIECES = 4  # for each thread, so that one whose processor has other work does less

_pool: ThreadPoolExecutor | None = None


def share(work: Callable[[int, int], object], count: int) -> None:
    """Call ``work(start, stop)`` for consecutive parts of range(count), as many at a time as Numba may have threads.

    Where no more threads can be started, those that are there do it, and be it the caller alone.

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

    helpers = _ask_for_help(take_turns, threads - 1)
    try:
        take_turns()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun, because all threads are busy, has nothing left to do
                helper.result()


def _ask_for_help(task: Callable[[], object], threads: int) -> list[Future]:
    """Have other threads do a task too; what becomes of each."""
    helpers: list[Future] = []

    def help_out(helper: Future) -> None:
        if helper.set_running_or_notify_cancel():
            try:
                helper.set_result(task())
            except BaseException as error:
                helper.set_exception(error)

    try:
        for _ in range(threads):
            # Not the pool's own, which it keeps to itself where it takes the task in but can't start a thread for it.
            helpers.append(Future())
            _executor().submit(help_out, helpers[-1])
    except RuntimeError:  # no thread can be started, or Python is ending
        _forget()  # with the tasks that nobody may ever come for
    return helpers


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
    """Begin with another pool next time: in a forked child this one's threads are not there."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
