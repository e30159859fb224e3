"""Philox streams drawn by CuPy have the bits, the order and the states of NumPy's."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coulombfield import philox
from coulombfield.arrays import Device
from coulombfield.philox import DeviceGenerator
from coulombfield.rng import Streams, on_host

KINDS = {
    "float32 normal": lambda rng, size: rng.standard_normal(size, dtype=np.float32),
    "float64 normal": lambda rng, size: rng.standard_normal(size, dtype=np.float64),
    "float32 uniform": lambda rng, size: rng.random(size, dtype=np.float32),
    "float64 uniform": lambda rng, size: rng.random(size, dtype=np.float64),
    "few integers": lambda rng, size: rng.integers(-3, 7, size),
    "one integer": lambda rng, size: rng.integers(5, 6, size),
    "many integers": lambda rng, size: rng.integers(0, 3 * 2**30, size),  # a quarter of the words is rejected
}
sizes = st.one_of(st.integers(0, 40), st.integers(0, 3000), st.tuples(st.integers(0, 9), st.integers(1, 9)))
kinds = st.sampled_from(list(KINDS))
REALS = [np.dtype(np.float32), np.dtype(np.float64)]


def pair(cupy, bit_generator):
    """The generator on the host, and its twin on the device."""
    twin = np.random.Philox()
    twin.state = bit_generator.state
    return np.random.Generator(bit_generator), DeviceGenerator(np.random.Generator(twin), cupy)


def same_states(host, twin):
    return philox._packed(host.bit_generator.state) == philox._packed(twin.bit_generator.state)


def same(expected, found):
    assert (expected.dtype, expected.shape) == (found.dtype, found.shape)
    found = found.get()
    return np.array_equal(expected, found) and np.array_equal(np.signbit(expected), np.signbit(found))


def made_of(words, dtype):
    """The normal number that NumPy makes of these words, and how many it takes."""
    rng = np.random.Generator(np.random.Philox(0))
    if dtype == np.float32:
        words = [words[0] | words[1] << 32, *words[2:], 0]
    buffer = np.array([*words, 0, 0, 0][:4], np.uint64)
    rng.bit_generator.state = philox._EMPTY | {"buffer": buffer}
    number, state = rng.standard_normal(dtype=dtype), rng.bit_generator.state
    halves = 2 * state["buffer_pos"] - state["has_uint32"]
    return number, halves if dtype == np.float32 else state["buffer_pos"]


@pytest.mark.parametrize("dtype", REALS, ids=str)
def test_tables_are_those_of_numpy(dtype):
    """At either side of what each layer has inside, for widths, and for heights of each wedge to the last bit."""
    inside, width, density, edge = philox._tables(dtype)
    bits, unit = (23, 2.0**-24) if dtype == np.float32 else (52, 2.0**-53)
    top, shift = bits + 1, 32 - 24 if dtype == np.float32 else 64 - 53
    assert edge == float(width[-1]) * 2.0**bits or dtype == np.float32
    for layer in range(philox.LAYERS):
        first = int(inside[layer])
        for place in {max(first - 1, 0), first} - {2**bits}:
            taken = made_of([layer | place << 9, 1 << top, 2 ** (bits + 8)], dtype)[1]
            assert (taken > 1) == (place >= first)
        place = 2 ** (bits - 1) + 1
        number, _ = made_of([layer | place << 9, 0, 0], dtype)
        if layer != 1:  # which has nothing inside
            assert number == dtype.type(place) * width[layer]
        if layer == 0:
            continue
        place = first + (2**bits - first) // 2
        x = dtype.type(place) * width[layer]
        low, high = 0, round(1 / unit)  # taken at low, at high not
        while high - low > 1:
            middle = (low + high) // 2
            taken = made_of([layer | place << 9, middle << shift, 0], dtype)
            low, high = (middle, high) if taken == (x, 2) else (low, middle)
        found = [(density[layer - 1] - density[layer]) * dtype.type(u * unit) + density[layer] for u in (low, high)]
        under = np.exp(-0.5 * np.float64(x) ** 2)
        rounding = 0 if dtype == np.float32 else philox_rounding(under)
        assert found[0] < under + rounding
        assert found[1] >= under - rounding


def philox_rounding(value):
    """What the kernels leave undecided."""
    return 2.0**-49 * value


@given(
    seed=st.integers(0, 2**32 - 1),
    jumps=st.integers(0, 2),
    calls=st.lists(st.tuples(kinds, sizes, st.booleans()), max_size=6),
)
def test_mixed_draws_are_those_of_numpy_cupy(cupy, seed, jumps, calls):
    """Whatever kinds, sizes and turns of host and device."""
    host, twin = pair(cupy, np.random.Philox(seed).jumped(jumps))
    for kind, size, on_device in calls:
        expected = KINDS[kind](host, size)
        if on_device:
            assert same(expected, KINDS[kind](twin, size))
        else:
            assert np.array_equal(expected, KINDS[kind](on_host(twin), size))
    assert same_states(host, twin.host())


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_draws_are_those_of_numpy_cupy(cupy, kind):
    """Through several blocks drawn ahead, with a look at the state in the middle of one."""
    host, twin = pair(cupy, np.random.Philox(3))
    for call in range(40):
        assert same(KINDS[kind](host, 77), KINDS[kind](twin, 77))
        if call in (20, 30):
            assert same_states(host, twin.host())
    assert same_states(host, twin.host())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [name for name in KINDS if name != "one integer"])
def test_long_blocks_are_those_of_numpy_cupy(cupy, kind, monkeypatch):
    """A hundred chunks, with some fifty tails and two thousand wedges, none of which NumPy had to decide."""
    drawn = []
    one = philox._drawn
    monkeypatch.setattr(philox, "_drawn", lambda *given: drawn.append(one(*given)) or drawn[-1])
    host, twin = pair(cupy, np.random.Philox(11))
    assert same(KINDS[kind](host, 2**17), KINDS[kind](twin, 2**17))
    assert same_states(host, twin.host())
    assert None not in drawn


def test_half_a_word_is_kept_over_whole_ones_cupy(cupy):
    host, twin = pair(cupy, np.random.Philox(5))
    for kind, count in (("few integers", 1), ("float64 uniform", 3), ("float32 uniform", 1), ("float64 normal", 2)):
        assert same(KINDS[kind](host, count), KINDS[kind](twin, count))
        assert same_states(host, twin.host())


def test_a_carry_goes_through_the_counter_cupy(cupy):
    bit_generator, top = np.random.Philox(1), 2**64 - 1
    state = bit_generator.state
    for words in ([top - 1, top, 5, 0], [top, top, top, top]):
        state["state"]["counter"] = np.array(words, np.uint64)
        bit_generator.state = state
        host, twin = pair(cupy, bit_generator)
        assert same(host.random(5000), twin.random(5000))
        assert same_states(host, twin.host())


def test_a_state_that_numpy_never_has_is_drawn_by_numpy_cupy(cupy):
    bit_generator = np.random.Philox(1)
    bit_generator.state = bit_generator.state | {"buffer_pos": 0, "has_uint32": 1, "uinteger": 7}
    host, twin = pair(cupy, bit_generator)
    for _ in range(3):
        assert same(host.random(5, dtype=np.float32), twin.random(5, dtype=np.float32))


@pytest.fixture
def text(monkeypatch):
    """Replaces something in the kernels' text."""
    given, change = philox.source(), SimpleNamespace()

    def replace(old, new):
        assert old in given
        monkeypatch.setattr(philox, "source", lambda: given.replace(old, new))
        philox._module.cache_clear()
        philox._expect_agreement.cache_clear()

    change.replace = replace
    yield change
    philox._module.cache_clear()
    philox._expect_agreement.cache_clear()


