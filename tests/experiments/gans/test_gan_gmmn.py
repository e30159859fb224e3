"""GMMN: its loss against sums over pairs, and a generator that comes nearer to the data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gan_support import CPU, forward, players_of, small

from coulombfield.arrays import to_numpy
from experiments.gans.gmmn import Config

WIDTHS = (0.5, 2.0)


def mean_kernel(a, b, widths=WIDTHS):
    """Mean over all pairs of the sum of Gaussians, pair by pair."""
    pairs = [sum(math.exp(-(((p - q) ** 2).sum()) / (2 * width**2)) for width in widths) for p in a for q in b]
    return math.fsum(pairs) / len(pairs)


def test_the_loss_is_the_root_of_the_biased_discrepancy(device):
    gan = small(Config(widths=WIDTHS), players_of(), device)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, gradients = gan.gradients("generator", latent=latent, real=real)
    x, y = to_numpy(forward(gan, "generator", latent)), to_numpy(real)
    squared = mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(math.sqrt(squared), rel=1e-12)


def test_the_order_of_either_kind_of_samples_is_nothing():
    gan = small(Config(widths=WIDTHS), players_of(), CPU)
    latent, real = gan.draw_latent().copy(), gan.draw_real().copy()
    losses, gradients = gan.gradients("generator", latent=latent, real=real)
    kept = gradients["generator"].vector.copy()
    again, gradients = gan.gradients("generator", latent=latent[::-1].copy(), real=real[[3, 1, 5, 0, 2, 4]])
    assert float(again["generator"]) == pytest.approx(float(losses["generator"]), rel=1e-12)
    np.testing.assert_allclose(gradients["generator"].vector, kept, rtol=0, atol=1e-12 * abs(kept).max())


def test_a_generator_of_one_player_learns():
    gan = small(Config(widths=WIDTHS), players_of(), CPU)
    *_, last = gan.generator.params
    gan.generator.params[last][...] += 2  # away from the data
    first = np.mean([float(gan.step()["generator"]) for _ in range(20)])
    for _ in range(300):
        gan.step()
    assert np.mean([float(gan.step()["generator"]) for _ in range(20)]) < 0.8 * first


@pytest.mark.parametrize("widths", [(), (1.0, 0.0), (-1.0,)])
def test_widths_are_positive(widths):
    with pytest.raises(ValueError, match="widths: expected one or more positive numbers, got"):
        Config(widths=widths)
