"""N-grams and their divergence, against plain dictionaries; and that what is kept of them is never of other lines."""

import math
import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_files import content, published, sentences

from coulombfield.arrays import Device
from experiments.__main__ import main
from experiments.data.text import Config
from experiments.metrics import ngrams as metric
from experiments.sources.lines import TextError
from experiments.text import StoredText, counted, ngrams
from experiments.text.divergence import jensen_shannon
from experiments.text.grams import merged
from experiments.text.ngrams import count, count_lines

CPU = Device(np, "cpu")


def by_dictionary(codes, n):
    return Counter(tuple(row[i : i + n]) for row in codes.tolist() for i in range(len(row) - n + 1))


def divergence(samples, data, n):
    """In bits, with the sums of exact terms."""
    p, q = by_dictionary(samples, n), by_dictionary(data, n)
    terms = []
    for gram in p.keys() | q.keys():
        a, b = p[gram] / p.total(), q[gram] / q.total()
        terms += [share * math.log2(2 * share / (a + b)) for share in (a, b) if share]
    return math.fsum(terms) / 2


def as_dictionaries(found):
    """The tree, unrolled."""
    before, all_of = [()], []
    for level in found.levels:
        grams = [
            (*parent, int(level.codes[node]))
            for number, parent in enumerate(before)
            for node in range(level.starts[number], level.starts[number + 1])
        ]
        assert grams == sorted(set(grams))
        all_of.append(dict(zip(grams, level.counts.tolist(), strict=True)))
        before = grams
    return all_of


def drawn(count, length, vocabulary, seed):
    """Lines in which few codes are frequent."""
    rng = np.random.default_rng(seed)
    codes = (vocabulary * rng.random((count, length)) ** 3).astype(np.int64)
    return codes.astype(np.uint8 if vocabulary <= 256 else np.uint16)


SHAPES = {
    "count": st.integers(1, 40),
    "length": st.integers(1, 12),
    "vocabulary": st.sampled_from([1, 2, 3, 100, 256, 1624, 1625, 2048, 65536]),
    "seed": st.integers(0, 2**32 - 1),
}


@pytest.mark.slow
@settings(deadline=None)
@given(**SHAPES)
def test_counts_are_those_of_a_dictionary(count, length, vocabulary, seed):
    codes = drawn(count, length, vocabulary, seed)
    found = count_lines(codes, vocabulary)
    assert as_dictionaries(found) == [by_dictionary(codes, n) for n in range(1, min(6, length) + 1)]
    assert [found.total(n) for n in range(1, 8)] == [by_dictionary(codes, n).total() for n in range(1, 8)]


@settings(deadline=None)
@given(others=st.integers(1, 40), **SHAPES)
def test_n_grams_are_found_among_others(others, count, length, vocabulary, seed):
    some, codes = drawn(count, length, vocabulary, seed), drawn(others, length, vocabulary, seed + 1)
    found = count_lines(some, vocabulary).counts_in(count_lines(codes, vocabulary))
    for n, counts in enumerate(found, 1):
        there = by_dictionary(codes, n)
        assert counts.tolist() == [there[gram] for gram in sorted(by_dictionary(some, n))]