@pytest.mark.parametrize("doubtful", ["SURE_EXP = 0x1p-49", "SURE_LOG = sizeof(Real) == 8 ? 0x1p-45 : 0x1p-18"])
def test_a_block_with_a_doubtful_comparison_is_drawn_by_numpy_cupy(cupy, text, monkeypatch, doubtful):
    text.replace(doubtful, f"{doubtful.split(' ')[0]} = 1e9")
    counts = []
    draw = philox.Kind.draw
    monkeypatch.setattr(philox.Kind, "draw", lambda kind, rng, count: counts.append(count) or draw(kind, rng, count))
    host, twin = pair(cupy, np.random.Philox(2))
    assert same(host.standard_normal(20_000), twin.standard_normal(20_000))
    assert counts == [20_000]
    assert same_states(host, twin.host())


def test_more_tails_than_there_is_room_for_are_drawn_by_numpy_cupy(cupy, monkeypatch):
    host, twin = pair(cupy, np.random.Philox(2))
    assert same(host.standard_normal(1), twin.standard_normal(1))
    monkeypatch.setattr(philox, "TAILS", -20)  # that is for none
    assert same(host.standard_normal(20_000), twin.standard_normal(20_000))
    assert same_states(host, twin.host())


def test_another_numpy_is_told_cupy(cupy, text):
    text.replace("0x1p-24", "0x1p-23")
    _, twin = pair(cupy, np.random.Philox(2))
    with pytest.raises(RuntimeError, match=r"^bit_generator: expected sfc64, since NumPy .* draws random otherwise"):
        twin.random(3, dtype=np.float32)


