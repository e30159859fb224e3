"""Runs beside each other: rows, curves, differences, several seeds, and tables for other programs."""

from __future__ import annotations

import csv
import json
import math
import statistics
import struct
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import UserError, schema
from experiments.__main__ import main
from experiments.figures.curves import CURVES, colours
from experiments.files import to_json
from experiments.runs import comparison, comparison_page, seeds
from experiments.runs.folder import RunFolder
from tests.experiments.runs.test_runs_report import Page
from tests.support.tiny_experiment import write_preset

COLUMNS = {"kl": {"definition": "Divergence <of> two.", "unit": "nat", "axis": "log", "noise": ""}}


def pretend(path: Path, *, seed=0, rate=0.1, updates=4, done=None, metrics=None, columns=COLUMNS, start=None) -> Path:
    """A run folder with lines at every update, as a run of an experiment that is nowhere would leave it."""
    path.mkdir(parents=True)
    done, run = updates if done is None else done, RunFolder(path)
    run.config.write_text(
        f'experiment = "gone.away"\ntitle = "A & B"\nnotes = "{path.name}"\nseed = {seed}\nrate = {rate}\n'
        f'[training]\nupdates = {updates}\n[[metrics]]\nkind = "modes"\nsamples = 5\n'
    )
    run.columns.write_text(to_json(columns))
    run.add_start(
        {"seed": seed, "device": "cpu", "git_commit": "abc", "versions": {"numpy": "2"}, "command": path.name}
        | (start or {})
    )
    last = {}
    for step in range(1, done + 1):
        last = metrics(step) if metrics else {"kl": (1 + seed) / step}
        run.append_metrics(
            {"step": step, "seconds": 0.5 * step, "losses": {"d": -float(step)}, "schedule": {"rate": 1.0}}
        )
        run.append_metrics({"step": step, "seconds": 0.5 * step, "metrics": last})
    if done == updates:
        summary = {**last, "updates": done, "planned_updates": updates, "seconds": 0.5 * done, "data": {"kl": 0.25}}
        run.summary.write_text(to_json(summary))
        run.report.write_text("a report")
    return path


def page_of(paths, out: Path) -> str:
    return comparison_page.publish(comparison.read(paths), out).read_text()


