"""What holds for every GAN, found by looking: a preset runs, and resumes bit for bit wherever it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from coulombfield.rng import Streams
from experiments import config, registry
from experiments.__main__ import main
from experiments.runs import life
from experiments.runs.checkpoint import CheckpointFolder, leaves
from nets.workspace import Workspace

ROOT = Path(__file__).parents[3]
KINDS = registry.kinds("gans")
UPDATES = 60
SMALL = (
    f"training.updates={UPDATES}",
    "training.batch=16",
    "training.log_every=5",
    "training.evaluate_every=30",
    "training.checkpoint_every=10",
    "training.keep_checkpoints=99",
    "data.points=500",
    "data.held_out=100",
    "metrics.modes.samples=100",
    "metrics.energy.samples=100",
)
KILLED_OFTEN = ("wgan_gp", "began")
"""One with several moves of one player and draws of its own, one with a number that goes on from update to update."""


def preset_of(kind: str) -> str:
    """A preset of points whose GAN has this kind."""
    for name in config.preset_names():
        mapping = config.read(config.find(name))
        if mapping.get("gan", {}).get("kind") == kind and mapping["data"]["kind"] == "gaussian_mixture":
            return name
    raise AssertionError(f"no preset of points with the GAN {kind}")


def overrides(kind: str) -> list[str]:
    """What makes a run small: sizes, and no critic that moves a hundred times at once."""
    has_bursts = hasattr(config.resolve(preset_of(kind)).config.gan, "burst_steps")
    return [*SMALL, *(["gan.burst_steps=3"] if has_bursts else [])]


def arguments(kind: str, folder: Path) -> list[str]:
    command = ["run", preset_of(kind), "--out", str(folder), "--device", "cpu"]
    return [*command, *(word for override in overrides(kind) for word in ("--set", override))]


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    """Figures are written as ever, but not drawn, which takes most of so short a run's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda _, file, **__: file.write(b"a figure"))
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Final state of a run of each kind, made when it is first asked for."""
    made = {}

    def of(kind: str) -> dict:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind) / "run"
            assert main(arguments(kind, folder)) == 0
            made[kind] = final_state(folder)
        return made[kind]

    return of


def final_state(folder: Path) -> dict:
    found = CheckpointFolder(folder / "checkpoints", 99).latest_good(print)
    assert found.step == UPDATES
    return dict(leaves(found.state["experiment"]))


def kill_after(kind: str, folder: Path, checkpoints: int) -> None:
    """Start a run in a process of its own and kill it as soon as so many checkpoints are there, -1 for at once."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *arguments(kind, folder)], env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (folder / "config.toml").exists() or len(list(folder.glob("checkpoints/step-*.h5"))) < checkpoints:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    process.kill()
    process.wait()


def test_there_are_gans():
    assert {"coulomb", *KILLED_OFTEN} <= set(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kill_9_and_resume_end_with_the_same_bits(tmp_path, uninterrupted, kind):
    kill_after(kind, tmp_path / "run", 2)
    assert main(["resume", str(tmp_path / "run")]) == 0
    np.testing.assert_equal(final_state(tmp_path / "run"), uninterrupted(kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KILLED_OFTEN)
def test_kill_9_at_ten_moments_ends_with_the_same_bits(tmp_path, uninterrupted, kind):
    """The first process is killed at once; each that goes on, after one checkpoint more, until all are there."""
    folder = tmp_path / "run"
    kill_after(kind, folder, 0)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    kills = 1
    while kills < 10:
        steps = {path.stem for path in folder.glob("checkpoints/step-*.h5")}
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments", "resume", str(folder)], env=environment, stdout=subprocess.DEVNULL
        )
        # by turns right after a new checkpoint, and at some moment while it starts
        if kills % 2:
            while process.poll() is None and {path.stem for path in folder.glob("checkpoints/step-*.h5")} <= steps:
                time.sleep(0.0005)
        else:
            time.sleep(0.2 * kills)
        process.kill()
        process.wait()
        kills += 1
    assert main(["resume", str(folder)]) == 0
    np.testing.assert_equal(final_state(folder), uninterrupted(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_change_nothing_and_come_out_the_same_again(kind):
    setup = config.resolve(preset_of(kind), overrides(kind))
    gan = life.build(setup, life.device_of("cpu")).gan
    for move in gan.draws:
        draws = {name: np.array(getattr(gan, f"draw_{name}")()) for name in gan.draws[move]}
        before = {name: np.array(leaf) for name, leaf in leaves(gan.state())}
        results = []
        for _ in range(2):
            losses, gradients = gan.gradients(move, **draws)
            assert gradients.keys() <= losses.keys()
            results.append(
                (
                    {name: float(loss) for name, loss in losses.items()},
                    {name: gradient.vector.copy() for name, gradient in gradients.items()},
                )
            )
        np.testing.assert_equal(results[0], results[1])
        np.testing.assert_equal({name: np.array(leaf) for name, leaf in leaves(gan.state())}, before)


@pytest.mark.parametrize("kind", KINDS)
def test_every_player_moves_in_an_update_and_samples_stay_finite(kind):
    setup = config.resolve(preset_of(kind), overrides(kind))
    experiment = life.build(setup, life.device_of("cpu"))
    before = {name: player.params.vector.copy() for name, player in experiment.gan.players.items()}
    losses = experiment.step()
    assert all(np.isfinite(float(loss)) for loss in losses.values())
    for name, player in experiment.gan.players.items():
        assert not np.array_equal(player.params.vector, before[name]), name
    samples = experiment.sample(20, Streams(0).stream("samples"))
    assert samples.shape == (20, 2)
    assert np.isfinite(samples).all()
    assert experiment.gan.updates == 1


@pytest.mark.parametrize("kind", KINDS)
def test_memory_that_passes_share_changes_no_bit(kind, monkeypatch):
    """Beside updates in which nothing is released and each gradient has memory of its own."""
    setup = config.resolve(preset_of(kind), overrides(kind))
    shared, apart = (life.build(setup, life.device_of("cpu")).gan for _ in range(2))
    for _ in range(3):
        shared.step()
    monkeypatch.setattr(Workspace, "release", lambda workspace, mark: None)
    monkeypatch.setattr(apart, "_gradient_memory", lambda name: None)
    for _ in range(3):
        apart.step()
    np.testing.assert_equal(leaves_of(shared), leaves_of(apart))


def leaves_of(gan):
    return {name: np.array(leaf) for name, leaf in leaves(gan.state())}


def test_moves_leave_their_memory_to_each_other(monkeypatch):
    """The generator's pass in a move of the critic, and the gradients of players that take turns."""
    gan = life.build(config.resolve(preset_of("wgan"), overrides("wgan")), life.device_of("cpu")).gan
    both = gan.generated_and(gan.draw_real(), gan.draw_latent())
    assert gan.workspace.mark() == 0
    assert len(both) == 2 * gan.batch
    gradients = {}
    for name, player in gan.players.items():
        monkeypatch.setattr(player, "update", lambda gradient, name=name: gradients.update({name: gradient.vector}))
    gan.step()
    assert np.may_share_memory(gradients["discriminator"], gradients["generator"])
