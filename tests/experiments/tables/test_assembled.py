"""Tables that run nothing: finished runs of their presets, wherever they lie, beside the paper's numbers."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest

from experiments import config
from experiments.__main__ import main
from experiments.files import to_json, write_atomically
from experiments.runs.folder import RunFolder
from experiments.tables import assembled, table_1b


def finished(path: Path, preset: str, fid: float, *overrides: str, updates: int | None = None, **summary) -> RunFolder:
    """The folder of a run that came to its end."""
    path.mkdir(parents=True)
    folder, setup = RunFolder(path), config.resolve(preset, ["data.path=here.h5", *overrides])
    planned = setup.config.training.updates
    whole = {"fid": fid, "updates": updates or planned, "planned_updates": planned, "seconds": 1.0, "data": {}}
    write_atomically(folder.config, setup.text())
    write_atomically(folder.summary, to_json(whole | summary))
    write_atomically(folder.report, "report")
    return folder


def table(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    assert main(["table", "1b", "--out", str(out)]) == 0
    with open(out / "table-1b.csv", newline="") as file:
        return {(row["data"], row["GAN"]): row for row in csv.DictReader(file)}


def test_every_number_of_the_paper_has_a_preset_and_the_other_way_round():
    names = {name for name in config.preset_names() if name.startswith(tuple(table_1b.DATA))}
    assert {cell.preset for cell in table_1b.TABLE.cells} == names
    assert len({config.resolve(name).title for name in names}) == len(names) == 20
    for name in names:
        kinds = [type(metric).__module__.rpartition(".")[2] for metric in config.resolve(name).config.metrics]
        assert "fid" in kinds, name


def test_what_has_not_been_run_is_said_with_its_command(tmp_path, capsys):
    rows = table(tmp_path)
    assert rows["LSUN", "DCGAN, TTUR"] == {
        "data": "LSUN",
        "GAN": "DCGAN, TTUR",
        "paper": "57.5",
        "measured": "",
        "run": "not run: python -m experiments run lsun-bedrooms-dcgan-ttur --set data.path=lsun-bedrooms.h5",
    }
    assert ("CIFAR10", "BEGAN") not in rows
    printed = capsys.readouterr().out
    assert printed.count("not run: ") == 20
    assert printed.splitlines()[-1] == str(tmp_path / "table-1b.html")


def test_runs_are_found_in_folders_of_seeds_and_their_mean_is_shown(tmp_path):
    finished(tmp_path / "celeba-seeds" / "seed-0", "celeba", 10.0)
    finished(tmp_path / "celeba-seeds" / "seed-1", "celeba", 12.0, "seed=1", "training.log_every=7")
    row = table(tmp_path)["CelebA", "Coulomb GAN"]
    assert row["measured"] == "11 ± 1.4 (n = 2)"
    assert "seed-0 (500000 updates), " in row["run"]
    assert ">9.3 / 11 ± 1.4 (n = 2)<" in (tmp_path / "table-1b.html").read_text()


def test_a_run_of_other_settings_has_a_star_and_its_differences_and_gives_way_to_the_presets_own(tmp_path):
    finished(tmp_path / "short", "celeba", 99.0, "training.updates=100", "generator.width=64")
    row = table(tmp_path)["CelebA", "Coulomb GAN"]
    assert row["measured"] == "99*"
    assert "(100 updates; training.updates 100 for 500000; generator.width 64 for 1024)" in row["run"]
    finished(tmp_path / "other", "celeba", 77.0, "generator.width=64")
    finished(tmp_path / "whole", "celeba", 10.0)
    assert table(tmp_path)["CelebA", "Coulomb GAN"]["measured"] == "10"


def test_a_run_that_its_plateau_ended_is_finished_and_one_that_was_stopped_is_not(tmp_path):
    finished(tmp_path / "stopped", "cifar10", 50.0, updates=1_000)
    assert table(tmp_path)["CIFAR10", "Coulomb GAN"]["measured"] == ""
    finished(tmp_path / "ended", "cifar10", 30.0, updates=200_000, ended_early=1)
    assert table(tmp_path)["CIFAR10", "Coulomb GAN"]["measured"] == "30"


def test_a_folder_that_cannot_be_read_is_left_out_aloud(tmp_path, capsys):
    damaged = finished(tmp_path / "damaged", "celeba", 1.0)
    write_atomically(damaged.summary, "{")
    assert table(tmp_path)["CelebA", "Coulomb GAN"]["measured"] == ""
    assert "left out: " + str(damaged.summary) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1b", "--set", "seed=1"], "--set: table 1b runs nothing; give it to the runs that it shows"),
        (["1b", "--out", "nowhere"], "--out: expected a folder with run folders, got 'nowhere'"),
        (["2b"], "unknown table '2b'; expected one of figure-2, figure-4, 1a, 1b"),
        ([".."], "unknown table '..'; expected one of figure-2, figure-4, 1a, 1b"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert main(["table", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_figure_2_shows_samples_of_what_has_been_run(tmp_path, capsys):
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["images"] = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), np.uint8)
    sets = ["training.updates=1", "training.batch=4", "generator.width=16", "discriminator.base=4", "metrics=[]"]
    sets += [f"data.path={tmp_path / 'images.h5'}", "data.held_out=4", "plateau={}"]
    words = [word for text in sets for word in ("--set", text)]
    assert main(["run", "cifar10", "--out", str(tmp_path / "runs" / "one"), *words]) == 0
    capsys.readouterr()
    assert main(["table", "figure-2", "--out", str(tmp_path / "runs")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "CelebA: not run: python -m experiments run celeba --set data.path=celeba.h5"
    assert lines[2].startswith(f"CIFAR10: {tmp_path / 'runs' / 'figure-2-cifar10.png'} of ")
    assert "training.updates 1 for 500000" in lines[2]
    assert (tmp_path / "runs" / "figure-2-cifar10.png").read_bytes().startswith(b"\x89PNG")
    assert assembled.find(["cifar10"], tmp_path / "runs", print)["cifar10"][0].summary["updates"] == 1
