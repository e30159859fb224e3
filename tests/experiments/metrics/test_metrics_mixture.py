from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Plummer, interaction_energy
from coulombfield.arrays import Device
from coulombfield.rng import Streams
from experiments.data.gaussian_mixture import Config as Mixture
from experiments.data.gaussian_mixture import GaussianMixture
from experiments.metrics import energy, modes
from experiments.metrics.energy import energy_noise_floor
from experiments.metrics.metric import DEVIATION
from experiments.metrics.modes import COVERED_SHARE, mode_metrics

seeds = st.integers(0, 2**32 - 1)
COUNT = 20_000
KERNEL = Plummer(exponent=1.0, softening=1.0)


@given(seed=seeds, variance=st.floats(0.05, 1.5))
def test_the_data_itself_is_perfect(seed, variance):
    """Every bound is 6 standard errors; the modes are 10.5 apart, so that they hardly overlap."""
    mixture = GaussianMixture(variance=variance)
    found = mode_metrics(mixture.sample(COUNT, np.random.default_rng(seed)), mixture)
    inside = 1 - math.exp(-4.5)
    assert found["modes_covered"] == 25
    assert abs(found["high_quality_share"] - inside) < 6 * math.sqrt(inside * (1 - inside) / COUNT)
    # 2 N KL is nearly chi-squared with 24 degrees of freedom
    assert found["mode_kl"] < (24 + 6 * math.sqrt(48)) / (2 * COUNT)
    # a truncated normal's fourth moment is below the normal's, whose variance estimate has relative variance 2 / (2 N)
    assert abs(found["within_mode_variance_ratio"] - 1) < 6 * math.sqrt(1 / COUNT)


@given(seed=seeds, factor=st.floats(0.1, 0.8))
def test_the_variance_ratio_of_narrow_modes_is_their_squared_factor(seed, factor):
    """Within the radius of 3 lie then more than 3.7 own standard deviations, and the cut is felt by 0.1 % at most."""
    mixture = GaussianMixture()
    narrow = GaussianMixture(variance=factor**2).sample(COUNT, np.random.default_rng(seed))
    ratio = mode_metrics(narrow, mixture)["within_mode_variance_ratio"]
    kept = (2 - 11 * math.exp(-4.5)) / (2 * (1 - math.exp(-4.5)))  # closed form of the truncated variance in the plane
    assert ratio == pytest.approx(factor**2 / kept, rel=0.02 + 6 / math.sqrt(COUNT))


@given(seed=seeds, shift=st.floats(0, 0.5))
def test_a_shifted_mode_is_not_wider(seed, shift):
    mixture = GaussianMixture()
    samples = mixture.centres.repeat(200, axis=0) + shift
    samples += 0.3 * np.random.default_rng(seed).standard_normal(samples.shape)
    at_rest = mode_metrics(samples - shift, mixture)["within_mode_variance_ratio"]
    assert mode_metrics(samples, mixture)["within_mode_variance_ratio"] == pytest.approx(at_rest, rel=1e-9)


@given(seed=seeds)
def test_a_smear_has_the_share_and_the_width_of_discs(seed):
    """Uniform over 25 cells of 10.5 by 10.5: a disc has 9 pi / 110 of its cell and variance 9/4 on each axis."""
    mixture = GaussianMixture()
    samples = np.random.default_rng(seed).uniform(-26.25, 26.25, (COUNT, 2))
    found = mode_metrics(samples, mixture)
    share = 9 * math.pi / 10.5**2
    assert abs(found["high_quality_share"] - share) < 6 * math.sqrt(share / COUNT)
    assert found["within_mode_variance_ratio"] == pytest.approx(2.25 / 0.94945, rel=6 / math.sqrt(share * COUNT))


@given(lost=st.sets(st.integers(0, 24), min_size=1, max_size=24))
def test_lost_modes_are_counted_and_cost_the_log_of_the_share_that_is_left(lost):
    mixture = GaussianMixture()
    kept = [mode for mode in range(25) if mode not in lost]
    found = mode_metrics(mixture.centres[kept].repeat(3, axis=0), mixture)
    assert found["modes_covered"] == len(kept)
    assert found["mode_kl"] == pytest.approx(math.log(25 / len(kept)))
    assert found["high_quality_share"] == 1
    assert found["within_mode_variance_ratio"] == 0


@given(seed=seeds)
@settings(max_examples=10)
def test_one_stray_sample_does_not_cover_a_mode(seed):
    mixture = GaussianMixture()
    samples = mixture.centres[:24].repeat(100, axis=0)
    fair = (len(samples) + 30) / 25
    for strays in (1, math.ceil(COVERED_SHARE * fair) - 1, math.ceil(COVERED_SHARE * fair)):
        more = np.concatenate([samples, mixture.centres[24:].repeat(strays, axis=0)])
        order = np.random.default_rng(seed).permutation(len(more))
        assert mode_metrics(more[order], mixture)["modes_covered"] == (25 if strays >= COVERED_SHARE * fair else 24)


