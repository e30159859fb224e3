"""The paper's toy experiment as a whole, at small size, and its presets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coulombfield.arrays import Device, select_device
from coulombfield.rng import Streams
from experiments import config, gan_training
from experiments.__main__ import main
from experiments.runs.checkpoint import CheckpointFolder

ROOT = Path(__file__).parents[2]
PRESETS = ("gaussian-mixture", "gaussian-mixture-eq5", "gaussian-mixture-quick")
SMALL = (
    "training.updates=60",
    "training.batch=16",
    "training.log_every=10",
    "training.evaluate_every=30",
    "training.checkpoint_every=20",
    "data.points=500",
    "data.held_out=200",
    "metrics.modes.samples=200",
    "metrics.energy.samples=200",
    "generator.layers.hidden=[8, 8]",
    "discriminator.layers.hidden=[8, 8]",
)
KEYS = (
    "modes_covered",
    "high_quality_share",
    "mode_kl",
    "within_mode_variance_ratio",
    "energy",
    "energy_noise_floor",
    "updates",
    "seconds",
)


def arguments(folder: Path, *overrides: str) -> list[str]:
    command = ["run", "gaussian-mixture-quick", "--out", str(folder), "--device", "cpu"]
    return [*command, *(word for override in (*SMALL, *overrides) for word in ("--set", override))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture") / "run"
    assert main(arguments(folder)) == 0
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """Without the figures, which take most of so short a run's time; another test says that they disturb nothing."""
    monkeypatch.setattr(gan_training.GANTraining, "figures", lambda self, folder: [])


def final_state(folder: Path) -> dict:
    found = CheckpointFolder(folder / "checkpoints", 3).latest_good(print)
    assert found.step == 60
    return found.state["experiment"]


@pytest.mark.slow
def test_a_run_leaves_summary_figures_and_report(finished):
    summary = json.loads((finished / "summary.json").read_text())
    assert set(KEYS) <= summary.keys()
    assert summary["updates"] == 60
    assert summary["data"]["high_quality_share"] > 0.95
    report = (finished / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 5
    assert not re.search(r"""(src|href)=["']https?:""", report)
    assert {file.name for file in (finished / "figures").iterdir()} == {
        "samples.png",
        "histograms.png",
        "potential.png",
        "evolution.png",
        "training_curves.png",
        *(f"samples-{step:08}.npy" for step in (30, 60)),
    }


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("checkpoints", [0, 1, 2])
def test_kill_9_and_resume_end_with_the_same_bits(tmp_path, finished, checkpoints):
    """Killed before the first checkpoint, after it, and after the second."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "experiments", *arguments(folder)]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (folder / "config.toml").exists() or len(list(folder.glob("checkpoints/step-*.h5"))) < checkpoints:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert main(["resume", str(folder)]) == 0
    np.testing.assert_equal(final_state(folder), final_state(finished))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_another_seed_gives_another_run(tmp_path, finished):
    assert main([*arguments(tmp_path / "run"), "--seed", "1"]) == 0
    ours, theirs = final_state(tmp_path / "run"), final_state(finished)
    assert not np.array_equal(
        ours["generator"]["parameters"]["0.weight"], theirs["generator"]["parameters"]["0.weight"]
    )


@pytest.mark.slow
def test_evaluating_and_drawing_disturb_nothing(tmp_path):
    settings = config.resolve("gaussian-mixture-quick", SMALL).config
    quiet, looked_at = (gan_training.build(settings, select_device("cpu"), Streams(0)) for _ in range(2))
    looked_at.figures(tmp_path)
    for _ in range(3):
        quiet.step(), looked_at.step()
        first = looked_at.evaluate()
        looked_at.sample(10, np.random.default_rng(0))
        assert looked_at.evaluate() == first
    np.testing.assert_equal(quiet.state(), looked_at.state())


def test_training_lowers_the_energy():
    """The generator, which starts near the origin, spreads over the data; over four seeds to 0.19-0.39 of the start."""
    larger = (
        "training.updates=1000",
        "training.batch=64",
        "generator.layers.hidden=[32, 32]",
        "generator.optimizer.rate.start=3e-3",
        "discriminator.layers={hidden=[32, 32], activation='elu', first_weight=1.0, first_bias=7.0}",
        "discriminator.optimizer.rate.start=1e-2",
    )
    settings = config.resolve("gaussian-mixture-quick", [*SMALL, *larger]).config
    experiment = gan_training.build(settings, select_device("cpu"), Streams(0))
    before = experiment.evaluate()["energy"]
    for _ in range(settings.training.updates):
        experiment.step()
    assert experiment.evaluate()["energy"] < 0.5 * before


def test_an_experiment_on_cupy_does_what_it_does_on_numpy(cupy, tmp_path):
    settings = config.resolve("gaussian-mixture-quick", [*SMALL, "dtype=float64"]).config
    runs = [gan_training.build(settings, device, Streams(0)) for device in (Device(np, "cpu"), Device(cupy, "cuda:0"))]
    for _ in range(5):
        losses = [{name: float(loss) for name, loss in run.step().items()} for run in runs]
        assert losses[0] == pytest.approx(losses[1], rel=1e-8)
    assert runs[0].evaluate() == pytest.approx(runs[1].evaluate(), rel=1e-6, abs=1e-9)
    assert len(runs[1].figures(tmp_path)) == 3


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_papers_experiment(name):
    setup = config.resolve(name)
    assert setup.title
    assert setup.notes
    settings = setup.config
    assert (settings.data.components_per_side, settings.data.extent, settings.data.variance) == (5, 21.0, 1.0)
    assert settings.data.points == 100_000
    assert settings.training.batch == 128
    assert settings.players["discriminator"].layers.hidden == (128, 128)
    assert settings.players["discriminator"].layers.activation == "elu"
    assert settings.gan.softening.start == 3.0
    assert settings.gan.exponent == (3 if name.endswith("eq5") else 1)
    assert settings.gan.exclude_self is False
    if not name.endswith("quick"):
        assert settings.training.updates == 1_000_000


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "seed: expected a number that is not negative, got -1"),
        ("generator.latent=0", "generator.latent: expected at least 1, got 0"),
        ("generator.layers.hidden=[]", "generator.layers.hidden: expected one or more positive widths"),
        ("generator.layers.first_bias=-1", "generator.layers.first_bias: expected a number that is not negative"),
        ("generator.optimizer.beta1=1", "generator.optimizer.beta1: expected a number in"),
        ("discriminator.input_scale=0", "discriminator.input_scale: expected a positive number"),
        ("discriminator.optimizer.rate.end=0", "discriminator.optimizer.rate.end: expected a positive number"),
        ("gan.exponent=0", "gan.exponent: expected a positive number"),
        ("gan.exponent=1e6", "gan.softening: in Plummer(exponent=1000000.0, softening=3.0) a power of it leaves"),
        ("gan.softening.kind=linear", "gan.softening.kind: expected"),
        ("data.held_out=1", "data.held_out: expected at least 2"),
        ("data.variance=0", "data.variance: expected a positive number"),
        ("metrics.modes.samples=10_001", "metrics[0].samples: expected at most data.held_out = 10000, got 10001"),
        ("metrics.modes.kind=nope", "metrics[0].kind: unknown kind 'nope'"),
        ("discriminator.kind=coulomb", "missing"),
        ("gan.penalty=10", "gan.penalty: unknown key (with value 10)"),
    ],
)
def test_a_bad_value_names_its_key_and_writes_nothing(tmp_path, capsys, override, message):
    assert main(["run", "gaussian-mixture-quick", "--out", str(tmp_path / "run"), "--set", override]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