def lines(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_seeds_of_one_configuration_are_one_row_with_mean_and_deviation(tmp_path):
    paths = [pretend(tmp_path / f"a/seed-{seed}", seed=seed) for seed in (0, 1, 2, 7)]
    paths.append(pretend(tmp_path / "b", rate=0.2))
    words = Page(page_of(paths, tmp_path / "out")).words
    (several, one) = lines(tmp_path / "out" / "comparison.csv")
    values = [(1 + seed) / 4 for seed in (0, 1, 2, 7)]
    assert (several["name"], several["runs"], several["seeds"]) == ("a", "4", "0-2, 7")
    assert float(several["kl"]) == pytest.approx(statistics.fmean(values))
    assert float(several["kl.std"]) == pytest.approx(statistics.stdev(values))
    assert (one["name"], one["runs"], one["kl.std"], one["kl.data"]) == ("b", "1", "", "0.25")
    assert f"{statistics.fmean(values):.4g} ± {statistics.stdev(values):.2g}" in words
    assert "data 0.25" in words
    assert "Divergence <of> two. [nat]" in words
    assert [line["seed"] for line in lines(tmp_path / "out" / "runs.csv")] == ["0", "1", "2", "7", "0"]


def test_the_page_is_well_formed_and_needs_nothing_else(tmp_path):
    parsed = Page(page_of([pretend(tmp_path / "a<b>"), pretend(tmp_path / "c", rate=2)], tmp_path / "out"))
    assert parsed.references == []
    assert len(parsed.images) == 1
    assert "a<b>" in parsed.words


def test_only_settings_and_origins_that_differ_are_shown(tmp_path):
    pretend(tmp_path / "a", start={"versions": {"numpy": "2"}})
    pretend(tmp_path / "b", rate=0.3, start={"versions": {"numpy": "3"}, "parameters_from": "x.h5"})
    rows = comparison.rows(comparison.read([tmp_path]))
    assert comparison.differences(rows) == {"rate": ["0.1", "0.3"], "parameters from": ["", "x.h5"]}
    assert comparison.provenances(rows) == {"versions.numpy": ["2", "3"]}


def test_a_run_that_went_on_elsewhere_shows_both_origins(tmp_path):
    path = pretend(tmp_path / "a")
    RunFolder(path).add_start({"seed": 0, "device": "cpu", "git_commit": "def", "from_step": 2})
    (row,) = comparison.rows(comparison.read([path]))
    assert comparison.provenances([row]) == {"git_commit": ["abc; def"]}


def test_unfinished_runs_are_marked_and_stand_alone(tmp_path):
    for seed, done in ((0, 4), (1, 4), (2, 3), (3, 0)):
        pretend(tmp_path / f"seed-{seed}", seed=seed, done=done)
    words = Page(page_of([tmp_path], tmp_path / "out")).words
    table = lines(tmp_path / "out" / "comparison.csv")
    assert [(line["runs"], line["updates"], line["finished"]) for line in table] == [
        ("2", "4", "True"), ("1", "3", "False"), ("1", "0", "False"),
    ]  # fmt: skip
    assert [line["kl"] for line in table] == ["0.375", "1.0", ""]
    assert "unfinished: 3 of 4 updates" in words
    assert "2 of them unfinished" in words


def test_a_run_that_is_being_made_longer_is_unfinished(tmp_path):
    path = pretend(tmp_path / "a")
    run = RunFolder(path)
    run.config.write_text(run.config.read_text().replace("updates = 4", "updates = 9"))
    (read,) = comparison.read([path])
    assert (read.finished, read.updates, read.metrics) == (False, 4, {"kl": 0.25})


def test_the_same_seed_twice_is_two_rows(tmp_path):
    """As before and after a change of the code: a mean over both would hide what is looked for."""
    for name in ("before", "after"):
        for seed in (0, 1):
            pretend(tmp_path / name / f"seed-{seed}", seed=seed)
    rows = comparison.rows(comparison.read([tmp_path / "before", tmp_path / "after"]))
    assert [(row.name, row.seeds) for row in rows] == [("before", "0-1"), ("after", "0-1")]


def test_runs_with_other_metrics_leave_blanks(tmp_path):
    pretend(tmp_path / "a")
    other = {"fid": {"definition": "Distance.", "unit": "", "axis": "", "noise": ""}}
    pretend(tmp_path / "b", metrics=lambda step: {"fid": 3.0 * step}, columns=other)
    pretend(tmp_path / "c", metrics=lambda step: {"old": 5.0}, columns={})  # nothing says what this one is
    page_of([tmp_path], tmp_path / "out")
    table = lines(tmp_path / "out" / "comparison.csv")
    assert [[line[name] for name in ("kl", "fid", "old")] for line in table] == [
        ["0.25", "", ""], ["", "12.0", ""], ["", "", "5.0"],
    ]  # fmt: skip


@pytest.mark.parametrize("metrics", [{"kl": math.inf}, {"kl": math.nan}, {"kl": -1.0}, {}])
def test_numbers_that_no_logarithm_takes_still_give_a_page(tmp_path, metrics):
    for seed in (0, 1):
        pretend(tmp_path / f"seed-{seed}", seed=seed, metrics=lambda step: metrics)
    assert "± " in page_of([tmp_path], tmp_path / "out")


def test_a_symmetric_logarithm_needs_noise(tmp_path):
    columns = {"kl": {"definition": "", "unit": "", "axis": "symlog", "noise": "floor"}}
    pretend(tmp_path / "a", columns=columns)
    rows = comparison.rows(comparison.read([tmp_path / "a"]))
    (panel, _) = comparison.panels(rows, colours(1))
    assert (panel.axis, panel.noise) == ("symlog", 0.0)
    page_of([tmp_path / "a"], tmp_path / "out")


def test_folders_that_are_no_runs_are_one_line(tmp_path, capsys):
    pretend(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    folders = [str(tmp_path / name) for name in ("a", "empty", "nothing")]
    assert main(["compare", *folders, "--out", str(tmp_path / "out")]) == 2
    message = f"{folders[1]}: no run (config.toml is missing); {folders[2]}: no such folder"
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["config.toml", "provenance.json", "columns.json", "summary.json"])
def test_a_damaged_file_of_a_run_is_one_line(tmp_path, capsys, name):
    (pretend(tmp_path / "a") / name).write_text("[1")
    assert main(["compare", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert error.count("\n") == 1


def test_an_out_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["compare", str(pretend(tmp_path / "a")), "--out", str(tmp_path / "file")]) == 2
    assert "--out: expected a folder" in capsys.readouterr().err


@pytest.mark.slow
def test_comparing_reads_and_writes_nothing_into_the_runs(tmp_path, capsys):
    pretend(tmp_path / "a")
    before = sorted(tmp_path.rglob("*"))
    assert main(["compare", str(tmp_path), str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0
    assert sorted(path for path in tmp_path.rglob("*") if "out" not in path.parts) == before
    assert capsys.readouterr().out.splitlines() == [
        "a                            n = 1",
        f"{tmp_path}/out/comparison.html",
    ]
    assert main(["compare", str(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 0  # again, in the same place


@pytest.mark.slow
def test_fifty_runs_have_colours_of_their_own(tmp_path):
    for number in range(50):
        pretend(tmp_path / f"run-{number:02}", rate=1.0 + number)
    text = page_of([tmp_path], tmp_path / "out")
    assert len(lines(tmp_path / "out" / "comparison.csv")) == 50
    hues = colours(50)
    assert len(set(hues)) == 50
    assert all(hue in text for hue in hues)
    assert colours(3) == list(CURVES[:3])


def test_a_band_holds_every_run_and_the_line_is_their_mean(tmp_path):
    for seed in (0, 1, 2):
        pretend(tmp_path / f"seed-{seed}", seed=seed)
    panels = comparison.panels(comparison.rows(comparison.read([tmp_path])), ["#123456"])
    (curve,) = panels[0].curves
    each = np.array([[(1 + seed) / step for step in (1, 2, 3, 4)] for seed in (0, 1, 2)])
    np.testing.assert_array_equal(curve.steps, [1, 2, 3, 4])
    np.testing.assert_allclose(curve.values, each.mean(axis=0))
    np.testing.assert_allclose((curve.lowest, curve.highest), (each.min(axis=0), each.max(axis=0)))
    assert [panel.label for panel in panels] == ["kl [nat]", "d loss (mean)"]


def test_every_data_set_has_a_line_of_its_own(tmp_path):
    for seed in (0, 1):
        pretend(tmp_path / f"seed-{seed}", seed=seed)
    other = RunFolder(pretend(tmp_path / "other"))
    other.config.write_text(other.config.read_text() + '[data]\nkind = "else"\n')
    panel, _ = comparison.panels(comparison.rows(comparison.read([tmp_path])), colours(2))
    assert panel.data == [[0.25], [0.25, 0.25]]


@given(numbers=st.sets(st.integers(0, 40), min_size=1))
def test_ranges_say_every_number_once(numbers):
    found = []
    for part in comparison.ranges(numbers).split(", "):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)


def test_tables_of_a_list_are_named_by_their_kind_or_number():
    mapping = tomllib.loads(
        '[[m]]\nkind = "a"\nn = 1\n[[m]]\nkind = "b"\nn = 2\n[[m]]\nkind = "b"\nn = 3\n[[p]]\nn = 4\n[x.y]\nz = [1, 2]'
    )
    found = dict(schema.dotted(mapping))
    assert {name: value for name, value in found.items() if not name.endswith("kind")} == {
        "m.a.n": 1, "m.1.n": 2, "m.2.n": 3, "p.0.n": 4, "x.y.z": [1, 2],
    }  # fmt: skip


# Several seeds


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are written as ever, but not drawn."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: file.write(b"a figure"))


def sweep(folder: Path, text: str, *options: str) -> int:
    arguments = ["run", str(write_preset(folder)), "--seeds", text, "--out", str(folder / "sweep"), "--device", "cpu"]
    return main([*arguments, *options])


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_several_seeds_are_runs_of_their_own_and_a_page(tmp_path, capsys):
    assert sweep(tmp_path, "0-1,5") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "sweep" / "comparison.html")
    (row,) = lines(tmp_path / "sweep" / "comparison.csv")
    assert (row["runs"], row["seeds"]) == ("3", "0-1, 5")
    distances = [json.loads((tmp_path / f"sweep/seed-{n}/summary.json").read_text())["distance"] for n in (0, 1, 5)]
    assert float(row["distance"]) == pytest.approx(statistics.fmean(distances))
    assert len(set(distances)) == 3
    assert main(["run", str(tmp_path / "tiny.toml"), "--seed", "5", "--out", str(tmp_path / "alone")]) == 0
    assert json.loads((tmp_path / "alone/summary.json").read_text())["distance"] == distances[2]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_seeds_go_on_after_a_kill_and_reuse_what_is_finished(tmp_path, monkeypatch, capsys):
    class Killed(BaseException):
        pass

    step, left = "tests.support.tiny_experiment.Tiny.step", 100
    from tests.support.tiny_experiment import Tiny

    original = Tiny.step

    def dying(self):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(step, dying)
        with pytest.raises(Killed):
            sweep(tmp_path, "0-2")
    first = (tmp_path / "sweep/seed-0/report.html").stat().st_mtime_ns
    assert not (tmp_path / "sweep/seed-2").exists()
    capsys.readouterr()
    assert sweep(tmp_path, "0-2") == 0
    printed = capsys.readouterr().out
    assert "finished: all 60 updates are done" in printed
    assert "seed-1: continuing at update 30 of 60" in printed
    assert (tmp_path / "sweep/seed-0/report.html").stat().st_mtime_ns == first
    whole = tmp_path / "whole"
    whole.mkdir()
    assert sweep(whole, "0-2") == 0
    for name in ("distance", "distance.std"):
        assert lines(tmp_path / "sweep/comparison.csv")[0][name] == lines(whole / "sweep/comparison.csv")[0][name]


@pytest.mark.usefixtures("undrawn")
def test_other_settings_do_not_mix_with_runs_that_are_there(tmp_path, capsys):
    assert sweep(tmp_path, "0") == 0
    assert sweep(tmp_path, "0-1", "--set", "shape.rate=0.1") == 2
    error = capsys.readouterr().err
    assert "seed-0: holds a run with other settings (shape.rate 0.05, here 0.1); give another --out" in error
    assert not (tmp_path / "sweep/seed-1").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_seed_that_diverges_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    from tests.support.tiny_experiment import Tiny

    original = Tiny.step
    monkeypatch.setattr(
        Tiny, "step", lambda self: {**original(self), **({"first": math.nan} if self.config.seed == 0 else {})}
    )
    assert sweep(tmp_path, "0-1") == 1
    assert "error: seed 0: stopped at step 1: the loss first became nan" in capsys.readouterr().err
    assert [line["finished"] for line in lines(tmp_path / "sweep/comparison.csv")] == ["False", "True"]


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "1,1", "0-99999999999", "1.5", "0-3,2"])
def test_seeds_that_are_none_are_refused(text):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "digits", "--seeds", text])


@pytest.mark.parametrize("options", [("--seed", "3"), ("--set", "seed=3")])
def test_seeds_stand_without_another_seed(tmp_path, capsys, options):
    assert sweep(tmp_path, "0-1", *options) == 2
    assert "--seeds: expected without another seed" in capsys.readouterr().err


def test_seeds_of_no_preset_write_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="unknown preset"):
        seeds.complete("nope", [0], None, "cpu")
    assert list(tmp_path.iterdir()) == []