@pytest.mark.parametrize("vocabulary", [60, 2048])
@pytest.mark.parametrize("workers", [1, 3])
def test_parts_and_threads_change_nothing(monkeypatch, vocabulary, workers):
    codes = drawn(2000, 32, vocabulary, 0)
    whole = count_lines(codes, vocabulary)
    monkeypatch.setattr(ngrams, "SYMBOLS", 32 * 37)
    parts = count(lambda: np.array_split(codes, 9), vocabulary, workers)
    assert len(whole.levels) == len(parts.levels) == 6
    for one, other in zip(whole.levels, parts.levels, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_the_divergence_of_lines_is_that_of_dictionaries(unit):
    lines = sentences(1000)
    symbols, codes = published(lines if unit == "characters" else [line.encode() for line in lines])
    vocabulary, codes = len(symbols), codes.astype(np.uint8)
    samples, minus, data = codes[:200], codes[200:300], codes[300:]
    found = jensen_shannon(
        count_lines(samples, vocabulary), count_lines(codes[200:], vocabulary), minus=count_lines(minus, vocabulary)
    )
    for n, value in enumerate(found, 1):
        assert value == pytest.approx(divergence(samples, data, n), rel=0, abs=1e-12)
    assert 0 < found[0] < found[3] < found[5] < 1


@settings(deadline=None)
@given(others=st.integers(1, 40), less=st.integers(0, 5), **SHAPES)
def test_the_divergence_of_any_lines_is_that_of_dictionaries(others, less, count, length, vocabulary, seed):
    samples, data = drawn(count, length, vocabulary, seed), drawn(others, length, vocabulary, seed + 1)
    minus = drawn(less, length, vocabulary, seed + 2)
    taken = count_lines(minus, vocabulary) if less else None
    whole = count_lines(np.concatenate([minus, data]), vocabulary)
    found = jensen_shannon(count_lines(samples, vocabulary), whole, taken)
    expected = [divergence(samples, data, n) for n in range(1, min(6, length) + 1)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_ends_of_its_range():
    a, b = np.zeros((4, 8), np.uint8), np.ones((5, 8), np.uint8)
    counted_a, counted_b = count_lines(a, 2), count_lines(b, 2)
    assert jensen_shannon(counted_a, counted_a) == [0] * 6
    assert jensen_shannon(counted_a, counted_b) == [1] * 6
    with pytest.raises(ValueError, match="minus: expected less than 5 lines, got 5"):
        jensen_shannon(counted_a, counted_b, counted_b)
    with pytest.raises(ValueError, match="samples: expected lines of 8 symbols with 2 codes, as the data have, got 7"):
        jensen_shannon(count_lines(a[:, 1:], 2), counted_b)
    with pytest.raises(ValueError, match="lines: expected at least one"):
        count(lambda: [], 5)


@given(first=st.lists(st.integers(0, 9)), second=st.lists(st.integers(0, 9)))
def test_merging_has_each_number_once(first, second):
    runs = [np.unique(np.array(each, np.uint64), return_counts=True) for each in (first, second)]
    size = sum(len(values) for values, _ in runs)
    values, counts = np.empty(size, np.uint64), np.empty(size, np.int64)
    there = merged(*runs[0], *runs[1], values, counts)
    assert dict(zip(values[:there].tolist(), counts[:there].tolist(), strict=True)) == Counter(first + second)
    assert values[:there].tolist() == sorted({*first, *second})


def prepared(folder, lines, name="a.h5"):
    (folder / "a.txt").write_bytes(content(lines))
    out = folder / name
    assert main(["data", "prepare", "text", str(folder / "a.txt"), str(out), "--unit", "bytes"]) == 0
    return out


@pytest.fixture
def counts(monkeypatch):
    """How often lines were counted."""
    made = []
    _count = counted._count
    monkeypatch.setattr(counted, "_count", lambda stored: made.append(1) or _count(stored))
    return made


def of(path):
    return as_dictionaries(counted.counted(StoredText(path)))


def test_n_grams_are_counted_once(tmp_path, counts):
    path = prepared(tmp_path, sentences(100))
    first = of(path)
    assert first == [by_dictionary(StoredText(path).codes(0, 100), n) for n in range(1, 7)]
    assert of(path) == first
    assert len(counts) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "a.h5.ngrams", "a.txt"]


DAMAGES = {
    "of other lines": lambda path, other: other.replace(path),
    "empty": lambda path, _: path.write_bytes(b""),
    "truncated": lambda path, _: path.write_bytes(path.read_bytes()[:-100]),
    "text": lambda path, _: path.write_text("text"),
    "another version": lambda path, _: changed(path, lambda file: file.attrs.modify("version", 0)),
    "another format": lambda path, _: changed(path, lambda file: file.attrs.modify("format", "x")),
    "a changed count": lambda path, _: changed(path, lambda file: file["4/counts"].__setitem__(2, 10**6)),
    "a missing level": lambda path, _: changed(path, lambda file: file.__delitem__("6")),
    "a missing array": lambda path, _: changed(path, lambda file: file.__delitem__("3/starts")),
    "no checksum": lambda path, _: changed(path, lambda file: file.attrs.__delitem__("sha256")),
}


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_or_of_other_lines_is_made_anew(tmp_path, counts, damage):
    path, other = prepared(tmp_path, sentences(100)), prepared(tmp_path, sentences(100, seed=1), "b.h5")
    first = of(path)
    of(other)
    kept = tmp_path / "a.h5.ngrams"
    DAMAGES[damage](kept, tmp_path / "b.h5.ngrams")
    assert of(path) == first
    assert len(counts) == 3
    assert of(path) == first
    assert len(counts) == 3


def test_where_nothing_can_be_written_they_stay_in_memory(tmp_path, monkeypatch):
    path = prepared(tmp_path, sentences(100))
    opened = os.open

    def refuse(name, flags, *rest, **options):
        if flags & os.O_CREAT and str(name).startswith(str(tmp_path)):
            raise OSError(30, "Read-only file system")
        return opened(name, flags, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.warns(
            UserWarning, match=r"a.h5.ngrams.*can't be written \(Read-only file system\); n-grams stay in memory"
        ):
            found = of(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "a.txt"]
    assert found == of(path)


def test_a_disk_that_fills_up_loses_nothing(tmp_path, monkeypatch, counts):
    path = prepared(tmp_path, sentences(100))

    def fill(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fill)
        with pytest.warns(UserWarning, match=r"\(No space left on device\); n-grams stay in memory"):
            found = of(path)
    assert len(counts) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "a.txt"]
    assert found == of(path)


def test_damaged_lines_are_not_counted(tmp_path):
    path = prepared(tmp_path, sentences(100))
    changed(path, lambda file: file["codes"].__setitem__((5, 5), 1))
    with pytest.raises(TextError, match="damaged: the codes have the checksum"):
        of(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "a.txt"]


COUNTING = """
import sys
from pathlib import Path
from experiments.text import StoredText, counted
count, locked = counted._count, counted.locked
counted.locked = lambda *arguments, **options: print("locking", flush=True) or locked(*arguments, **options)
counted._count = lambda stored: print("counting", flush=True) or sys.stdin.readline() and count(stored)
print(counted.counted(StoredText(Path(sys.argv[1]))).lines)
"""


@pytest.mark.slow
def test_a_process_waits_for_another_that_counts(tmp_path):
    path = prepared(tmp_path, sentences(100))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", COUNTING, str(path)]
    with subprocess.Popen(command, **pipes) as first:
        assert [first.stdout.readline() for _ in range(2)] == ["locking\n", "counting\n"]
        with subprocess.Popen(command, **pipes) as second:
            assert second.stdout.readline() == "locking\n"
            assert first.communicate("go on\n")[0] == "100\n"
            assert second.communicate()[0] == "100\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.h5", "a.h5.ngrams", "a.txt"]


