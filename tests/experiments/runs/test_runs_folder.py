from __future__ import annotations

import errno
import json
import math
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.files import WriteError, write_atomically
from experiments.metrics.metric import Column
from experiments.runs.folder import RecordError, RunFolder


def full_disk(*_arguments, **_keywords):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(WriteError, match=r"file: can't be written \(No space left on device\)"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_syncs_the_file_before_its_name_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.path.isdir(f"/dev/fd/{fd}")), sync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(tmp_path / "file", b"x")
    assert calls == [False, "replace", True]


def test_a_new_run_refuses_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(RecordError, match="expected a new or empty folder"):
            RunFolder.create(path, "name")
    assert os.listdir(tmp_path) == ["file"]


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _format: "20260102-030405")
    paths = [RunFolder.create(None, "toy").path for _ in range(3)]
    assert [str(path) for path in paths] == [f"runs/toy-20260102-030405{end}" for end in ("", "-2", "-3")]


def test_a_folder_without_a_configuration_is_no_run(tmp_path):
    with pytest.raises(RecordError, match="no such folder"):
        RunFolder.open(tmp_path / "nothing")
    with pytest.raises(RecordError, match="has to be started again"):
        RunFolder.open(RunFolder.create(tmp_path / "run", "name").path)


@given(steps=st.lists(st.integers(0, 30), max_size=20).map(sorted), cut=st.integers(0, 30), torn=st.integers(0, 12))
@settings(max_examples=50)
def test_cutting_keeps_whole_lines_up_to_the_step(tmp_path_factory, steps, cut, torn):
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "run", "name")
    for step in steps:
        run.append_metrics({"step": step, "x": 0.1})
    with open(run.metrics, "ab") as file:
        file.write(b'{"step": 99}'[:torn])
    run.cut_metrics(min(cut, 30))
    assert run.read_metrics() == [{"step": step, "x": 0.1} for step in steps if step <= cut]
    run.append_metrics({"step": 31})
    assert run.read_metrics()[-1] == {"step": 31}


def test_only_one_process_trains_in_a_folder(tmp_path):
    run = RunFolder.create(tmp_path / "run", "name")
    with run.locked(), pytest.raises(RecordError, match="another process"), run.locked():
        pass
    with run.locked():
        pass


def test_every_start_is_kept(tmp_path):
    run = RunFolder.create(tmp_path / "run", "name")
    run.add_start({"from_step": 0, "device": "cpu", "seed": 0})
    run.add_start({"from_step": 7, "device": "cpu", "seed": 0})
    assert [start["from_step"] for start in run.read_starts()] == [0, 7]


def test_leftovers_of_a_kill_are_removed(tmp_path):
    run = RunFolder.create(tmp_path / "run", "name")
    leftover, other = run.checkpoints / ".step-000000005.h5.tmp", run.path / "notes.tmp"
    leftover.touch()
    other.touch()
    run.remove_leftovers()
    assert not leftover.exists()
    assert other.exists()


def test_only_what_a_start_writes_is_discarded(tmp_path):
    """A folder with anything else, a later checkpoint or somebody's file, stays as it is, whole."""
    for name in ("theirs", "lost", "ours"):
        run = RunFolder.create(tmp_path / name, "name")
        run.add_start({"from_step": 0, "device": "cpu", "seed": 0})
        (run.checkpoints / ".step-000000000.h5.tmp").touch()
        if name == "theirs":
            (run.checkpoints / "precious.pt").touch()
        if name == "lost":
            (run.checkpoints / "step-000000020.h5").touch()
        before = sorted(run.path.rglob("*"))
        run.discard_unstarted()
        assert sorted(run.path.rglob("*")) == ([] if name == "ours" else before)
        assert run.path.exists() == (name != "ours")


def test_a_folder_that_another_process_is_at_is_not_discarded(tmp_path):
    run = RunFolder.create(tmp_path / "run", "name")
    assert not run.busy
    with run.locked():
        assert run.busy
        with pytest.raises(RecordError, match="another process"):
            run.discard_unstarted()
    assert run.path.exists()
    assert not RunFolder(tmp_path / "none").busy


@pytest.mark.parametrize(
    "line",
    [
        '{"step": "a"}',
        '{"step": null}',
        '{"step": 1, "losses": 5}',
        "[]",
        '{"step": 10, "metrics": []}',
        '{"step": 1, "metrics": {"energy": "x"}}',
        '{"step": 1, "losses": {"a": null}}',
        '{"step": 1, "seconds": null}',
        '{"step": 1, "seconds": "a", "metrics": {}}',
        '{"step": 1, "losses": {"a": true}}',
        '{"step": 1, "losses": {"a": 1' + "0" * 400 + "}}",
        '{"step": 1, "other": [1]}',
        "[" * 100_000,
        '{"step": ' + "1" * 5000 + "}",
        '{"st',
    ],
    ids=lambda line: line[:40],
)
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    run = RunFolder.create(tmp_path / "run", "name")
    run.metrics.write_text('{"step": 0}\n' + line + '\n{"step": 2}\n')
    with pytest.raises(RecordError, match=r"metrics\.jsonl: line 2 is no record"):
        run.read_metrics()


