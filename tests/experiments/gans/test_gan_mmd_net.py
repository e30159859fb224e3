"""MMD network: the unbiased discrepancy, which is 0 on average where generator and data agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gan_support import BATCH, CPU, forward, players_of, small

from coulombfield.arrays import to_numpy
from experiments.gans import gmmn
from experiments.gans.mmd_net import Config

WIDTHS = (0.5, 2.0)


def sum_of_pairs(a, b, *, without_self=False):
    """Sum over pairs of the sum of Gaussians, pair by pair."""
    return math.fsum(
        math.exp(-(((p - q) ** 2).sum()) / (2 * width**2))
        for i, p in enumerate(a)
        for j, q in enumerate(b)
        for width in WIDTHS
        if i != j or not without_self
    )


def test_the_loss_leaves_out_pairs_of_a_sample_with_itself(device):
    gan = small(Config(widths=WIDTHS), players_of(), device)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, _ = gan.gradients("generator", latent=latent, real=real)
    x, y = to_numpy(forward(gan, "generator", latent)), to_numpy(real)
    within = (sum_of_pairs(x, x, without_self=True) + sum_of_pairs(y, y, without_self=True)) / (BATCH * (BATCH - 1))
    assert float(losses["generator"]) == pytest.approx(within - 2 * sum_of_pairs(x, y) / BATCH**2, rel=1e-12)


def test_it_is_nothing_on_average_between_samples_of_the_same_generator():
    """Which the biased estimate is not: the mean is within three standard errors of 0."""
    unbiased, biased = (
        small(config, players_of(), CPU) for config in (Config(widths=WIDTHS), gmmn.Config(widths=WIDTHS))
    )
    found = {unbiased: [], biased: []}
    for gan, values in found.items():
        for _ in range(400):
            real = forward(gan, "generator", gan.draw_latent()).copy()
            losses, _ = gan.gradients("generator", latent=gan.draw_latent(), real=real)
            values.append(float(losses["generator"]))
    mean, error = np.mean(found[unbiased]), np.std(found[unbiased]) / 20
    assert abs(mean) < 3 * error
    assert np.mean(np.square(found[biased])) > 20 * error


def test_a_minibatch_of_one_sample_is_refused(monkeypatch):
    monkeypatch.setattr("gan_support.BATCH", 1)
    with pytest.raises(ValueError, match="kind: its unbiased estimate needs a batch of at least 2, got 1"):
        small(Config(widths=WIDTHS), players_of(), CPU)
