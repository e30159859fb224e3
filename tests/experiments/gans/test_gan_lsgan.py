"""Least-squares GAN: its losses, the divergence that they stand for, bad labels, and its presets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gan_support import BATCH, CPU, forward, players_of, small

from coulombfield.arrays import to_numpy
from experiments import config
from experiments.gans.lsgan import Config

PEARSON = {"a": -1.0, "b": 1.0, "c": 0.0}


def build(device, **settings):
    return small(Config(**settings), players_of(discriminator=(2, 8, 1)), device)


@pytest.mark.parametrize("labels", [{}, PEARSON, {"a": 3.0, "b": 0.5, "c": 1.0}])
def test_losses_are_half_the_mean_squares_from_the_labels(device, labels):
    gan = build(device, **labels)
    a, b, c = (labels.get(name, default) for name, default in (("a", 0), ("b", 1), ("c", 1)))
    latent, real = gan.draw_latent(), gan.draw_real()
    generated = forward(gan, "generator", latent)
    at_x, at_y = (to_numpy(forward(gan, "discriminator", samples)) for samples in (generated, real))
    losses, gradients = gan.gradients("discriminator", latent=latent, real=real)
    assert losses.keys() == gradients.keys() == {"discriminator"}
    expected = ((at_x - a) ** 2).mean() / 2 + ((at_y - b) ** 2).mean() / 2
    assert float(losses["discriminator"]) == pytest.approx(float(expected), rel=1e-12)
    losses, gradients = gan.gradients("generator", latent=latent)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(float(((at_x - c) ** 2).mean() / 2), rel=1e-12)


@pytest.mark.parametrize("labels", [{}, PEARSON])
def test_the_best_discriminator_stands_still_and_leaves_half_of_pearsons_divergence(labels):
    """Over three places, with frequencies p of real samples and q of generated ones: chi2(p + q, 2 q)."""
    gan = build(CPU, **labels)
    a, b, c = gan.config.a, gan.config.b, gan.config.c
    real, generated = np.repeat([0, 1, 2], [1, 2, 3]), np.repeat([0, 1, 2], [4, 1, 1])
    p, q = (np.bincount(places, minlength=3) / BATCH for places in (real, generated))
    best = (b * p + a * q) / (p + q)
    at_y, at_x = (best[places, None] for places in (real, generated))
    _, slopes = gan._loss("discriminator", np.concatenate([at_x, at_y]))
    total = np.bincount(np.concatenate([generated, real]), weights=slopes[:, 0])
    np.testing.assert_allclose(total, 0, atol=1e-15)
    loss, _ = gan._loss("generator", at_x)
    whole = float(loss) + ((at_y - c) ** 2).mean() / 2
    assert whole == pytest.approx((((b - c) * (p + q) - (b - a) * q) ** 2 / (p + q)).sum() / 2, rel=1e-12)
    divergence = ((2 * q - (p + q)) ** 2 / (p + q)).sum()
    assert (whole == pytest.approx(divergence / 2, rel=1e-12)) == (labels == PEARSON)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"a": math.nan}, "a: expected a finite number, got nan"),
        ({"c": math.inf}, "c: expected a finite number, got inf"),
        ({"a": 1.0}, "b: expected another label than a, got 1.0 for both"),
        ({"c": 0.0}, "c: expected a number on the side of a = 0.0 where b = 1.0 is, got 0.0"),
        ({"a": 2.0, "c": 3.0}, "c: expected a number on the side of a = 2.0 where b = 1.0 is, got 3.0"),
        ({"generator_steps": 0}, "generator_steps: expected at least 1, got 0"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


@pytest.mark.parametrize(
    ("preset", "sample", "rates", "sizes"),
    [
        ("lsgan-images", (64, 64, 3), (2e-4, 2e-4), (12_704_323, 4_315_649)),
        ("figure-4-lsgan", (2,), (1e-3, 1e-4), (34_306, 33_537)),
    ],
)
def test_presets_have_the_rates_and_turns_of_the_authors_programs(preset, sample, rates, sizes):
    settings = config.resolve(preset).config
    assert settings.gan == Config(reuse_latent=True)
    roles = settings.gan.roles(settings.players["generator"].latent, sample)
    for name, rate, size in zip(("generator", "discriminator"), rates, sizes, strict=True):
        player = settings.players[name]
        assert player.optimizer.rate.start == rate
        assert player.optimizer.beta1 == 0.5
        assert player.checked_network(roles[name]).layout.size == size