# Event files


def events(path: Path) -> list[bytes]:
    """Records of an event file, whose lengths and checksums are right as far as this reader knows them."""
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def test_event_files_hold_every_number_of_the_metrics(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    run = pretend(tmp_path / "a", start={"started": "2026-01-02 03:04:05 +0000"})
    for _ in range(2):  # the second replaces the first
        assert main(["tensorboard", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run / "tensorboard")
    (file,) = (run / "tensorboard").iterdir()
    text = b"".join(events(file))
    for tag in (b"metrics/kl", b"losses/d", b"schedule/rate"):
        assert text.count(tag) == 4
    assert struct.pack("<f", 1 / 3) in text
    assert struct.pack("<d", 1767323045.0 + 0.5) in text  # when it was recorded


def test_without_its_package_event_files_name_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    assert main(["tensorboard", str(pretend(tmp_path / "a"))]) == 2
    assert capsys.readouterr().err == 'error: tensorboardX is not installed; pip install -e ".[tensorboard]"\n'
    assert not (tmp_path / "a/tensorboard").exists()


def test_event_files_take_no_folder_of_other_things(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    run = pretend(tmp_path / "a", done=0)
    assert main(["tensorboard", str(run)]) == 2
    assert "no metrics yet" in capsys.readouterr().err
    other = pretend(tmp_path / "b")
    assert main(["tensorboard", str(other), "--out", str(run)]) == 2
    assert "expected a new folder, or one with event files alone" in capsys.readouterr().err
    assert (run / "config.toml").exists()