def data_of(path, held_out=60):
    config = Config(path=str(path), held_out=held_out)
    return config.open(batch=2, rng=np.random.default_rng(0), dtype="float32", device=CPU)


def test_the_metric_compares_with_the_training_lines_alone(tmp_path):
    data = data_of(prepared(tmp_path, sentences(400)))
    found = metric.Config(samples=50).build(data, None)
    assert found.samples == 50
    assert list(found.columns) == [f"jsd_{n}_of_50" for n in range(1, 7)]
    samples, training = data.held_out.first(50), data.training.first(1000)
    assert len(training) == 280
    values = found.evaluate(samples)
    for n in range(1, 7):
        assert values[f"jsd_{n}_of_50"] == pytest.approx(divergence(samples, training, n), rel=0, abs=1e-12)
    assert found.reference == found.evaluate(data.like_samples.first(50))
    assert found.reference != values


def test_the_metric_refuses_what_it_cannot_measure(tmp_path):
    data = data_of(prepared(tmp_path, sentences(400)))
    with pytest.raises(ValueError, match=r"samples: expected at most data.held_out = 60, got 640"):
        metric.Config().build(data, None)
    with pytest.raises(ValueError, match="kind: this metric is for lines, and the data are images"):
        metric.Config().build(SimpleNamespace(form="images"), None)
    with pytest.raises(ValueError, match="data: expected lines of at least 6 symbols, got 5"):
        metric.Config().build(SimpleNamespace(form="lines", shape=(5, 9)), None)
    found = metric.Config(samples=50).build(data, None)
    for samples in (np.zeros((50, 32)), np.zeros((50, 31), np.uint8), np.zeros((50, 32, 4), np.uint8)):
        with pytest.raises(ValueError, match=r"samples: expected codes of shape \(N, 32\), got "):
            found.evaluate(samples)
