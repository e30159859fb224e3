"""Runs that go on to be longer, and runs that start from the parameters of others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.runs import checkpoint
from experiments.runs.checkpoint import CheckpointFolder
from experiments.runs.folder import RunFolder
from tests.experiments.runs.test_runs_checkpoint import same
from tests.support.tiny_experiment import write_preset

GAN = """
base = "gaussian-mixture-quick"
title = "A small GAN"
seed = 4
dtype = "float64"

[training]
updates = {updates}
batch = 8
log_every = 3
evaluate_every = 4
checkpoint_every = 4

[data]
kind = "gaussian_mixture"
points = 200
held_out = 40

[gan]
softening = {{ start = 1.0, kind = "constant", end = 0.0 }}

[generator]
layers = {{ hidden = [5] }}
optimizer = {{ rate = {{ start = 1e-3, kind = "constant", end = 0.0 }} }}

[discriminator]
layers = {{ hidden = [5] }}
optimizer = {{ rate = {{ start = 1e-3, kind = "{kind}", end = {end} }} }}

[[metrics]]
kind = "energy"
samples = 20
"""


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    """Figures are written as ever, but not drawn, which takes most of a run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: file.write(b"a figure"))
        patch.setattr("experiments.gan_training.GANTraining.figures", lambda *_: [])
        yield


def tiny(folder: Path, *sets: str, out: str = "run") -> int:
    options = [option for override in sets for option in ("--set", override)]
    return main(["run", str(write_preset(folder)), "--out", str(folder / out), "--device", "cpu", *options])


def small(folder: Path, updates: int, out: str, *options: str, kind: str = "constant") -> int:
    preset = folder / "small.toml"
    preset.write_text(GAN.format(updates=updates, kind=kind, end=0.0 if kind == "constant" else 1e-4))
    return main(["run", str(preset), "--out", str(folder / out), "--device", "cpu", *options])


def resume(path: Path, *sets: str) -> int:
    return main(["resume", str(path), *(option for override in sets for option in ("--set", override))])


def end(path: Path, step: int):
    """State and recorded lines of a run, but for the time that it took."""
    run = RunFolder(path)
    state = checkpoint.load(CheckpointFolder(run.checkpoints, 1).file(step)).state
    del state["loop"]["seconds"]
    records = [{k: v for k, v in r.items() if k not in ("seconds", "updates_per_s")} for r in run.read_metrics()]
    return state, records


def bytes_of(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def assert_extended(longer: Path, whole: Path, step: int) -> None:
    """A run that was made longer has the state of one that was so from its start, and all lines of it."""
    (state, records), (expected, expected_records) = end(longer, step), end(whole, step)
    assert same(state, expected)
    assert [record for record in expected_records if record not in records] == []
    assert f"updates = {step}\n" in (longer / "config.toml").read_text()
    assert json.loads((longer / "summary.json").read_text())["planned_updates"] == step


@pytest.mark.slow
def test_a_finished_run_goes_on_to_what_it_would_have_been(tmp_path):
    assert tiny(tmp_path) == 0
    assert tiny(tmp_path, "training.updates=85", out="whole") == 0
    assert resume(tmp_path / "run", "training.updates=85") == 0
    assert_extended(tmp_path / "run", tmp_path / "whole", 85)
    assert "85 updates in" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_a_gan_with_constant_schedules_goes_on_to_the_same_bits(tmp_path):
    assert small(tmp_path, 7, "run") == 0
    assert small(tmp_path, 12, "whole") == 0
    assert resume(tmp_path / "run", "training.updates=12") == 0
    assert_extended(tmp_path / "run", tmp_path / "whole", 12)


def test_a_schedule_over_the_whole_run_forbids_another_length_by_name(tmp_path, capsys):
    assert small(tmp_path, 7, "run", kind="exponential") == 0
    before = bytes_of(tmp_path / "run")
    assert resume(tmp_path / "run", "training.updates=12") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: training.updates: can't be changed where it decides what other settings mean: ")
    assert "discriminator.optimizer.rate;" in message
    assert "generator.optimizer.rate" not in message.replace("discriminator.optimizer.rate", "")
    assert message.count("\n") == 1
    assert bytes_of(tmp_path / "run") == before


def test_a_run_goes_on_with_its_bit_generator(tmp_path):
    """A longer run of Philox's streams is the uninterrupted one, and none of SFC64's."""
    philox = "training.bit_generator=philox"
    assert tiny(tmp_path, philox) == 0
    assert resume(tmp_path / "run", "training.updates=70") == 0
    assert tiny(tmp_path, philox, "training.updates=70", out="whole") == 0
    assert tiny(tmp_path, "training.updates=70", out="other") == 0
    assert_extended(tmp_path / "run", tmp_path / "whole", 70)
    whole, other = (end(tmp_path / name, 70)[0]["experiment"]["position"] for name in ("whole", "other"))
    assert not np.array_equal(whole, other)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "shape.rate=0.1",
            "shape.rate: a run goes on with the settings that it was started with, but for training.updates",
        ),
        ("seed=9", "seed: a run goes on with the settings that it was started with"),
        (
            "training.bit_generator=philox",
            "training.bit_generator: a run goes on with the settings",
        ),
        ("training.updates=59", "training.updates: expected at least the 60 updates that are done, got 59"),
        ("training.updates=many", "training.updates: expected an integer, got 'many'"),
        ("training.udpates=90", "training.udpates: unknown key"),
    ],
)
def test_what_can_t_change_is_one_line_and_leaves_all_as_it_was(tmp_path, capsys, override, message):
    assert tiny(tmp_path) == 0
    before = bytes_of(tmp_path / "run")
    assert resume(tmp_path / "run", override) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert bytes_of(tmp_path / "run") == before


