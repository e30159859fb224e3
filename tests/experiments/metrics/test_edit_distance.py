"""Nearest lines beside the whole table of edit distances of all pairs, and the metric that they give."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield.rng import Streams
from experiments.metrics import edit_distance as module
from experiments.metrics.edit_distance import nearest_lines
from experiments.metrics.nearest_line import Config

PADDING = 1


def edit_distance(a, b):
    """The table by its definition, row by row."""
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
        above = row
    return above[-1]


def characters(line):
    kept = line.tolist()
    while kept and kept[-1] == PADDING:
        kept.pop()
    return kept


def drawn(rng, dtype, count, longest, alphabet):
    """Lines of all lengths, with the padding inside of lines too."""
    lines = rng.integers(0, alphabet, (count, longest)).astype(dtype)
    if np.iinfo(dtype).bits > 8:
        lines[lines == 2] = 2047
    lengths = rng.integers(0, longest + 1, (count, 1))
    lines[np.arange(longest) >= np.where(rng.random((count, 1)) < 0.5, longest, lengths)] = PADDING
    return lines


@pytest.mark.slow
@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    count=st.integers(0, 20),
    sizes=st.lists(st.integers(0, 9), max_size=3),
    longest=st.one_of(st.integers(0, 8), st.sampled_from([31, 32, 33, 63, 64, 65, 70, 128, 130])),
    shorter=st.integers(0, 5),
    alphabet=st.integers(2, 6),
    together=st.integers(1, 20),
)
def test_they_are_those_of_the_whole_table(seed, dtype, count, sizes, longest, shorter, alphabet, together):
    """Exactly, the first of those that are equally near, with words of both sizes and several of them."""
    rng = np.random.default_rng(seed)
    lines = drawn(rng, dtype, count, longest, alphabet)
    blocks = [drawn(rng, dtype, size, max(0, longest - shorter), alphabet) for size in [*sizes, 3]]
    if shorter == 0 and count:
        blocks[-1][1:] = lines[0]  # two copies
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TOGETHER", together)
        found = nearest_lines(lines, iter(blocks), PADDING)
    others = [characters(line) for line in np.concatenate(blocks)]
    table = np.array([[edit_distance(characters(line), other) for other in others] for line in lines], np.int64)
    table = table.reshape(count, len(others))
    np.testing.assert_array_equal(found.distances, table.min(axis=1))
    np.testing.assert_array_equal(found.indices, table.argmin(axis=1))


def test_lines_of_several_threads_are_found_in_their_order():
    """With more lines than threads, each a copy of the sample: the first one counts."""
    lines = np.full((3, 32), 5, np.uint8)
    block = np.full((1000, 32), 5, np.uint8)
    block[:7, 0] = 6
    found = nearest_lines(lines, [block[:3], block[3:]], PADDING)
    assert found.indices.tolist() == [7, 7, 7]
    assert found.distances.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("lines", "blocks", "message"),
    [
        (np.zeros((2, 3), np.int64), [np.zeros((2, 3), np.int64)], "lines: expected uint8 or uint16 of shape"),
        (np.zeros(3, np.uint8), [np.zeros((2, 3), np.uint8)], r"lines: .* got uint8 of \(3,\)"),
        (np.zeros((2, 3), np.uint8), [np.zeros((2, 3), np.uint16)], "blocks: expected uint8 of shape .* got uint16"),
        (np.zeros((2, 3), np.uint8), [np.zeros((0, 3), np.uint8)], "blocks: expected at least one line, got none"),
    ],
)
def test_what_is_no_line_is_refused(lines, blocks, message):
    with pytest.raises(ValueError, match=message):
        nearest_lines(lines, blocks, PADDING)


class Part:
    def __init__(self, lines):
        self.lines = lines

    def __len__(self):
        return len(self.lines)

    def first(self, count):
        return self.lines[:count]


def data(form="lines"):
    codes = np.random.default_rng(0).integers(2, 9, (500, 12)).astype(np.uint8)
    codes[::3, 7:] = PADDING
    parts = {"training": codes[:400], "held_out": codes[400:450], "like_samples": codes[450:]}
    alphabet = SimpleNamespace(padding=PADDING)
    return SimpleNamespace(form=form, alphabet=alphabet, **{name: Part(lines) for name, lines in parts.items()})


def test_the_metric_tells_copies_from_text():
    of = data()
    metric = Config(samples=40, neighbours=300).build(of, Streams(0))
    samples = of.training.first(40).copy()
    assert metric.evaluate(samples) == {"nearest_line": 0.0, "copied_lines": 1.0}
    samples[:10, 3] = 9  # which is in no line
    assert metric.evaluate(samples) == {"nearest_line": 10 / 40, "copied_lines": 30 / 40}
    assert metric.evaluate(of.training.first(400)[300:340])["copied_lines"] < 0.5  # those are not among the neighbours
    assert metric.reference["nearest_line"] > 1
    assert metric.reference.keys() == metric.columns.keys()


def test_the_metric_refuses_what_it_cannot_measure():
    with pytest.raises(ValueError, match="kind: this metric is for lines, and the data are images"):
        Config(samples=40).build(data("images"), Streams(0))
    with pytest.raises(ValueError, match=r"samples: expected at most data\.held_out = 50, got 60"):
        Config(samples=60).build(data(), Streams(0))
    with pytest.raises(ValueError, match="neighbours: expected a positive number, got 0"):
        Config(neighbours=0)
