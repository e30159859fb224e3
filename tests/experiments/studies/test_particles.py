"""The particle studies at small size: whole runs, resuming, refused configurations, and what they claim."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coulombfield import Plummer
from coulombfield.arrays import select_device
from coulombfield.flow import Descent, State, System
from coulombfield.rng import Streams
from experiments import config
from experiments.__main__ import main
from experiments.config import ConfigError
from experiments.figures.animation import animate
from experiments.figures.style import new_figure
from experiments.metrics.metric import DEVIATION
from experiments.runs import checkpoint
from experiments.studies.dimension import Setting
from experiments.studies.mixture_flow import FlowConfig
from experiments.studies.moving import Flow, Frames
from experiments.studies.one_component_plasma import CRYSTALS, fluid_energy, madelung, standard_error
from experiments.studies.two_bodies import rosette
from experiments.studies.two_stream import growth_rate

SHORT = ("training.log_every=2", "training.evaluate_every=2", "training.checkpoint_every=2")
SMALL = {
    "figure-1": ("training.updates=4", "charges.real=4", "charges.generated=3"),
    "mixture-flow": (
        "training.updates=4",
        "flow.particles=300",
        "flow.softening_duration=30",
        "data.points=300",
        "data.held_out=100",
    ),
    "mode-escape": (
        "training.updates=4",
        "regions.particles=16",
        "kernels.exponents=[1]",
        "kernels.softenings=[1]",
        "last_time=30",
    ),
    "dimension": (
        "training.updates=4",
        "settings.particles=8",
        "settings.dimensions=[2, 40]",
        "settings.softenings=[1]",
    ),
    "two-bodies": ("training.updates=4",),
    "plummer-sphere": ("training.updates=4", "bodies=50"),
    "cold-collapse": ("training.updates=4", "bodies=50"),
    "one-component-plasma": ("training.updates=4", "cells=1", "equilibration=0.2"),
    "two-stream": ("training.updates=4", "sheets=100"),
}
FIGURES = {
    "figure-1": {"figure-1.png", "figure-1.pdf", "figure-1-end.png", "figure-1.gif"},
    "mixture-flow": {"samples.png", "histograms.png", "convergence.png", "flow.gif"},
    "mode-escape": {"shares.png", "force.png", "escape.gif"},
    "dimension": {"times.png", "units.png", "times.csv", "energies.gif"},
    "two-bodies": {"orbit.png", "mechanics.png", "bodies.gif"},
    "plummer-sphere": {"mechanics.png", "stars.gif"},
    "cold-collapse": {"mechanics.png", "stars.gif"},
    "one-component-plasma": {"fluid.png", "crystals.png", "bodies.gif"},
    "two-stream": {"growth.png", "phase-space.png", "streams.gif"},
}


def built(preset: str, *overrides: str):
    settings = config.resolve(preset, [*SHORT, *SMALL[preset], *overrides])
    return settings.module.build(settings.config, select_device("cpu"), Streams(settings.config.seed))


@pytest.mark.slow
@pytest.mark.parametrize("preset", SMALL)
def test_a_run_leaves_metrics_figures_and_report(tmp_path, preset):
    folder = tmp_path / "run"
    overrides = [word for override in (*SHORT, *SMALL[preset]) for word in ("--set", override)]
    assert main(["run", preset, "--out", str(folder), "--device", "cpu", *overrides]) == 0
    assert {file.name for file in (folder / "figures").iterdir()} == {*FIGURES[preset], "training_curves.png"}
    for name in FIGURES[preset]:
        assert_not_blank(folder / "figures" / name)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["updates"] == 4
    report = (folder / "report.html").read_text()
    expected = "Generated</th><th>Data itself" if preset == "mixture-flow" else "Measured</th><th>Known"
    assert expected in report
    assert report.count("data:image/gif;base64,") == 1
    assert report.count("data:image/png;base64,") == sum(name.endswith(".png") for name in FIGURES[preset]) + 1


def assert_not_blank(path: Path) -> None:
    if path.suffix == ".pdf":
        assert path.read_bytes().startswith(b"%PDF")
        assert path.stat().st_size > 5000
    elif path.suffix == ".csv":
        assert len(path.read_text().splitlines()) > 1
    else:
        with Image.open(path) as image:
            assert min(image.size) > 100
            assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize("preset", SMALL)
def test_going_on_from_a_checkpoint_changes_no_bit(tmp_path, preset):
    straight, stopped, resumed = (built(preset) for _ in range(3))
    for _ in range(2):
        straight.step(), stopped.step()
    checkpoint.save(tmp_path / "file.h5", checkpoint.Checkpoint(2, "", stopped.state()))
    resumed.load_state(checkpoint.load(tmp_path / "file.h5").state)
    for _ in range(2):
        assert straight.step() == resumed.step()
        assert straight.evaluate() == resumed.evaluate()
    np.testing.assert_equal(straight.state(), resumed.state())


@pytest.mark.parametrize("preset", SMALL)
def test_metrics_schedules_and_samples_fit_together(preset):
    experiment = built(preset)
    assert experiment.evaluate().keys() == experiment.metrics.keys()
    assert {name.removesuffix(DEVIATION) for name in experiment.reference()} == experiment.metrics.keys()
    assert set(experiment.headline) <= experiment.metrics.keys()
    before = experiment.state()
    assert len(experiment.sample(500, np.random.default_rng(0))) == 500
    np.testing.assert_equal(experiment.state(), before)


@pytest.mark.parametrize(
    ("preset", "override", "key"),
    [
        ("figure-1", "charges.real=0", "charges.real"),
        ("figure-1", "charges.apart=1", "charges.apart"),
        ("figure-1", "charges.step=-1", "charges.step"),
        ("mixture-flow", "flow.particles=50", "flow.particles"),
        ("mixture-flow", "flow.rtol=1e-9", "flow.rtol"),
        ("mixture-flow", "flow.damping=0", "flow.damping"),
        ("mixture-flow", "flow.dynamics=fast", "flow.dynamics"),
        ("mode-escape", "regions.particles=7", "regions.particles"),
        ("mode-escape", "regions.gap=2", "regions.gap"),
        ("mode-escape", "kernels.softenings=[1, 2]", "kernels.softenings"),
        ("mode-escape", "kernels.widths=[0]", "kernels.widths"),
        ("mode-escape", "last_time=1", "last_time"),
        ("dimension", "settings.dimensions=[0]", "settings.dimensions"),
        ("dimension", "settings.exponents=[-1]", "settings.exponents"),
        ("dimension", "settings.fall=1", "settings.fall"),
        ("dimension", "seed=-1", "seed"),
        ("two-bodies", "eccentricity=1", "eccentricity"),
        ("two-bodies", "eccentricity=0.9999999999999999", "eccentricity"),
        ("two-bodies", "softening=0", "softening"),
        ("two-bodies", "softening=1e-300", "softening"),
        ("plummer-sphere", "softening=1e200", "softening"),
        ("one-component-plasma", "coupling=1e-320", "coupling"),
        ("two-stream", "speed=0.29", "speed"),
        ("two-stream", "amplitude=1e-17", "amplitude"),
        ("two-bodies", "softening=1.16", "softening"),
        ("two-bodies", "method=euler", "method"),
        ("plummer-sphere", "bodies=1", "bodies"),
        ("plummer-sphere", "step=0", "step"),
        ("cold-collapse", "accuracy=0", "accuracy"),
        ("one-component-plasma", "cells=0", "cells"),
        ("one-component-plasma", "coupling=-1", "coupling"),
        ("one-component-plasma", "rtol=1", "rtol"),
        ("one-component-plasma", "rtol=1e-16", "rtol"),
        ("one-component-plasma", "coupling=175", "coupling"),
        ("two-stream", "sheets=7", "sheets"),
        ("two-stream", "speed=1", "speed"),
        ("two-stream", "amplitude=0.02", "amplitude"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(preset, override, key):
    with pytest.raises(ConfigError, match=rf"^{re.escape(key)}: expected"):
        config.resolve(preset, [*SMALL[preset], override])


@pytest.mark.parametrize(("dynamics", "step"), [("inertial", 10), ("first-order", 60)])
def test_particles_flow_onto_the_mixture(dynamics, step):
    experiment = built("mixture-flow", f"flow.dynamics={dynamics}", f"flow.step={step}", "training.updates=20")
    before = experiment.evaluate()["energy"]
    for _ in range(20):
        experiment.step()
    assert experiment.evaluate()["energy"] < 0.3 * before


@given(time=st.floats(0, 1e4), exponent=st.sampled_from([0.5, 1.0, 3.0]))
def test_steps_follow_the_softening_and_friction_the_time(time, exponent):
    kwargs = {"exponent": exponent, "step": 2.0, "damping": 7.0}
    plan, plain = FlowConfig(**kwargs), FlowConfig(**kwargs, dynamics="first-order")
    inertial, epsilon = plan.integrator(time), plan.softening(time)
    assert inertial.friction * (time + inertial.step) == pytest.approx(7.0)
    assert inertial.step == pytest.approx(2.0 * epsilon ** (exponent / 2))
    assert plain.integrator(time).step == pytest.approx(2.0 * epsilon**exponent)


def test_a_local_kernel_has_no_force_where_a_coulomb_kernel_has():
    """At a distance of D the second half of the data pulls with D / 2 (D² + ε²)^(-3/2), for d = 1, or not at all."""
    found = built("mode-escape").evaluate()
    assert found["pull_d1_eps1"] == pytest.approx(10 / 401**1.5, rel=0.02)
    assert found["pull_gaussian1"] < 1e-60


def test_samples_reach_the_second_region_by_a_coulomb_kernel_alone():
    experiment = built("mode-escape", "regions.gap=8", "last_time=1000", "training.updates=6")
    assert experiment.evaluate()["share_d1_eps1"] == 0
    for _ in range(6):
        experiment.step()
    found = experiment.evaluate()
    assert found["share_d1_eps1"] >= 0.25
    assert found["share_gaussian1"] == 0


@pytest.mark.parametrize("exponent", [1.0, 3.0])
def test_time_goes_with_the_unit_of_length_to_the_power_d_plus_2(exponent):
    rng, device = np.random.default_rng(0), select_device("cpu")
    data, start = rng.standard_normal((2, 6, 3))

    def moved(unit: float) -> Flow:
        kernel = Plummer(exponent, 0.5 * unit)
        state = State.of(generated=unit * start, real=unit * data)
        flow = Flow(System(kernel, method="direct"), state, device, energies=True)
        for _ in range(5):
            flow.advance(Descent(0.05 * unit ** (exponent + 2)))
        return flow

    one, two = moved(1.0), moved(2.0)
    assert two.now.time == pytest.approx(one.now.time * 2 ** (exponent + 2))
    np.testing.assert_allclose(two.positions, 2 * one.positions, rtol=1e-10)


def test_two_bodies_turn_as_the_quadrature_says():
    study = built("two-bodies")
    for _ in range(1200):
        study.step()
    found, known = study.evaluate(), study.reference()
    for name in ("period", "angle"):
        assert found[name] == pytest.approx(known[name], rel=1e-4)
    assert found["energy"] == pytest.approx(known["energy"], rel=1e-5)
    assert known["period"] == pytest.approx(2 * np.pi, rel=0.1)
    assert abs(known["angle"] - 2 * np.pi) > 0.05


def test_a_quadrature_without_softening_is_keplers():
    """Semi-major axis 1, eccentricity 0.3: from the apocentre at 1.3, with a speed of √(0.7 / 1.3)."""
    period, angle = rosette(1.3, np.sqrt(0.7 / 1.3), 1e-9)
    assert period == pytest.approx(2 * np.pi, rel=1e-8)
    assert angle == pytest.approx(2 * np.pi, rel=1e-8)


def test_a_plummer_sphere_stays_as_it_is():
    study = built("plummer-sphere", "bodies=300", "step=0.05")
    for _ in range(60):
        study.step()
    found, known = study.evaluate(), study.reference()
    assert found["mean_virial_ratio"] == pytest.approx(known["mean_virial_ratio"], abs=0.15)
    assert found["energy"] == pytest.approx(known["energy"], abs=0.05)
    assert found["half_mass_radius"] == pytest.approx(known["half_mass_radius"], rel=0.2)
    assert found["energy_error"] < 0.01


def test_a_ball_at_rest_falls_together_in_time():
    study = built("cold-collapse", "bodies=300", "accuracy=0.3", "step=0.02", "softening=0.05")
    while study.schedule()["time"] < 1.5:
        study.step()
    found, known = study.evaluate(), study.reference()
    assert found["time_of_collapse"] == pytest.approx(known["time_of_collapse"], rel=0.1)
    assert found["least_radius"] < 0.4 * known["half_mass_radius"]
    assert found["energy"] == pytest.approx(known["energy"], abs=0.05)


@pytest.mark.parametrize("kind", CRYSTALS)
def test_madelung_energies_are_extrapolated(kind):
    energies, limit = madelung(kind)
    assert limit == pytest.approx(CRYSTALS[kind].known, abs=3e-9)
    assert energies[0] - CRYSTALS[kind].known > 5e-4


@pytest.mark.parametrize(("coupling", "apart"), [(1.0, 0.03), (10.0, 0.003), (100.0, 0.02)])
def test_two_fits_of_the_fluid_agree(coupling, apart):
    """That of Slattery, Doolen and DeWitt 1980 for 1 < Γ < 160."""
    root = coupling**0.25
    older = -0.897744 * coupling + 0.95043 * root + 0.18956 / root - 0.81487
    assert fluid_energy(coupling) == pytest.approx(older, abs=apart)


@pytest.mark.slow
def test_a_plasma_has_its_energy_and_temperature():
    study = built("one-component-plasma", "cells=3", "equilibration=8", "rtol=1e-4", "friction=2")
    for _ in range(280):
        study.step()
    found, known = study.evaluate(), study.reference()
    assert 0 < known["internal_energy_deviation"] < 0.06
    assert found["internal_energy"] == pytest.approx(-7.998, abs=0.08)
    assert found["temperature"] == pytest.approx(1, abs=0.05)
    assert found["energy_of_pairs"] == pytest.approx(-8, abs=0.4)


def test_an_error_is_that_of_a_mean():
    values = np.random.default_rng(0).standard_normal(10_000)
    assert standard_error(values) == pytest.approx(0.01, rel=0.5)
    assert standard_error(values[:10]) == 0


@pytest.mark.parametrize("speed", [0.3, 0.6123724356957945, 0.9])
def test_a_wave_grows_in_two_streams_as_linear_theory_says(speed):
    roots = np.roots([1, 0, -(2 * speed**2 + 1), 0, speed**4 - speed**2])
    assert growth_rate(speed) == pytest.approx(roots.imag.max())
    study = built("two-stream", "sheets=4000", f"speed={speed}")
    for _ in range(240):
        study.step()
    found = study.evaluate()
    assert found["growth_rate"] == pytest.approx(growth_rate(speed), rel=7e-3)
    assert found["energy_error"] < 5e-3
    assert abs(found["momentum"]) < 1e-9


def test_the_time_of_the_fall_is_interpolated_between_steps():
    study = built("dimension")
    decay = [[(t, np.exp(-t))] * len(study._flows) for t in (0.0, 1.0, 2.0, 3.0)]
    study._history = [np.array(point) for point in decay]
    name = next(iter(study._flows))
    time, steps, fell = study._arrivals()[name]
    assert (steps, fell) == (3, True)
    assert time == pytest.approx(np.log(10))


def test_a_kernel_that_float64_cannot_hold_is_told_from_one_that_is_slow():
    study = built("dimension", "settings.dimensions=[2, 3072]", "settings.exponents=[1, 0]")
    assert Setting(3072, 3070.0, 1.0, harmonic=True) in study._settings
    assert "m3072_d3070_eps1" not in study._flows
    assert study.evaluate()["time_m3072_d3070_eps1"] == 0


def test_frames_keep_the_first_and_the_last_step():
    for growing in (False, True):
        frames = Frames(100, 10, growing=growing)
        for step in range(101):
            if frames.wants(step):
                frames.keep(step=step)
        kept = frames["step"]
        assert (kept[0], kept[-1]) == (0, 100)
        assert len(kept) <= 10


@pytest.mark.slow
def test_an_animation_drops_frames_until_it_fits_but_never_the_last(tmp_path):
    figure, rng = new_figure(2, 2), np.random.default_rng(0)
    axes = figure.subplots()
    drawn = []

    def draw(index: int) -> None:
        drawn.append(index)
        axes.clear()
        axes.imshow(rng.random((30, 30)) if index < 7 else np.eye(30))

    animate(tmp_path / "all.gif", figure, draw, 8)
    assert sorted(drawn) == list(range(8))
    size = (tmp_path / "all.gif").stat().st_size
    animate(tmp_path / "some.gif", figure, draw, 8, largest=size // 2)
    with Image.open(tmp_path / "all.gif") as whole, Image.open(tmp_path / "some.gif") as part:
        assert whole.n_frames == 8
        assert 1 <= part.n_frames <= 4
        assert (tmp_path / "some.gif").stat().st_size <= size // 2
        whole.seek(7), part.seek(part.n_frames - 1)
        np.testing.assert_array_equal(np.asarray(whole.convert("RGB")), np.asarray(part.convert("RGB")))


def test_an_animation_needs_a_frame(tmp_path):
    with pytest.raises(ValueError, match=r"^frames: expected at least 1, got 0"):
        animate(tmp_path / "none.gif", new_figure(1, 1), lambda index: None, 0)
