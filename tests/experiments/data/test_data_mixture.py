from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.data.gaussian_mixture import GaussianMixture

mixtures = st.builds(GaussianMixture, st.integers(2, 6), st.floats(0.5, 50), st.floats(0.01, 10))
seeds = st.integers(0, 2**32 - 1)


def test_the_paper_s_centres():
    ticks = [-21, -10.5, 0, 10.5, 21]
    assert {tuple(centre) for centre in GaussianMixture().centres} == {(a, b) for a in ticks for b in ticks}


@given(mixture=mixtures, seed=seeds)
def test_points_have_the_components_shares_means_and_variance(mixture, seed):
    """Every bound is 6 standard errors."""
    count = 4000
    points = mixture.sample(count, np.random.default_rng(seed))
    modes, deviation = len(mixture.centres), mixture.variance**0.5
    assert points.shape == (count, 2)
    assert np.abs(points.mean(axis=0)).max() < 6 * np.sqrt((mixture.extent**2 + mixture.variance) / count)
    spacing = 2 * mixture.extent / (mixture.components_per_side - 1)
    if spacing > 10 * deviation:  # only then is the nearest centre the point's own
        nearest = ((points[:, None] - mixture.centres) ** 2).sum(-1).argmin(1)
        share = np.bincount(nearest, minlength=modes) / count
        assert np.abs(share - 1 / modes).max() < 6 * np.sqrt(1 / modes / count)
        scaled = (points - mixture.centres[nearest]) ** 2 / mixture.variance
        assert abs(scaled.mean() - 1) < 6 * np.sqrt(2 / (2 * count))


@given(mixture=mixtures, seed=seeds)
def test_float32_points_are_the_float64_points_rounded(mixture, seed):
    single, double = (mixture.sample(50, np.random.default_rng(seed), dtype) for dtype in ("float32", "float64"))
    assert single.dtype == np.float32
    assert np.array_equal(single, double.astype(np.float32))


@given(side=st.integers(2, 3), extent=st.floats(1, 4), variance=st.floats(0.3, 2))
def test_the_density_integrates_to_one(side, extent, variance):
    mixture = GaussianMixture(side, extent, variance)
    ticks = np.linspace(-1, 1, 161) * (extent + 8 * variance**0.5)
    grid = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    total = np.exp(mixture.log_density(grid)).sum() * (ticks[1] - ticks[0]) ** 2
    # The trapezoidal rule converges spectrally for Gaussians; 8 standard deviations leave 1e-14 outside.
    assert total == pytest.approx(1, abs=1e-9)


@given(mixture=mixtures, seed=seeds)
def test_the_density_is_the_mean_of_its_components(mixture, seed):
    points = mixture.sample(5, np.random.default_rng(seed))
    squared = ((points[:, None] - mixture.centres) ** 2).sum(-1)
    plain = np.mean(np.exp(-squared / (2 * mixture.variance)), axis=1) / (2 * np.pi * mixture.variance)
    # The points are typical ones, so that nothing underflows.
    np.testing.assert_allclose(np.exp(mixture.log_density(points)), plain, rtol=1e-10)


def test_the_density_far_away_does_not_underflow():
    far = GaussianMixture().log_density(np.array([[1e4, 0.0]], np.float32))
    np.testing.assert_allclose(far, -((1e4 - 21) ** 2) / 2 - np.log(2 * np.pi * 25), rtol=1e-9)


@pytest.mark.parametrize(("name", "value"), [("components_per_side", 1), ("extent", 0.0), ("variance", -1.0)])
def test_a_bad_value_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        GaussianMixture(**{name: value})
