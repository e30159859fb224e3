"""What is recorded on a GPU and launched again: by a GPU, and by arrays of NumPy whose additions wait for a launch."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from coulombfield import graphs
from coulombfield.graphs import Recorded, refusal


class Stream:
    """Keeps what is done while it records; a graph does it again."""

    def __init__(self, module):
        self.module, self.kept = module, None

    def __enter__(self):
        self.module.streams.append(self)

    def __exit__(self, *_):
        self.module.streams.pop()

    def begin_capture(self, mode):
        assert mode == "relaxed"
        assert self.kept is None
        self.kept = []
        self.module.recordings += 1

    def end_capture(self):
        done, self.kept = self.kept, None
        self.module.recordings -= 1
        if self.module.breaks:
            raise RuntimeError("invalidated")

        def launch(stream=None):
            assert stream in (None, self.module.streams[0])
            for call in done:
                call()

        return SimpleNamespace(launch=launch)


class Module:
    """As much of CuPy as recording needs: additions, of which a stream that records keeps note instead."""

    ndarray = np.ndarray
    copyto = staticmethod(np.copyto)
    ones = staticmethod(np.ones)

    def __init__(self, *, breaks=False, forgets=False):
        self.breaks, self.forgets = breaks, forgets
        self.allocators = ["everyone's"]
        self.streams = [Stream(self)]
        self.recordings = 0
        self.cuda = SimpleNamespace(
            Stream=lambda non_blocking: Stream(self),
            get_current_stream=lambda: self.streams[-1],
            get_allocator=lambda: self.allocators[-1],
            using_allocator=self.using_allocator,
            MemoryPool=lambda: SimpleNamespace(malloc="its own"),
            runtime=SimpleNamespace(streamCaptureModeRelaxed="relaxed"),
        )

    @contextlib.contextmanager
    def using_allocator(self, allocator):
        self.allocators.append(allocator)
        try:
            yield
        finally:
            self.allocators.pop()

    def add(self, array, other, out):
        kept = self.streams[-1].kept
        if kept is None or self.forgets:
            np.add(array, other, out=out)
        else:
            kept.append(lambda: np.add(array, other, out=out))
        return out


def memory(xp):
    return xp.cuda.MemoryPool()


@pytest.fixture
def module():
    return Module()


def test_a_call_is_done_once_when_it_is_recorded_and_again_with_each_launch(module):
    x, y = np.zeros(2), np.zeros(2)

    def call(_):
        assert module.allocators[-1] == "its own"
        return module.add(x, 1, x), module.add(y, x, y)

    recorded = Recorded(module, call, memory(module))
    assert recorded.result[0] is x
    np.testing.assert_array_equal(x, 1)
    recorded()
    recorded()
    np.testing.assert_array_equal(x, 3)
    np.testing.assert_array_equal(y, 1 + 2 + 3)
    assert module.allocators == ["everyone's"]
    assert len(module.streams) == 1


def test_what_is_aside_is_called_again_in_its_place(module):
    x, total = np.zeros(1), np.zeros(1)
    length = 10.0
    seen = []

    def at_length():
        assert module.allocators[-1] == "everyone's"
        assert module.streams[-1] is module.streams[0]
        seen.append(float(x[0]))
        return length * x, None, length

    def call(recording):
        module.add(x, 1, x)
        value, nothing, first_length = recording.aside(at_length)
        assert nothing is None
        assert first_length == 10
        return module.add(total, value, total), value

    recorded = Recorded(module, call, memory(module))
    value = recorded.result[1]
    np.testing.assert_array_equal(total, 10)
    length = 100.0
    recorded()
    assert seen == [1, 2]
    np.testing.assert_array_equal(value, 200)
    np.testing.assert_array_equal(total, 210)


def test_one_array_aside(module):
    x, total = np.zeros(1), np.zeros(1)
    recorded = Recorded(module, lambda r: module.add(total, r.aside(lambda: x + 1), total), memory(module))
    x[0] = 5
    recorded()
    np.testing.assert_array_equal(total, 7)


@pytest.mark.parametrize("breaks", [False, True])
def test_an_error_ends_the_recording_and_is_what_the_caller_sees(breaks):
    module = Module(breaks=breaks)
    x = np.zeros(1)

    def call(_):
        module.add(x, 1, x)
        raise NotImplementedError("cuBLAS")

    with pytest.raises(NotImplementedError, match="cuBLAS"):
        Recorded(module, call, memory(module))
    np.testing.assert_array_equal(x, 0)
    assert module.recordings == 0
    assert module.allocators == ["everyone's"]
    assert len(module.streams) == 1


def test_who_can_record():
    assert refusal(Module()) == ""
    assert refusal(Module(forgets=True)) == "an addition recorded and launched again gave 3 instead of 4"
    assert refusal(Module(breaks=True)) == "RuntimeError: invalidated"


def test_recorded_and_launched_again_cupy(cupy):
    if reason := refusal(cupy):
        pytest.skip(reason)
    x, rate = cupy.arange(5.0), 2.0

    def call(recording):
        doubled = x * 2
        scaled = recording.aside(lambda: doubled * rate)
        return (scaled + cupy.ones_like(x)).sum(), scaled

    call(SimpleNamespace(aside=lambda aside: aside()))
    pool = cupy.cuda.MemoryPool()
    first, second = (graphs.Recorded(cupy, call, pool) for _ in range(2))  # which use the same memory in turns
    assert float(first.result[0]) == float(second.result[0]) == 2 * 2 * 10 + 5
    rate = 3.0
    x += 1
    first()
    assert float(first.result[0]) == 2 * 3 * 15 + 5
    second()
    assert float(second.result[0]) == 2 * 3 * 15 + 5
    with pytest.raises(NotImplementedError, match="capture"):
        Recorded(cupy, lambda _: cupy.ones((3, 3)) @ cupy.ones((3, 3)), pool)
    first()
    assert float(first.result[0]) == 2 * 3 * 15 + 5