@pytest.mark.parametrize("samples", [np.zeros((0, 2)), np.zeros((3, 3)), np.zeros(4), np.full((3, 2), np.nan)])
def test_samples_that_are_no_points_are_refused(samples):
    with pytest.raises(ValueError, match=r"^samples: expected"):
        mode_metrics(samples, GaussianMixture())


def mixture_data(seed, held_out, dtype="float64", variance=1.0):
    config = Mixture(points=50, held_out=held_out, variance=variance)
    return config.open(batch=1, rng=np.random.default_rng(seed), dtype=dtype, device=Device(np, "cpu"))


@given(seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=6)
def test_data_stays_at_the_noise_floor_and_a_smear_does_not(seed, dtype):
    rng, size = np.random.default_rng(seed + 1), 400
    data = mixture_data(seed, size, dtype)
    metric = energy.Config(samples=size).build(data, Streams(seed))
    found = metric.evaluate(data.mixture.sample(size, rng, dtype))
    assert found.keys() == metric.columns.keys()
    assert metric.reference.keys() == metric.columns.keys() | {"energy" + DEVIATION}
    floor = found["energy_noise_floor"]
    assert floor == metric.reference["energy_noise_floor"] == metric.reference["energy" + DEVIATION]
    # the statistic's tail is that of a weighted sum of chi-squared variables, hence not 6 but 12 standard deviations
    assert abs(found["energy"]) < 12 * floor
    one_mode = (data.mixture.centres[:1] + rng.standard_normal((size, 2))).astype(dtype)
    assert metric.evaluate(one_mode)["energy"] > 50 * floor


@given(seed=seeds)
@settings(max_examples=3)
def test_the_noise_floor_is_that_of_all_splits(seed):
    pool, splits = GaussianMixture().sample(6, np.random.default_rng(seed)), 300
    squares = []
    for left in itertools.combinations(range(6), 3):
        right = np.delete(pool, left, axis=0)
        squares.append(interaction_energy(pool[list(left)], right, KERNEL, unbiased=True) ** 2)
    floor = energy_noise_floor(pool[:3], pool[3:], KERNEL, np.random.default_rng(seed), splits)
    assert abs(floor**2 - np.mean(squares)) < 6 * np.std(squares) / math.sqrt(splits) + 1e-15


@given(seed=seeds)
@settings(max_examples=3)
def test_the_noise_floor_falls_like_one_over_the_size(seed):
    mixture, rng = GaussianMixture(), np.random.default_rng(seed)
    floors = [
        energy_noise_floor(mixture.sample(size, rng), mixture.sample(size, rng), KERNEL, rng, splits=32)
        for size in (100, 1600)
    ]
    # each floor is good to 1/sqrt(64) = 13 %, and worse where few eigenvalues dominate: allow a factor of 4
    assert 4 < floors[0] / floors[1] < 64


def test_the_energy_is_the_unbiased_one_under_the_kernel_asked_for():
    data = mixture_data(0, 60)
    samples = data.mixture.sample(60, np.random.default_rng(1))
    metric = energy.Config(samples=60, exponent=3.0, softening=0.5).build(data, Streams(0))
    expected = interaction_energy(data.held_out.first(60), samples, Plummer(3.0, 0.5), unbiased=True)
    assert metric.evaluate(samples)["energy"] == expected


def test_modes_are_those_of_the_data():
    data = mixture_data(0, 60, variance=0.3)
    metric = modes.Config(samples=60).build(data, Streams(0))
    samples = data.mixture.sample(60, np.random.default_rng(1))
    assert metric.evaluate(samples) == mode_metrics(samples, data.mixture)


def test_perfect_samples_have_the_mean_and_spread_of_many_draws():
    """The share within 3σ is binomial: its mean is 1 - exp(-9/2), and its deviation √(p (1 - p) / N)."""
    count = 2_000
    data = mixture_data(0, count)
    reference = modes.Config(samples=count).build(data, Streams(0)).reference
    share, deviation = -math.expm1(-4.5), math.sqrt(math.exp(-4.5) * -math.expm1(-4.5) / count)
    assert reference["high_quality_share"] == pytest.approx(share, abs=4 * deviation / math.sqrt(modes.DRAWS))
    # the deviation's own is 16 % of it
    assert reference["high_quality_share" + DEVIATION] == pytest.approx(deviation, rel=0.6)
    assert reference["modes_covered"] == 25
    assert reference["modes_covered" + DEVIATION] == 0


@pytest.mark.parametrize("metric", [energy, modes])
def test_a_metric_takes_no_more_samples_than_are_held_out(metric):
    with pytest.raises(ValueError, match=r"^samples: expected at most data\.held_out = 60, got 61"):
        metric.Config(samples=61).build(mixture_data(0, 60), Streams(0))


@pytest.mark.parametrize(("name", "value"), [("samples", 1), ("every", -1)])
def test_a_metric_that_can_t_be_taken_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected"):
        modes.Config(**{name: value})