def test_most_calls_launch_nothing_cupy(cupy, monkeypatch):
    launched = []
    one = philox._drawn
    monkeypatch.setattr(philox, "_drawn", lambda *given: launched.append(given[2]) or one(*given))
    monkeypatch.setattr(philox, "LIMIT", 100)
    _, twin = pair(cupy, np.random.Philox(2))
    twin.random(1)
    launched.clear()
    for _ in range(40):
        twin.random(12)
    assert launched == [12, 24, 48, 96, 96, 96, 96, 96]
    twin.random(300)  # more than the limit
    assert launched[-1] == 300


def test_numbers_of_a_block_are_the_callers_own_cupy(cupy):
    """What a caller does with its numbers changes none of those that others get."""
    host, twin = pair(cupy, np.random.Philox(2))
    for _ in range(5):
        found = twin.random(6)
        assert same(host.random(6), found)
        found *= 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda rng: rng.random(3, dtype=np.int32), TypeError, "dtype: expected float32 or float64, got int32"),
        (lambda rng: rng.standard_normal(3, dtype="f2"), TypeError, "dtype: expected float32 or float64, got float16"),
        (lambda rng: rng.integers(3, 3, 5), ValueError, "high: expected from 1 to .* low = 3, got 3"),
        (lambda rng: rng.integers(0, 2**32, 5), ValueError, "high: expected from 1 to .* got 4294967296"),
        (lambda rng: rng.integers(np.uint8(200), np.uint8(10), 5), ValueError, "low = 200, got 10"),
        (lambda rng: rng.integers(2**63 - 5, 2**63 + 5, 5), ValueError, "high: expected a range of int64, got from 9"),
        (lambda rng: rng.random(-1), ValueError, "size: expected numbers that are not negative, got -1"),
        (lambda rng: rng.random((-2, -3)), ValueError, r"size: expected numbers that are not negative, got \(-2, -3\)"),
        (lambda rng: rng.random("3"), TypeError, "size: expected an integer or a sequence of integers, got '3'"),
        (lambda rng: rng.random(None), TypeError, "size: expected an integer or a sequence of integers, got None"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(DeviceGenerator(np.random.Generator(np.random.Philox(0)), np))


@pytest.mark.parametrize("kind", ["float32 normal", "few integers"])
def test_states_move_between_host_and_cupy(cupy, kind):
    """By way of JSON, with half a word left, in both directions."""
    host, device = Device(np, "cpu"), Device(cupy, "cuda:0")
    whole = Streams(4, bit_generator="philox").stream("a", host)
    expected = [KINDS[kind](whole, 35) for _ in range(6)]
    streams = Streams(4, bit_generator="philox")
    for turn, where in enumerate([device, host, device, device, host, device]):
        found = KINDS[kind](streams.stream("a", where), 35)
        assert isinstance(found, where.xp.ndarray)
        assert np.array_equal(expected[turn], np.asarray(found) if where is host else found.get())
        streams = Streams.restore(json.loads(json.dumps(streams.state())))


def test_other_streams_are_drawn_on_the_host_cupy(cupy):
    device = Device(cupy, "cuda:0")
    streams = Streams(4)
    assert streams.stream("a", device) is streams.stream("a")
    streams = Streams(4, bit_generator="philox")
    assert streams.stream("a", device) is streams.stream("a", device)
    assert on_host(streams.stream("a", device)) is streams.stream("a")
    assert streams.stream("a", Device(np, "cpu")) is streams.stream("a")
