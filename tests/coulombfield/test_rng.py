"""Named random streams."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.rng import Streams

seeds = st.integers(0, 2**70)
names = st.text(max_size=12)


def draws(stream, count=7):
    """An odd number of 32-bit draws: it leaves half a 64-bit word in the generator, which a state has to keep."""
    return stream.standard_normal(count, dtype=np.float32), stream.integers(0, 1000, count + 1, dtype=np.int32)


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.slow
@given(seed=seeds, name=names)
def test_a_stream_depends_on_seed_and_name_only(seed, name):
    alone = draws(Streams(seed).stream(name))
    streams = Streams(seed)
    draws(streams.stream(name + "'"))
    assert same(alone, draws(streams.stream(name)))
    assert not same(alone, draws(Streams(seed).stream(name + "'")))
    assert not same(alone, draws(Streams(seed + 1).stream(name)))


def test_one_name_is_one_stream():
    streams = Streams(0)
    assert streams.stream("a") is streams.stream("a")


def test_the_bits_are_those_of_other_platforms():
    # Stored 2026-11-22 from NumPy 2.4 on x86-64 Linux; raw bits, which NumPy keeps for good.
    raw = Streams(2018).stream("latent").bit_generator.random_raw(2)
    assert raw.tolist() == [3094071578239716078, 436851357521453356]
    # Stored 2026-11-29 in the same way.
    raw = Streams(2018, bit_generator="philox").stream("latent").bit_generator.random_raw(5)
    assert raw.tolist() == [
        9309976798879014455,
        13470381167442005361,
        4829058521179164514,
        4593082131933409093,
        6649672915455303983,
    ]


@given(
    seed=seeds,
    bit_generator=st.sampled_from(["sfc64", "philox"]),
    used=st.lists(names, unique=True, max_size=3),
    count=st.integers(0, 9),
)
def test_a_restored_state_continues_bit_for_bit(seed, bit_generator, used, count):
    streams = Streams(seed, bit_generator=bit_generator)
    for name in used:
        draws(streams.stream(name), count)
    restored = Streams.restore(json.loads(json.dumps(streams.state())))
    for name in [*used, "first used later"]:
        assert same(draws(streams.stream(name)), draws(restored.stream(name)))


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)])
def test_a_bad_seed_is_refused(seed, error):
    with pytest.raises(error, match=r"^seed: expected"):
        Streams(seed)


def test_an_unknown_bit_generator_is_refused():
    with pytest.raises(ValueError, match="bit_generator: expected sfc64 or philox, got 'SFC64'"):
        Streams(0, bit_generator="SFC64")


@pytest.mark.parametrize(
    "change",
    [
        {"bit_generator": "PCG64"},
        {"seed": -1},
        {"streams": 3},
        {"streams": {"a": {}}},
        {"streams": {"a": {"words": [1, 2], "has_uint32": 0, "uinteger": 0}}},
        {"streams": {"a": {"words": [1, 2, 3, -4], "has_uint32": 0, "uinteger": 0}}},
    ],
)
def test_a_foreign_state_is_refused(change):
    with pytest.raises(ValueError, match=r"^state: "):
        Streams.restore(Streams(0).state() | change)
    with pytest.raises(ValueError, match=r"^state: "):
        Streams.restore({})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counter": [1, 2, 3]}, "counter: expected 4 words, got "),
        ({"key": [1, -2]}, "OverflowError"),
        ({"buffer": [[1, 2], [3, 4]]}, "TypeError: 'list'"),
        ({"buffer_pos": 5}, "buffer_pos: expected from 0 to 4, got 5"),
        ({"buffer_pos": -1}, "buffer_pos: expected from 0 to 4, got -1"),
        ({"buffer_pos": 1.9}, "TypeError: 'float'"),
        ({"counter": [1.5, 0, 0, 0]}, "TypeError: 'float'"),
        ({"has_uint32": 2}, "has_uint32: expected 0 or 1, got 2"),
    ],
)
def test_a_damaged_state_of_philox_is_refused(change, message):
    streams = Streams(0, bit_generator="philox")
    streams.stream("a").random(3)
    state = streams.state()
    state["streams"]["a"] |= change
    with pytest.raises(ValueError, match=rf"^state: .*{message}"):
        Streams.restore(state)


@pytest.mark.parametrize("streams", [[], {1: {}}, "latent"])
def test_a_state_without_streams_by_name_is_refused(streams):
    with pytest.raises(ValueError, match=r"^state: not a state of random streams \("):
        Streams.restore(Streams(0).state() | {"streams": streams})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Streams(0, bit_generator=["philox"]), ValueError, "bit_generator: expected sfc64 or philox, got"),
        (lambda: Streams(0).stream(1), TypeError, "name: expected a string, got int"),
        (lambda: Streams(0).stream("a", "cpu"), TypeError, "device: expected a Device or None, got str"),
    ],
)
def test_bad_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call()


def test_a_state_of_another_bit_generator_is_refused():
    """By what it says of itself, and by its parts where it says wrong."""
    state = Streams(0, bit_generator="philox").state()
    assert state["bit_generator"] == "Philox"
    with pytest.raises(ValueError, match="expected the bit generator SFC64 or Philox, got PCG64"):
        Streams.restore(state | {"bit_generator": "PCG64"})
    streams = Streams(0)
    streams.stream("a").random(3)
    with pytest.raises(ValueError, match=r"^state: .*KeyError"):
        Streams.restore(streams.state() | {"bit_generator": "Philox"})


def test_branches_of_a_seed_have_streams_of_their_own_that_resume():
    trunk, one, other = (Streams(3, branch).stream("latent").random(4) for branch in ("", "rank 0 of 2", "rank 1 of 2"))
    assert len({*trunk, *one, *other}) == 12
    np.testing.assert_array_equal(trunk, Streams(3).stream("latent").random(4))
    streams = Streams(3, "rank 0 of 2")
    streams.stream("latent").random(2)
    resumed = Streams.restore(streams.state())
    np.testing.assert_array_equal(resumed.stream("latent").random(2), one[2:])
    np.testing.assert_array_equal(resumed.stream("new").random(2), streams.stream("new").random(2))
    assert "branch" not in Streams(3).state()
    with pytest.raises(TypeError, match="branch: expected a string, got int"):
        Streams(3, 1)
