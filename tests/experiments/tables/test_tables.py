"""Tables of many runs: what is there is reused, what was stopped goes on, and what fails says why."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import config, registry
from experiments.__main__ import main
from experiments.runs.folder import RunFolder
from experiments.tables import collection, figure_4

ROOT = Path(__file__).parents[3]
PRESETS = ["figure-4-coulomb", "figure-4-gmmn"]
SMALL = (
    "training.updates=20",
    "training.batch=8",
    "training.log_every=10",
    "training.checkpoint_every=10",
    "data.points=100",
    "data.held_out=50",
    "metrics.modes.samples=50",
    "metrics.energy.samples=50",
)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two GANs, and processes that find this checkout."""
    monkeypatch.setattr(figure_4, "presets", lambda: PRESETS)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def arguments(out: Path, *more: str) -> list[str]:
    sets = [word for override in SMALL for word in ("--set", override)]
    return ["table", "figure-4", "--out", str(out), "--device", "cpu", "--jobs", "2", *sets, *more]


def members(out: Path) -> list[collection.Member]:
    return collection.members({name: (name, SMALL) for name in PRESETS}, out)


def test_every_gan_is_in_the_figure_and_the_coulomb_gan_first(monkeypatch):
    monkeypatch.undo()
    names = figure_4.presets()
    assert names[0] == "figure-4-coulomb"
    kinds = {registry.kind_of(config.resolve(name).config.gan) for name in names}
    assert kinds == set(registry.kinds("gans"))
    assert {config.resolve(name).config.data.variance for name in names} == {1.0}


@pytest.mark.slow
def test_a_table_is_made_and_made_again_from_what_is_there(tmp_path, capsys):
    assert main(arguments(tmp_path / "out", "--plan")) == 0
    assert capsys.readouterr().out.count("to run: 20 updates") == 2
    assert not (tmp_path / "out").exists()
    assert main(arguments(tmp_path / "out")) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(tmp_path / "out" / "figure-4.html")
    assert [line.split()[0] for line in printed[-5:-1]] == ["GAN", "data", "coulomb", "gmmn"]
    with open(tmp_path / "out" / "figure-4.csv", newline="") as file:
        rows = {row["GAN"]: row for row in csv.DictReader(file)}
    for member in members(tmp_path / "out"):
        assert member.done
        name = member.name.removeprefix("figure-4-")
        assert float(rows[name]["energy"]) == member.summary["energy"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("checkpoints/*")}
    assert main(arguments(tmp_path / "out")) == 0
    assert capsys.readouterr().out.count("finished") == 2
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("checkpoints/*")} == before


@pytest.mark.slow
def test_a_stopped_table_saves_its_runs_and_goes_on(tmp_path):
    more = ["--set", "training.updates=100000", "--set", "training.checkpoint_every=100000"]
    process = subprocess.Popen(
        [sys.executable, "-c", "import tests.experiments.tables.test_tables as t, sys; "
         f"t.figure_4.presets = lambda: {PRESETS[:1]}; "
         "from experiments.__main__ import main; sys.exit(main(sys.argv[1:]))", *arguments(tmp_path / "out", *more)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    folder = RunFolder(tmp_path / "out" / PRESETS[0])
    deadline = time.monotonic() + 120
    while not folder.metrics.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "the runs are saved, and the same command goes on" in error
    assert not folder.busy
    assert list(folder.checkpoints.glob("step-*.h5"))


@pytest.mark.slow
def test_what_fails_says_why_and_the_others_are_finished(tmp_path, monkeypatch, capsys):
    start = collection._start

    def killed(member, device, jobs):
        process = start(member, device, jobs)
        if member.name == PRESETS[0]:
            process.kill()
        return process

    monkeypatch.setattr(collection, "_start", killed)
    assert main(arguments(tmp_path / "out")) == 1
    assert f"error: {PRESETS[0]}: killed by SIGKILL" in capsys.readouterr().err
    assert [member.done for member in members(tmp_path / "out")] == [False, True]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "training.batch=9"], "holds a run with other settings (training.batch 8, here 9)"),
        (["--out", "{file}"], "--out: expected a folder, got the file"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_before_anything_runs(tmp_path, capsys, more, message):
    folder, file = RunFolder(tmp_path / "out" / PRESETS[0]), tmp_path / "file"
    folder.path.mkdir(parents=True)
    folder.config.write_text(config.resolve(PRESETS[0], SMALL).text())
    file.touch()
    assert main(arguments(tmp_path / "out", *(word.format(file=file) for word in more))) == 2
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path / "out") == [PRESETS[0]]


def test_an_unknown_table_names_those_there_are(capsys):
    assert main(["table", "figure-9"]) == 2
    assert "unknown table 'figure-9'; expected one of figure-2, figure-4" in capsys.readouterr().err
