"""Drifting: its field against Algorithm 2 pair by pair, units, and what it must not depend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gan_support import BATCH, CPU, forward, players_of, small
from hypothesis import given
from hypothesis import strategies as st

from coulombfield.arrays import to_numpy
from experiments.gans.drifting import Config

seeds = st.integers(0, 2**32 - 1)


def build(device=CPU, *temperatures, **settings):
    return small(Config(temperatures=temperatures or (0.5, 2.0), **settings), players_of(), device)


def algorithm_2(x, y, temperature):
    """The paper's field, pair by pair."""
    targets = [*x, *y]
    k = np.array([[math.exp(-math.dist(a, b) / temperature) for b in targets] for a in x])
    np.fill_diagonal(k, 0)
    a = k / np.sqrt(k.sum(axis=1, keepdims=True) * k.sum(axis=0, keepdims=True))
    drift = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(y)):
            for other in range(len(x)):
                drift[i] += a[i, len(x) + j] * a[i, other] * (y[j] - x[other])
    return drift


def test_the_field_is_that_of_the_paper(device):
    gan = build(device)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 2)), rng.standard_normal((7, 2))
    drift, unit = gan.drift(gan.device.put(x), gan.device.put(y))
    assert unit == 1
    np.testing.assert_allclose(to_numpy(drift), algorithm_2(x, y, 0.5) + algorithm_2(x, y, 2.0), rtol=1e-12)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_loss_is_the_mean_square_of_the_drift(device, normalize):
    gan = build(device, normalize=normalize)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, gradients = gan.gradients("generator", latent=latent, real=real)
    drift, unit = gan.drift(forward(gan, "generator", latent), real)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(float(((drift / unit) ** 2).mean()), rel=1e-12)


@given(seed=seeds)
def test_a_normalized_field_of_one_temperature_has_size_1_and_goes_with_the_scale(seed):
    """In the unit of the mean distance, over the root of two numbers in a sample."""
    gan, rng = build(CPU, 0.1, normalize=True), np.random.default_rng(seed)
    x, y = rng.standard_normal((BATCH, 2)), rng.standard_normal((BATCH, 2))
    drift, unit = gan.drift(x, y)
    distances = [math.dist(a, b) for a in x for b in (*x, *y)]
    assert float(unit) == pytest.approx(np.mean(distances) / math.sqrt(2), rel=1e-12)
    assert float(((drift / unit) ** 2).mean()) == pytest.approx(1, rel=1e-10)
    scaled, _ = gan.drift(8 * x, 8 * y)
    np.testing.assert_allclose(scaled, 8 * drift, rtol=1e-9, atol=1e-9)


@given(seed=seeds, shift=st.floats(-100, 100))
def test_where_the_origin_is_and_the_order_of_samples_are_nothing(seed, shift):
    gan, rng = build(), np.random.default_rng(seed)
    x, y = rng.standard_normal((BATCH, 2)), rng.standard_normal((BATCH, 2))
    drift, _ = gan.drift(x, y)
    shifted, _ = gan.drift(x[::-1] + shift, y[rng.permutation(BATCH)] + shift)
    np.testing.assert_allclose(shifted[::-1], drift, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_far_from_all_others_drift_to_the_data(dtype):
    """Where each kernel is 0 in the arrays' dtype: the logarithms of its sums are not."""
    gan = build(CPU, 0.05)
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((BATCH, 2)) + np.array([1000, 0])).astype(dtype)
    y = rng.standard_normal((BATCH, 2)).astype(dtype)
    drift, _ = gan.drift(x, y)
    assert drift.dtype == dtype
    assert np.isfinite(drift).all()
    assert (drift[:, 0] <= 0).all()


@pytest.mark.parametrize("temperatures", [(), (1.0, 0.0)])
def test_temperatures_are_positive(temperatures):
    with pytest.raises(ValueError, match="temperatures: expected one or more positive numbers, got"):
        Config(temperatures=temperatures)


def test_a_minibatch_of_one_sample_is_refused(monkeypatch):
    monkeypatch.setattr("gan_support.BATCH", 1)
    with pytest.raises(ValueError, match="kind: drifting needs a batch of at least 2, got 1"):
        build()
