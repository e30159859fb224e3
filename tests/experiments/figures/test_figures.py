from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments.figures import curves
from experiments.figures.curves import training_curves
from experiments.figures.points import Panel, histograms, potential_and_field, samples_against_data
from experiments.figures.style import DPI, WIDTH
from experiments.metrics.metric import Column

seeds = st.integers(0, 2**32 - 1)
METRICS = {
    "share": Column("Share."),
    "kl": Column("KL.", axis="log"),
    "energy": Column("Energy.", axis="symlog", noise="floor"),
    "floor": Column("Floor.", axis=""),
}
PERFECT = {"share": 0.99, "kl": 1e-3, "energy": -1e-4, "floor": 3e-4}


@pytest.fixture
def drawn(monkeypatch):
    """The figures drawn so far, as matplotlib holds them."""
    made = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, *_, **__: made.append(figure))
    return made


def records(count: int, rng: np.random.Generator):
    for step in range(1, count + 1):
        losses = {"positive": float(rng.random()) + 0.1, "signed": float(rng.standard_normal()) - 9.0}
        yield {"step": step, "losses": losses, "schedule": {"rate": 0.1, "softening": 2.0}}
        yield {"step": step, "metrics": {name: float(rng.random()) + 0.1 for name in METRICS}}


def colours(path) -> int:
    """How many colours a picture has."""
    pixels = (imread(path)[..., :3] * 255).round().astype(int)
    return len(np.unique(pixels @ [1, 256, 256**2]))


@pytest.mark.slow
def test_every_figure_is_a_png_of_the_report_s_width_and_the_same_again(tmp_path):
    rng = np.random.default_rng(0)
    data, samples = rng.uniform(-5, 5, (30, 2)), rng.uniform(-5, 5, (1, 2)).astype(np.float32)
    ticks = np.linspace(-5, 5, 21)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    panel = Panel("title", -(grid**2).sum(axis=-1) / 2, -grid)
    log = list(records(3, rng))
    calls = [
        lambda path: samples_against_data(path, data, samples, 5.0),
        lambda path: histograms(path, data, samples, 5.0),
        lambda path: potential_and_field(path, ticks, [panel], data, samples),
        lambda path: training_curves(path, log, METRICS, PERFECT),
    ]
    for index, call in enumerate(calls):
        path = tmp_path / f"{index}.png"
        call(path)
        assert imread(path).shape[1] == WIDTH * DPI
        assert colours(path) > 2
        first = path.read_bytes()
        call(path)
        assert path.read_bytes() == first


def test_points_outside_the_axes_are_counted(drawn, tmp_path):
    data, samples = np.zeros((4, 2)), np.array([[0.0, 9.0], [-9.0, 0.0], [1.0, 1.0]])
    samples_against_data(tmp_path / "x.png", data, samples, 5.0)
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert titles == ["Data (4 points)", "Generated samples (3 points, 2 outside)"]


@pytest.mark.slow
@given(seed=seeds, more=st.integers(1, 5))
@settings(max_examples=5)
def test_both_histograms_are_densities_on_one_colour_scale(seed, more):
    rng, made = np.random.default_rng(seed), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, *_, **__: made.append(figure))
        patch.setattr("experiments.figures.style.write_atomically", lambda *_: None)
        histograms(Path("x.png"), rng.uniform(-5, 5, (100, 2)), rng.uniform(0, 5, (100 * more, 2)), 5.0, bins=10)
    meshes = [axes.collections[0] for axes in made[0].axes[:2]]
    for mesh in meshes:
        assert float(np.sum(mesh.get_array())) == pytest.approx(1)  # cells have an area of one
    assert len({mesh.get_clim() for mesh in meshes}) == 1
    assert meshes[0].get_clim()[1] == max(float(mesh.get_array().max()) for mesh in meshes)


def test_histogram_rows_run_along_the_second_coordinate(drawn, tmp_path):
    point = np.array([[4.5, 0.5]])
    histograms(tmp_path / "x.png", point, point, 5.0, bins=10)
    density = np.asarray(drawn[0].axes[0].collections[0].get_array()).reshape(10, 10)
    assert np.argwhere(density > 0).tolist() == [[5, 9]]


def test_a_potential_is_white_at_zero_and_a_field_may_vanish(drawn, tmp_path):
    ticks = np.linspace(-1, 1, 5)
    panels = [
        Panel("a", np.full((5, 5), -3.0), np.ones((5, 5, 2))),
        Panel("b", np.zeros((5, 5)), np.zeros((5, 5, 2))),
    ]
    potential_and_field(tmp_path / "x.png", ticks, panels, np.zeros((1, 2)), np.zeros((1, 2)), "1/length")
    scales = [axes.collections[0].get_clim() for axes in drawn[0].axes[:2]]
    assert scales == [(-3.0, 3.0), (-1.0, 1.0)]
    assert [axes.get_ylabel() for axes in drawn[0].axes[2:]] == ["potential [1/length]"] * 2


def test_all_axes_say_what_they_show(drawn, tmp_path):
    rng = np.random.default_rng(0)
    points = rng.random((9, 2))
    samples_against_data(tmp_path / "x.png", points, points, 5.0)
    training_curves(tmp_path / "x.png", records(4, rng), METRICS, PERFECT)
    scatter, curves = drawn
    assert {axes.get_xlabel() for axes in scatter.axes} == {"first coordinate [length]"}
    assert scatter.axes[0].get_ylabel() == "second coordinate [length]"
    visible = [axes for axes in curves.axes if axes.get_visible()]
    assert {axes.get_xlabel() for axes in visible} == {"updates"}
    labels = [axes.get_ylabel() for axes in visible]
    assert labels == ["positive loss (mean)", "signed loss (mean)", "schedule", "share", "kl", "energy"]
    assert [axes.get_yscale() for axes in visible] == ["log", "linear", "log", "linear", "log", "symlog"]


def test_metrics_are_drawn_with_the_data_s_own(drawn, tmp_path):
    training_curves(tmp_path / "x.png", records(4, np.random.default_rng(0)), METRICS, PERFECT)
    by_label = {axes.get_ylabel(): axes for axes in drawn[0].axes}
    for name in ("share", "kl", "energy"):
        dashed = [line for line in by_label[name].lines if line.get_label() == "data itself"]
        assert [line.get_ydata()[0] for line in dashed] == [PERFECT[name]]


def test_a_run_without_records_still_has_curves(tmp_path):
    training_curves(tmp_path / "x.png", [], METRICS, PERFECT)
    assert (tmp_path / "x.png").stat().st_size > 0


def test_records_that_lack_some_of_their_numbers_are_drawn_as_far_as_they_go(tmp_path):
    """A folder may hold lines that this program did not write."""
    records = [
        {"step": 1},
        {"step": 2, "losses": {"a": 1.0}},
        {"step": 3, "losses": {"b": 1.0}, "schedule": {"rate": 0.1}},
        {"step": 4, "losses": {}, "schedule": {}},
        {"step": 5, "metrics": {}},
    ]
    training_curves(tmp_path / "a.png", records, {"kl": Column("")}, {})
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_number_that_stays_is_a_flat_line_not_its_rounding():
    axes = Figure().subplots()
    axes.plot([1, 2, 3], [25.0, 25.0 + 1e-11, 25.0])
    curves._scale(axes, "linear", 0.0)
    assert axes.get_ylim() == pytest.approx((23.75, 26.25))
    axes.plot([1, 2], [24.0, 25.0])
    axes.relim()
    axes.autoscale()
    before = axes.get_ylim()
    curves._scale(axes, "linear", 0.0)
    assert axes.get_ylim() == before
