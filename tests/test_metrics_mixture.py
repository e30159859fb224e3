from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coulombfield import Plummer, interaction_energy
from experiments.data.gaussian_mixture import GaussianMixture
from experiments.metrics.mixture import COVERED_SHARE, METRICS, MixtureMetrics, energy_noise_floor, mode_metrics

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


@given(seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=6)
def test_data_stays_at_the_noise_floor_and_a_smear_does_not(seed, dtype):
    mixture, rng, size = GaussianMixture(), np.random.default_rng(seed), 400
    first, second, third = (mixture.sample(size, rng, dtype) for _ in range(3))
    metrics = MixtureMetrics(mixture, first, second, KERNEL, rng)
    assert metrics.reference.keys() == METRICS.keys() == metrics(third).keys()
    assert metrics(third)["energy_noise_floor"] == metrics.noise_floor == metrics.reference["energy_noise_floor"]
    # the statistic's tail is that of a weighted sum of chi-squared variables, hence not 6 but 12 standard deviations
    assert abs(metrics(third)["energy"]) < 12 * metrics.noise_floor
    one_mode = (mixture.centres[:1] + rng.standard_normal((size, 2))).astype(dtype)
    assert metrics(one_mode)["energy"] > 50 * metrics.noise_floor


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


def test_the_energy_uses_as_many_samples_as_are_held_out_and_is_the_unbiased_one():
    mixture, rng = GaussianMixture(), np.random.default_rng(0)
    data, held_out, samples = (mixture.sample(size, rng) for size in (60, 60, 100))
    metrics = MixtureMetrics(mixture, data, held_out, KERNEL, rng)
    assert metrics(samples)["energy"] == interaction_energy(held_out, samples[:60], KERNEL, unbiased=True)
    with pytest.raises(ValueError, match=r"^samples: expected at least 60"):
        metrics(samples[:59])
    with pytest.raises(ValueError, match=r"^data: expected the shape"):
        MixtureMetrics(mixture, data[:50], held_out, KERNEL, rng)