@pytest.mark.parametrize("content", ["{}", "[]", "null", "5", "[1]", "[{}]", '[{"device": 1, "seed": 0}]'])
def test_a_provenance_of_another_shape_is_named(tmp_path, content):
    run = RunFolder.create(tmp_path / "run", "name")
    run.provenance.write_text(content)
    with pytest.raises(RecordError, match=r"provenance\.json: expected a list of starts"):
        run.read_starts()


WHOLE = {"updates": 1, "planned_updates": 2, "seconds": 3.0, "energy": 4.0, "data": {"energy": 5.0}}


@pytest.mark.parametrize(
    "content",
    [{}, [], None, 5, {"updates": 20}, {"updates": "a"}]
    + [
        {**WHOLE, name: value}
        for name in ("updates", "energy", "data")
        for value in (None, "a", [1], {"a": "b"}, 10**400)
    ]
    + [{**WHOLE, "data": {"energy": value}} for value in (None, "a", [1], {}, True, 10**400)],
    ids=lambda content: str(content)[:90],
)
def test_a_summary_of_another_shape_is_named(tmp_path, content):
    run = RunFolder.create(tmp_path / "run", "name")
    run.summary.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"summary\.json: expected (an object|numbers by name)"):
        run.read_summary()
    run.summary.write_text(json.dumps({**WHOLE, "energy": math.nan}))
    assert run.read_summary()["updates"] == 1


COLUMN = {"definition": "Text.", "unit": "nat", "axis": "log", "noise": ""}


@pytest.mark.parametrize(
    "content",
    [5, [], None, "a", {"kl": None}, {"kl": []}, {"kl": {}}, {"kl": {"unit": "nat"}}, {"kl": {**COLUMN, "more": "x"}}]
    + [{"kl": {**COLUMN, name: value}} for name in COLUMN for value in (None, 5, [], {})]
    + [{"kl": {**COLUMN, "axis": "logit"}}],
    ids=str,
)
def test_columns_of_another_shape_are_named(tmp_path, content):
    """Also an axis that there is none of, on which no curve can be drawn."""
    run = RunFolder.create(tmp_path / "run", "name")
    run.columns.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"columns\.json: ('kl': )?expected"):
        run.read_columns()
    run.columns.write_text(json.dumps({"kl": COLUMN}))
    assert run.read_columns() == {"kl": Column(**COLUMN)}


@pytest.mark.parametrize(
    "content",
    [5, {}, "a", [5], [{}], [{"file": 1, "title": "", "caption": ""}], [{"file": "a.png", "title": ""}]]
    + [[{"file": name, "title": "", "caption": ""}] for name in ("../a.png", "/a.png", "a/b.png", "", "..")],
    ids=str,
)
def test_captions_of_another_shape_are_named(tmp_path, content):
    """Also a file from elsewhere, which is none of the figures."""
    run = RunFolder.create(tmp_path / "run", "name")
    run.captions.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"figures\.json: expected a list"):
        run.read_captions()


@pytest.mark.parametrize("name", ["provenance", "summary", "columns", "captions"])
@pytest.mark.parametrize("content", [b"", b"[", b"[" * 100_000, b"1" * 5000, b"\xff", b"{]"], ids=lambda c: c[:9])
def test_what_is_no_json_is_named(tmp_path, name, content):
    run = RunFolder.create(tmp_path / "run", "name")
    path = getattr(run, name)
    path.write_bytes(content)
    read = {"provenance": run.read_starts}.get(name) or getattr(run, f"read_{name}")
    with pytest.raises(RecordError) as caught:
        read()
    assert str(caught.value).startswith(f"{path}: can't be read (")
    assert "\n" not in str(caught.value)


def test_the_resume_command_quotes_the_folder(tmp_path):
    assert RunFolder(tmp_path / "a b").resume_command == f"python -m experiments resume '{tmp_path}/a b'"


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path):
    """Of a folder from somebody else, it could lead to any file of the user's."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.report.html.tmp").symlink_to(tmp_path / "mine")
    write_atomically(tmp_path / "run/report.html", "report")
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "run/report.html").read_text() == "report"
    assert os.listdir(tmp_path / "run") == ["report.html"]


def test_a_leftover_of_a_kill_does_not_stand_in_the_way(tmp_path):
    (tmp_path / ".file.tmp").write_text("cut")
    write_atomically(tmp_path / "file", "new")
    assert os.listdir(tmp_path) == ["file"]
