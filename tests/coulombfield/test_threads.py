"""Sharing of work among threads where these are few, busy or can't be had."""

import gc
import threading
import time
import weakref

import numba
import pytest

from coulombfield import threads


@pytest.fixture
def few_threads(monkeypatch):
    """Four threads are asked for, but only so many can be started."""
    monkeypatch.setattr(numba, "get_num_threads", lambda: 4)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)
    started, start = [], threading.Thread.start

    def limit(most):
        def start_or_not(thread):
            if len(started) == most:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_not)

    threads._forget()
    yield limit
    threads._forget()


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_every_part_is_done_once_however_few_threads_there_are(few_threads, most):
    few_threads(most)
    for _ in range(3):
        done = []

        def work(start, stop, done=done):
            time.sleep(0.001)
            done.extend(range(start, stop))

        threads.share(work, 37)
        assert sorted(done) == list(range(37))  # by all threads: none is still at it


def test_an_error_comes_through_where_no_thread_can_be_started(few_threads):
    few_threads(0)
    with pytest.raises(ZeroDivisionError):
        threads.share(lambda start, stop: 1 // 0, 8)


@pytest.mark.slow
def test_work_that_no_thread_came_for_is_not_kept(few_threads):
    few_threads(0)

    class Work:
        def __call__(self, start, stop):
            pass

    work = Work()
    threads.share(work, 8)
    held = weakref.ref(work)
    del work
    gc.collect()
    assert held() is None
