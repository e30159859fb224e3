"""The data set of text: its parts, its minibatches and its checksum."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_files import content, published, sentences

from coulombfield.arrays import Device
from experiments.__main__ import main
from experiments.config import ConfigError
from experiments.data import text as text_module
from experiments.data.text import Config, one_hot
from experiments.sources.lines import TextError
from experiments.text import Alphabet

CPU = Device(np, "cpu")
LINES = [f"{number:03} {line}" for number, line in enumerate(sentences(300))]


@pytest.fixture(params=["characters", "bytes"])
def path(request, tmp_path):
    (tmp_path / "a.txt").write_bytes(content(LINES))
    unit = ["--unit", request.param]
    assert main(["data", "prepare", "text", str(tmp_path / "a.txt"), str(tmp_path / "a.h5"), *unit]) == 0
    return tmp_path / "a.h5"


def opened(path, seed=0, dtype="float32", **options):
    config = Config(path=str(path), **{"held_out": 40, **options})
    return config.open(batch=64, rng=np.random.default_rng(seed), dtype=dtype, device=CPU)


@pytest.fixture(params=[True, False], ids=["in memory", "on disk"])
def anywhere(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(text_module, "IN_MEMORY", 0)
    return request.param


def test_parts_share_no_line_and_have_all(path, anywhere):
    data = opened(path)
    assert data.stored.in_memory == anywhere
    parts = [data.training, data.held_out, data.like_samples]
    assert [len(part) for part in parts] == [220, 40, 40]
    numbers = [int(line[:3]) for part in parts for line in data.alphabet.text(part.first(1000))]
    assert sorted(numbers) == list(range(300))
    other = opened(path, seed=1)
    assert not np.array_equal(other.held_out.index, data.held_out.index)


def test_minibatches_are_one_hot_training_lines(path, anywhere):
    data = opened(path, dtype="float64")
    assert (data.form, data.bounds, data.shape) == ("lines", None, (32, len(data.alphabet)))
    batch = data.training.draw(500, np.random.default_rng(3))
    assert batch.shape == (500, *data.shape)
    assert batch.dtype == np.float64
    assert set(np.unique(batch)) == {0, 1}
    assert (batch.sum(-1) == 1).all()
    drawn = {row.tobytes() for row in batch.argmax(-1)}
    assert drawn <= {row.tobytes() for row in data.training.first(220).astype(np.int64)}
    assert len(drawn) > 150
    again = data.training.draw(500, np.random.default_rng(3))
    np.testing.assert_array_equal(batch, again)


def test_blocks_are_all_lines_in_their_order(path, anywhere, monkeypatch):
    data = opened(path)
    monkeypatch.setattr(text_module, "BLOCK", 50 * 32 * len(data.alphabet) * 4)
    blocks = list(data.training.blocks())
    assert [len(block) for block in blocks] == [50, 50, 50, 50, 20]
    np.testing.assert_array_equal(np.concatenate(blocks).argmax(-1), data.training.first(220))
    np.testing.assert_array_equal(data.training.codes(60, 70), data.training.first(70)[60:])


def test_lines_come_back_as_they_were(path, anywhere):
    data = opened(path)
    unit = data.alphabet.unit
    _, codes = published(LINES if unit == "characters" else [line.encode() for line in LINES])
    np.testing.assert_array_equal(data.stored.read(np.array([299, 0, 7, 7, 150])), codes[[299, 0, 7, 7, 150]])
    lines = LINES if unit == "characters" else [line.encode() for line in LINES]
    np.testing.assert_array_equal(data.alphabet.encode(lines, 32), codes)
    expected = [line[:32].ljust(32, "`") for line in LINES]
    if unit == "bytes":
        expected = [line.encode()[:32].ljust(32, b"`").decode(errors="replace") for line in LINES]
    assert data.alphabet.text(codes) == expected


def test_the_checksum_knows_codes_and_unit(path, anywhere):
    found = opened(path).provenance()
    assert found == opened(path, seed=5).provenance()
    assert opened(path, sha256=found["data_sha256"]).provenance() == found
    assert ("all 300 lines" in found["data_hashed"]) == anywhere
    with pytest.raises(TextError, match=r"expected the checksum data.sha256 = 00, got "):
        opened(path, sha256="00").provenance()
    with h5py.File(path, "r+") as file:
        unit, symbols = file.attrs["unit"], file["symbols"]
        assert unit in found["data_unit"]
        if unit == "bytes":
            file.attrs["unit"] = "characters"
        else:
            symbols[-1] += 1
    assert opened(path).provenance()["data_sha256"] != found["data_sha256"]


def test_damaged_codes_are_no_data(path):
    with h5py.File(path, "r+") as file:
        file["codes"][123, 4] ^= 1
    with pytest.raises(TextError, match=r"a.h5: damaged: the codes have the checksum"):
        opened(path).provenance()


def test_what_does_not_fit_is_refused(path):
    with pytest.raises(TextError, match=r"a.h5: expected at least 464 lines, a batch and twice data.held_out, got 300"):
        opened(path, held_out=200)
    with pytest.raises(ConfigError, match=r"data.path: missing"):
        opened("")
    with pytest.raises(TextError, match=r"gone.h5: no such file"):
        opened("gone.h5")
    with pytest.raises(ValueError, match="expected no ends of lines"):
        opened(path).alphabet.encode(["a\nb"], 32)


@given(
    count=st.integers(0, 5), length=st.integers(1, 7), vocabulary=st.integers(2, 3000), seed=st.integers(0, 2**32 - 1)
)
def test_one_hot_has_a_one_where_the_code_is(count, length, vocabulary, seed):
    codes = np.random.default_rng(seed).integers(0, vocabulary, (count, length)).astype(np.uint16)
    found = one_hot(codes, vocabulary, CPU, "float32")
    np.testing.assert_array_equal(found, codes[..., None] == np.arange(vocabulary))
    assert found.dtype == np.float32


def test_the_first_and_last_characters_of_each_number_of_bytes():
    text = "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\uefff\uf000\uffff\U00010000\U000fffff\U00100000\U0010ffff"
    alphabet = Alphabet("characters", np.array([-1, *map(ord, text)]))
    assert alphabet.encode([text], len(text)).tolist() == [list(range(1, len(text) + 1))]


@given(
    text=st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12), min_size=1)
)
def test_any_characters_come_back(text):
    points = sorted({ord(each) for line in text for each in line} | {ord("`")})
    alphabet = Alphabet("characters", np.array([-1, *points]))
    assert alphabet.text(alphabet.encode(text, 9)) == [line[:9].ljust(9, "`") for line in text]
    unknown = Alphabet("characters", np.array([-1, ord("`")]))
    shown = ["".join(each if each == "`" else "\ufffd" for each in line[:9]).ljust(9, "`") for line in text]
    assert unknown.text(unknown.encode(text, 9)) == shown
    assert unknown.padding == 1
    assert Alphabet("bytes", np.array([-1, 1])).padding == 0
