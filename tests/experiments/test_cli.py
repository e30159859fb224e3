from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from closed_output import ClosedOutput

from experiments import config
from experiments.__main__ import main
from tests.support.tiny_experiment import write_preset

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    assert main(["run", str(write_preset(folder)), "--out", str(folder / "run"), "--seed", "5"]) == 0
    return folder / "run"


@pytest.mark.slow
def test_run_prints_its_configuration_first_and_the_report_last(tmp_path, capsys):
    preset = write_preset(tmp_path)
    assert main(["run", str(preset), "--out", str(tmp_path / "run"), "--set", "shape.width=4"]) == 0
    printed = capsys.readouterr().out
    setup = config.resolve(preset, ["shape.width=4"])
    assert printed.startswith(setup.text())
    assert (tmp_path / "run" / "config.toml").read_text() == setup.text()
    assert printed.splitlines()[-1] == str(tmp_path / "run" / "report.html")


@pytest.mark.slow
def test_the_summary_has_metrics_updates_seconds_and_the_data_itself(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert summary.keys() == {"distance", "energy", "floor", "updates", "planned_updates", "seconds", "data"}
    assert summary["data"]["distance"] == 0.1
    assert summary["updates"] == 60
    last = json.loads((finished / "metrics.jsonl").read_text().splitlines()[-1])
    assert {name: summary[name] for name in last["metrics"]} == last["metrics"]


def test_the_provenance_names_code_machine_seed_and_command(finished):
    (start,) = json.loads((finished / "provenance.json").read_text())
    assert start["seed"] == 5
    assert start["device"] == "cpu"
    assert start["data"] == {"data": "none"}
    assert start["versions"]["numpy"] == np.__version__
    assert {"git_commit", "git_dirty", "platform", "cpu", "threads", "command", "started"} <= start.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nope"], "error: unknown preset 'nope'"),
        (["run", "{preset}", "--set", "seeed=1"], "error: seeed: unknown key (with value 1); did you mean seed?"),
        (["run", "{preset}", "--out", "{here}"], "expected a new or empty folder for --out"),
        (["resume", "{here}/nothing"], "no such folder"),
        (["resume", "{here}"], "config.toml is missing"),
        (["report", "{here}"], "config.toml is missing"),
        (["sample", "{finished}", "--out", "{here}/x.txt"], "--out: expected a name that ends in .npy, .csv or .png"),
        (["sample", "{finished}", "--out", "{here}/no/x.npy"], "--out: no such folder"),
        (["sample", "{finished}", "--checkpoint", "{preset}"], "not a readable HDF5 file"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, capsys, monkeypatch, finished, arguments, message):
    monkeypatch.chdir(tmp_path)
    names = {"preset": write_preset(tmp_path), "here": tmp_path, "finished": finished}
    before = sorted(tmp_path.rglob("*"))
    assert main([argument.format(**names) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


OWN = ["experiments", "--import", "tests.support.tiny_experiment"]
LONG = "a" * 300  # longer than a file system takes


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "{preset}", "--out", LONG],
        ["run", "{preset}", "--seeds", "0,1", "--out", LONG],
        ["run", "{preset}", "--from", LONG],
        ["run", f"{LONG}.toml"],
        ["resume", LONG],
        ["report", LONG],
        ["sample", LONG],
        ["sample", "{finished}", "--out", f"{LONG}.npy"],
        ["compare", LONG],
        ["compare", "{finished}", "--out", LONG],
        ["tensorboard", "{finished}", "--out", LONG],
        ["import", LONG, "w.safetensors", "--out", "z.h5"],
        ["table", "figure-4", "--out", LONG, "--plan"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_name_that_the_system_refuses_is_one_line(tmp_path, capsys, monkeypatch, finished, arguments):
    monkeypatch.chdir(tmp_path)
    names = {"preset": write_preset(tmp_path), "finished": finished}
    before = sorted(tmp_path.rglob("*"))
    assert main([argument.format(**names) for argument in arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["--seed", "--seeds"])
def test_numbers_of_thousands_of_digits_are_named(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "x", option, "9" * 5000])
    assert "expected an integer of at most 1000 digits, got 5000" in capsys.readouterr().err


@pytest.mark.parametrize("digits", [15, 30])
def test_too_many_samples_for_the_memory_are_one_line(finished, tmp_path, capsys, digits):
    out = tmp_path / "x.npy"
    assert main(["sample", str(finished), "--count", "9" * digits, "--out", str(out)]) == 1
    assert capsys.readouterr().err.startswith("error: not enough memory (")
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "x", "--count", "-1"],
        ["run", "x", "--seed", "a"],
        ["run", "x", "--seeds", f"0-{10**30}"],
        ["run", "x", "--seeds", "3-1"],
        ["fly"],
        [],
    ],
)
def test_arguments_are_checked(arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_samples_depend_on_the_seed_alone_and_csv_keeps_their_digits(finished, tmp_path):
    def draw(name, *options):
        assert main(["sample", str(finished), "--count", "7", "--out", str(tmp_path / name), *options]) == 0
        return tmp_path / name

    first = np.load(draw("a.npy"))
    assert first.shape == (7, 2)
    assert np.array_equal(first, np.load(draw("b.npy", "--seed", "5")))
    assert not np.array_equal(first, np.load(draw("c.npy", "--seed", "6")))
    text = draw("d.csv").read_text()
    assert text.startswith("x1,x2\n")
    assert np.array_equal(first, np.loadtxt(text.splitlines()[1:], delimiter=","))


def test_samples_of_an_earlier_checkpoint(finished, tmp_path):
    for name, step in (("a.npy", 45), ("b.npy", 60)):
        source = finished / "checkpoints" / f"step-{step:09d}.h5"
        assert main(["sample", str(finished), "--out", str(tmp_path / name), "--checkpoint", str(source)]) == 0
    assert not np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


@pytest.mark.slow
def test_report_rebuilds_what_was_deleted(finished):
    files = [finished / name for name in ("report.html", "summary.json", "figures/scatter.png")]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    assert main(["report", str(finished)]) == 0
    assert [file.read_bytes() for file in files] == before


def test_a_run_without_a_checkpoint_has_no_report(tmp_path, capsys):
    assert main(["run", str(write_preset(tmp_path)), "--out", str(tmp_path / "run"), "--set", "nan_loss_at=1"]) == 1
    assert main(["report", str(tmp_path / "run")]) == 2
    assert "no checkpoint yet" in capsys.readouterr().err


def test_list_prints_every_preset_with_its_title(capsys, monkeypatch, tmp_path):
    write_preset(tmp_path)
    monkeypatch.setattr(config, "PRESETS", tmp_path)
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "tiny  Tiny <run>\n"


def test_a_list_that_nobody_reads_to_its_end_ends_in_silence(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout", ClosedOutput())
    assert main(["list"]) == 128 + signal.SIGPIPE
    assert capsys.readouterr().err == ""


def test_a_run_that_nobody_reads_stops_with_a_word(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout", ClosedOutput())
    assert main(["run", str(write_preset(tmp_path)), "--out", str(tmp_path / "run")]) == 128 + signal.SIGPIPE
    assert capsys.readouterr().err == "stopped: nobody reads the output\n"


@pytest.mark.slow
def test_a_missing_extra_is_named_with_the_command_that_installs_it():
    program = "import sys; sys.modules['tqdm'] = None; from experiments.__main__ import main; sys.exit(main(['list']))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == 'error: tqdm is not installed: pip install -e ".[experiments]"\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["experiments", "list"], ["validation", "equations", "--quick", "--only", "5", "--html", "{here}"]]
)
def test_a_notebook_s_backend_that_this_environment_lacks_doesn_t_matter(tmp_path, command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "no_such_backend"}
    words = [word.format(here=tmp_path / "page.html") for word in command]
    done = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["report", "resume", "sample"])
@pytest.mark.parametrize("setting", ["experiment", "kind"])
def test_a_folder_s_configuration_imports_nothing_from_the_working_directory(
    tmp_path, capsys, monkeypatch, setting, verb
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evilpackage").mkdir()
    (tmp_path / "evilpackage/__init__.py").write_text("open('was_here', 'w').close()\n")
    (tmp_path / "evilpackage/module.py").touch()
    (tmp_path / "run").mkdir()
    text = 'experiment = "evilpackage.module"\n'
    if setting == "kind":
        text = 'experiment = "gan_training"\n[training]\nupdates = 1\n[gan]\nkind = "evilpackage.module"\n'
    (tmp_path / "run/config.toml").write_text(text)
    assert main([verb, "run"]) == 2
    error = capsys.readouterr().err
    assert "python -m experiments --import evilpackage.module ..." in error
    assert error.count("\n") == 1
    assert not (tmp_path / "was_here").exists()


@pytest.mark.slow
def test_a_module_of_one_s_own_is_named_on_the_command_line(tmp_path):
    preset = write_preset(tmp_path)
    command = [sys.executable, "-m", "experiments", "--import", "tests.support.tiny_experiment", "run", str(preset)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [*command, "--out", str(tmp_path / "run")]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/report.html").exists()


@pytest.mark.parametrize("name", ["no.such", "", ".x"])
def test_a_module_that_can_t_be_imported_is_one_line(capsys, name):
    assert main(["--import", name, "list"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --import: {name!r} can't be imported (")
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        [*OWN, "run", "{preset}", "--out", "{here}/é", "--set", "title=√"],
        ["validation", "equations", "--quick", "--only", "5"],
    ],
)
def test_output_that_can_t_be_encoded_is_escaped(tmp_path, command):
    """On a machine without a language, or in a job that was given none."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    words = [word.format(preset=write_preset(tmp_path), here=tmp_path).encode() for word in command]
    done = subprocess.run([sys.executable, "-X", "utf8=0", "-m", *words], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    done.stdout.decode("ascii")
    if command[0] == "experiments":
        assert "√" in (tmp_path / "é/config.toml").read_text(encoding="utf-8")
        assert "√" in (tmp_path / "é/report.html").read_text(encoding="utf-8")
