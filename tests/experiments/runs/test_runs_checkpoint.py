from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.files import WriteError
from experiments.runs import checkpoint
from experiments.runs.checkpoint import Checkpoint, CheckpointError, CheckpointFolder, NewerSchemaError
from tests.experiments.runs.test_runs_folder import full_disk

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DTYPES = st.sampled_from(["float32", "float64", "float16", "int8", "uint64", "bool", "complex64", ">f8"])


@st.composite
def arrays(draw):
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, 100, shape).astype(draw(DTYPES))


LEAVES = st.one_of(arrays(), TEXTS, st.integers(), st.floats(), st.booleans())
STATES = st.recursive(
    st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(LEAVES, inner), min_size=1, max_size=3),
    max_leaves=6,
)


def same(a, b) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and repr(a) == repr(b)


def simple(step: int, value: float = 1.0) -> Checkpoint:
    return Checkpoint(step, "seed = 1\n", {"a": {"x": np.full(50, value), "text": "word"}, "n": 3})


@pytest.mark.slow
@given(state=STATES, step=st.integers(0, 10**12), text=TEXTS)
@settings(max_examples=60)
def test_what_is_saved_comes_back(tmp_path_factory, state, step, text):
    path = tmp_path_factory.mktemp("checkpoints") / "file.h5"
    checkpoint.save(path, Checkpoint(step, text, state))
    loaded = checkpoint.load(path)
    assert (loaded.step, loaded.config) == (step, text)
    assert same(loaded.state, state)


@pytest.mark.slow
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_a_flipped_bit_never_changes_what_is_loaded(tmp_path_factory, where, bit):
    path = tmp_path_factory.mktemp("checkpoints") / "file.h5"
    checkpoint.save(path, simple(5))
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        loaded = checkpoint.load(path)
    except CheckpointError as error:
        message = str(error)
    else:  # the bit was in HDF5's own padding
        assert (loaded.step, loaded.config) == (5, "seed = 1\n")
        assert same(loaded.state, simple(5).state)
        return
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "file.h5"
    checkpoint.save(path, simple(5))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="truncated, corrupt or foreign"):
        checkpoint.load(path)


def test_foreign_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "file.h5"
    with pytest.raises(CheckpointError, match="no such file"):
        checkpoint.load(path)
    path.write_text("a letter")
    with pytest.raises(CheckpointError, match="not a readable HDF5 file"):
        checkpoint.load(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(CheckpointError, match="no checkpoint of this program"):
        checkpoint.load(path)


def edited(path, edit):
    """A file as earlier versions wrote it, without a checksum of its bytes, or as a newer one may."""
    checkpoint.save(path, simple(5))
    path.write_bytes(path.read_bytes()[checkpoint.USER_BLOCK :])
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda file: file["state/a/x"].write_direct(np.full(50, 2.0)), "dataset state/a/x does not match"),
        (lambda file: file["state"].__delitem__("n"), "the whole does not match"),
        (lambda file: file["state"].move("n", "m"), "the whole does not match"),
        (lambda file: file["state"].create_group("b").attrs.create("q", 1) or file["state/a"].move("x", "/state/b/x"),
         "the whole does not match"),
        (lambda file: file.attrs.modify("step", 6), "the whole does not match"),
        (lambda file: file["state/n"].attrs.modify("kind", "text"), "the whole does not match"),
        (lambda file: file.attrs.__delitem__("checksum"), "truncated, corrupt or foreign"),
    ],
)  # fmt: skip
def test_an_edited_file_is_refused(tmp_path, edit, message):
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(edited(tmp_path / "file.h5", edit))


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    assert same(checkpoint.load(edited(tmp_path / "file.h5", lambda file: None)).state, simple(5).state)


def test_hdf5_sees_no_file_of_other_bytes(tmp_path, monkeypatch):
    """With some, it ends the process."""
    path = tmp_path / "file.h5"
    checkpoint.save(path, simple(5))
    content = path.read_bytes()
    monkeypatch.setattr(checkpoint.h5py, "File", lambda *_: pytest.fail("opened"))
    marker = b"x" + content[1:]
    for other in (content[:-1], content + b"x", content[:700] + b"x" + content[701:], content[:512], marker, b""):
        path.write_bytes(other)
        with pytest.raises(CheckpointError, match="other bytes than were written"):
            checkpoint.load(path)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "file.h5")
    with pytest.raises(CheckpointError, match="no file"):
        checkpoint.load(tmp_path / "file.h5")


def test_a_newer_schema_is_refused_and_not_fallen_back_from(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=3)
    folder.save(simple(1))
    edited(folder.file(2), lambda file: file.attrs.modify("schema_version", checkpoint.SCHEMA_VERSION + 1))
    with pytest.raises(NewerSchemaError, match="newer version of this program"):
        folder.latest_good(pytest.fail)


def test_the_latest_good_one_is_found_and_the_bad_are_reported(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=5)
    assert folder.latest_good(pytest.fail) is None
    for step in (1, 2, 3):
        folder.save(simple(step, value=step))
    assert folder.latest_good(pytest.fail).step == 3
    folder.file(3).write_bytes(folder.file(3).read_bytes()[:-1000])
    folder.file(2).write_text("")
    lines = []
    assert folder.latest_good(lines.append).step == 1
    assert [str(folder.file(step)) in line for step, line in zip((3, 2), lines, strict=True)] == [True, True]
    assert all("falling back" in line for line in lines)
    folder.file(1).write_text("")
    with pytest.raises(CheckpointError, match="none of 3 checkpoints is good"):
        folder.latest_good(lines.append)


def test_the_newest_are_kept_and_a_corrupt_later_one_never_displaces_a_good_one(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    for step in (5, 10, 15):
        folder.save(simple(step))
    assert folder.files() == [folder.file(15), folder.file(10)]
    folder.file(15).write_text("corrupt")
    (tmp_path / "step-x.h5").touch()
    folder.save(simple(12))
    assert folder.files() == [folder.file(12), folder.file(10)]
    assert (tmp_path / "step-x.h5").exists()


def test_a_full_disk_leaves_the_earlier_checkpoints(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path, keep=1)
    folder.save(simple(1))
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WriteError, match="No space left"):
        folder.save(simple(2))
    assert os.listdir(tmp_path) == [folder.file(1).name]
    assert folder.latest_good(pytest.fail).step == 1


@pytest.mark.parametrize("key", ["a/b", "", ".", 3])
def test_a_key_that_hdf5_would_take_apart_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="expected names without a slash"):
        checkpoint.save(tmp_path / "file.h5", Checkpoint(1, "", {"x": {key: 1}}))