@pytest.mark.slow
def test_periods_may_change_and_change_no_update(tmp_path):
    assert tiny(tmp_path) == 0
    assert tiny(tmp_path, "training.updates=100", out="whole") == 0
    periods = ("training.log_every=3", "training.evaluate_every=8", "training.checkpoint_every=9")
    assert resume(tmp_path / "run", "training.updates=100", *periods) == 0
    state, records = end(tmp_path / "run", 100)
    expected, _ = end(tmp_path / "whole", 100)
    assert same(state["experiment"], expected["experiment"])
    assert [r["step"] for r in records if "metrics" in r] == [20, 40, 60, 64, 72, 80, 88, 96, 100]
    assert "log_every = 3\n" in (tmp_path / "run" / "config.toml").read_text()


def test_a_finished_run_whose_period_is_to_change_says_that_it_can_t_and_stays_as_it_was(tmp_path, capsys):
    assert tiny(tmp_path) == 0
    before = bytes_of(tmp_path / "run")
    assert resume(tmp_path / "run", "training.log_every=3", "training.keep_checkpoints=9") == 2
    assert capsys.readouterr().err == (
        "error: training.log_every, training.keep_checkpoints: can't be changed any more, since all 60 updates are "
        "done; training.updates makes the run longer\n"
    )
    assert resume(tmp_path / "run", "training.updates=60") == 0
    assert "finished: all 60 updates are done" in capsys.readouterr().out
    assert bytes_of(tmp_path / "run") == before


@pytest.mark.slow
def test_threads_may_change_with_a_warning(tmp_path, capsys):
    assert tiny(tmp_path) == 0
    assert resume(tmp_path / "run", "training.updates=70", "training.blas_threads=1") == 0
    assert "in the last bits (training.blas_threads: 0 before, 1 now)" in capsys.readouterr().out


def test_a_stopped_run_may_end_where_it_is(tmp_path):
    assert tiny(tmp_path, "nan_loss_at=50", "training.log_every=5") == 1  # the last checkpoint is at 45
    assert main(["report", str(tmp_path / "run")]) == 0
    assert "45 of 60 updates" in (tmp_path / "run" / "report.html").read_text()
    assert resume(tmp_path / "run", "training.updates=45") == 0
    assert "45 updates in" in (tmp_path / "run" / "report.html").read_text()
    assert "updates = 45\n" in (tmp_path / "run" / "config.toml").read_text()


class Killed(BaseException):
    """Stands for kill -9 inside the process."""


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 2, 3, 4, 6, 9])
def test_a_kill_while_a_run_is_made_longer_leaves_one_that_goes_on(tmp_path, monkeypatch, writes):
    assert tiny(tmp_path) == 0
    assert tiny(tmp_path, "training.updates=85", out="whole") == 0
    replace, left = os.replace, writes

    def dying(source, target):
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        with pytest.raises(Killed):
            resume(tmp_path / "run", "training.updates=85")
    assert resume(tmp_path / "run") == 0  # by itself, it is one or the other
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["updates"] in (60, 85)
    assert resume(tmp_path / "run", "training.updates=85") == 0
    assert_extended(tmp_path / "run", tmp_path / "whole", 85)


def parameters(path: Path, step: int) -> dict[str, np.ndarray]:
    state = checkpoint.load(path / "checkpoints" / f"step-{step:09d}.h5").state["experiment"]
    return {name: state[name]["parameters"] for name in ("generator", "discriminator")}


@pytest.mark.slow
def test_a_run_starts_from_the_parameters_of_another_with_other_settings(tmp_path, capsys):
    assert small(tmp_path, 7, "run") == 0
    source = tmp_path / "run" / "checkpoints" / "step-000000007.h5"
    options = ("--from", str(source), "--set", "generator.optimizer.rate.start=5e-4", "--set", "seed=8")
    assert small(tmp_path, 5, "next", *options) == 0
    assert f"parameters from {source}: " in capsys.readouterr().out
    np.testing.assert_equal(parameters(tmp_path / "next", 0), parameters(tmp_path / "run", 7))
    (start,) = RunFolder(tmp_path / "next").read_starts()
    assert (start["parameters_from"], start["from_step"], start["seed"]) == (str(source), 0, 8)
    for file in (tmp_path / "next" / "checkpoints").glob("step-00000000[1-9].h5"):
        file.unlink()
    (tmp_path / "next" / "report.html").unlink()
    assert small(tmp_path, 5, "again", *options) == 0
    assert resume(tmp_path / "next") == 0  # from its start, which is not that of its seed
    np.testing.assert_equal(parameters(tmp_path / "next", 5), parameters(tmp_path / "again", 5))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nothing.h5", (), "--from: expected a file such as"),
        ("run/config.toml", (), "not a readable HDF5 file"),
        ("run", (), "--from: expected a file such as"),
        ("weights.safetensors", (), "--from: expected an .h5 file; make one of "),
        ("run/checkpoints/step-000000004.h5", ("--set", "generator.layers.hidden=[6]"), "does not fit: generator."),
    ],
)
def test_a_source_that_does_not_fit_is_one_line_and_writes_nothing(tmp_path, capsys, source, options, message):
    assert small(tmp_path, 4, "run") == 0
    capsys.readouterr()
    assert small(tmp_path, 4, "next", "--from", str(tmp_path / source), *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "next").exists()


def test_an_experiment_without_parameters_takes_none(tmp_path, capsys):
    assert tiny(tmp_path) == 0
    source = tmp_path / "run" / "checkpoints" / "step-000000060.h5"
    arguments = ["run", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "next"), "--from", str(source)]
    assert main(arguments) == 2
    assert "--from: this experiment has no parameters to start from" in capsys.readouterr().err
    assert not (tmp_path / "next").exists()
