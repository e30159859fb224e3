"""Memory of passes: what is handed out never overlaps what is still in use, and is given again once it is released."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nets import workspace as module
from nets.workspace import ALIGNMENT, Workspace, gradient_memory

requests = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 9), st.integers(0, 40), st.sampled_from(("f4", "f8"))),
        st.tuples(st.just("mark")),
        st.tuples(st.just("release")),
    ),
    max_size=40,
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 512)


@pytest.mark.slow
@given(requests)
@settings(max_examples=200)
def test_what_passes_hold_keeps_its_numbers(requests):
    """Each array is filled with a number of its own, which it has until it is released or asked for again."""
    workspace, held, marks = Workspace(), {}, []
    for number, (what, *arguments) in enumerate(requests):
        if what == "mark":
            marks.append((workspace.mark(), set(held)))
        elif what == "release":
            mark, before = marks.pop() if marks else (0, set())
            workspace.release(mark)
            held = {name: array for name, array in held.items() if name in before}
        else:
            key, length, dtype = arguments
            for name in [name for name in held if name[:2] == (key, dtype)]:
                del held[name]  # the network runs again
            array = workspace.of_passes(key, (length, 3), np.empty(0, dtype))
            assert array.shape == (length, 3)
            assert array.dtype == dtype
            assert array.ctypes.data % array.itemsize == 0
            array[...] = number
            held[key, dtype, number] = array
        for (*_, filled), array in held.items():
            assert np.all(array == filled)


def test_released_memory_is_given_to_others():
    workspace, like = Workspace(), np.empty(0, np.float32)
    below = workspace.of_passes("below", (8,), like)
    mark = workspace.mark()
    first = workspace.of_passes("one", (32,), like)
    workspace.release(mark)
    second = workspace.of_passes("another", (16,), like)
    assert np.may_share_memory(first, second)
    assert not np.may_share_memory(below, second)
    workspace.release(0)
    assert np.may_share_memory(workspace.of_passes("another", (4,), like), below)


def test_a_longer_batch_takes_its_place_on_top():
    """It is released with what was asked for at the same time."""
    workspace, like = Workspace(), np.empty(0, np.float64)
    workspace.of_passes("a", (2,), like)
    mark = workspace.mark()
    workspace.of_passes("b", (2,), like)
    longer = workspace.of_passes("b", (9,), like)
    workspace.release(mark)
    assert np.may_share_memory(workspace.of_passes("c", (9,), like), longer[: ALIGNMENT // 8])


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12))
def test_a_gradient_never_lies_in_the_one_that_it_is_computed_from(lengths):
    """Along a chain of layers, several times over, with memory that grows."""
    workspace, sizes = Workspace(), []
    for _ in range(3):
        dy = np.zeros(7, np.float32)
        for length in lengths:
            dx = gradient_memory(workspace, (length,), dy)
            dx[...] = 1
            assert np.all(dy == 0)
            dx[...] = 0
            dy = dx
        sizes.append(workspace._kept["dx", np.dtype(np.float32)].size)
    assert sizes[1] == sizes[2]  # it does not grow for ever
