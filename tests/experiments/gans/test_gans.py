"""What holds for every GAN, found by looking: a preset runs, and resumes bit for bit wherever it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from gan_presets import preset_of

from coulombfield.arrays import float32_products
from coulombfield.rng import Streams
from experiments import config, registry
from experiments.__main__ import main
from experiments.gan_training import GANTraining
from experiments.runs import life
from experiments.runs.checkpoint import CheckpointFolder, leaves
from nets.workspace import Workspace
from tests.experiments.runs.test_runs_loop import Killed

pytestmark = pytest.mark.usefixtures("undrawn")

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
KILLS = int(os.environ.get("COULOMBFIELD_TEST_KILLS", "4"))
"""Moments at which one of these is killed."""
"""One with several moves of one player and draws of its own, one with a number that goes on from update to update."""


def overrides(kind: str) -> list[str]:
    """What makes a run small: sizes, and no critic that moves a hundred times at once."""
    has_bursts = hasattr(config.resolve(preset_of(kind)).config.gan, "burst_steps")
    return [*SMALL, *(["gan.burst_steps=3"] if has_bursts else [])]


def arguments(kind: str, folder: Path) -> list[str]:
    command = ["run", preset_of(kind), "--out", str(folder), "--device", "cpu"]
    return [*command, *(word for override in overrides(kind) for word in ("--set", override))]


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


def experiments(*words: str) -> subprocess.Popen[bytes]:
    """Start ``python -m experiments WORDS``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "experiments", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_there_are_gans():
    assert {"coulomb", *KILLED_OFTEN} <= set(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_dies_in_an_update_goes_on_to_the_same_bits(tmp_path, uninterrupted, monkeypatch, kind):
    folder, step = tmp_path / "run", GANTraining.step

    def dying(run: GANTraining) -> dict:
        if run.gan.updates == 25:  # after the second checkpoint
            raise Killed
        return step(run)

    with monkeypatch.context() as patch:
        patch.setattr(GANTraining, "step", dying)
        with pytest.raises(Killed):
            main(arguments(kind, folder))
    assert sorted(path.stem for path in folder.glob("checkpoints/step-*.h5")) == ["step-000000010", "step-000000020"]
    assert main(["resume", str(folder)]) == 0
    np.testing.assert_equal(final_state(folder), uninterrupted(kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KILLED_OFTEN)
def test_kill_9_at_any_moment_ends_with_the_same_bits(tmp_path, uninterrupted, kind):
    """The first process is killed at once; those that go on right after a new checkpoint, and while one starts."""
    folder = tmp_path / "run"
    deadline = time.monotonic() + 300  # a busy machine may take minutes to start Python
    process = experiments(*arguments(kind, folder))
    while not (folder / "config.toml").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    kill(process)
    for moment in range(KILLS - 1):
        wait_for_a_checkpoint = moment % 2 == 0
        before = set(folder.glob("checkpoints/step-*.h5"))
        process = experiments("resume", str(folder))
        if wait_for_a_checkpoint:
            while process.poll() is None and set(folder.glob("checkpoints/step-*.h5")) <= before:
                assert time.monotonic() < deadline
                time.sleep(0.0005)
        else:
            time.sleep(0.25 * moment + 0.25)
        kill(process)
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


@pytest.mark.parametrize("tf32", [False, True])
def test_an_update_rounds_the_factors_of_products_on_a_gpu_if_it_is_told_to(device, tf32, monkeypatch):
    """By default it does not, whatever else was asked of CuPy; on NumPy there is nothing to round."""
    settings = [*overrides("dcgan"), f"training.tf32={str(tf32).lower()}"]
    experiment = life.build(config.resolve(preset_of("dcgan"), settings), device)
    if device.xp is np:
        assert experiment.step()
        return
    from cupy import _core
    from cupy._core import _routines_linalg

    seen, step = [], experiment.gan.step
    monkeypatch.setattr(experiment.gan, "step", lambda: (seen.append(_core.get_compute_type(np.float32)), step())[1])
    with float32_products(device.xp, tf32=not tf32):
        experiment.step()
    assert (seen == [_routines_linalg.COMPUTE_TYPE_TF32]) == tf32


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
