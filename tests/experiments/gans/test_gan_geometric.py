"""Geometric GAN: its losses against the SVM's, and what bounds the features."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import BATCH, CPU, forward, players_of, small

from coulombfield.arrays import to_numpy
from experiments.gans.geometric import Config
from nets.layers.conv2d import Conv2d
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential


def build(device, **settings):
    return small(Config(**settings), players_of(discriminator=(2, 8, 5, 1)), device)


def hyperplane(gan):
    """Weights and bias of the last layer, and all other parameters, on the host."""
    params = gan.players["discriminator"].params
    *features, weight, bias = (name for name in params)
    assert params[weight].shape == (5, 1)
    return [to_numpy(params[name]).copy() for name in (weight, bias)], [params[name] for name in features]


def test_losses_are_those_of_a_soft_margin_svm(device):
    gan = build(device, cost=0.25)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, gradients = gan.gradients("discriminator", latent=latent, real=real)
    assert losses.keys() == gradients.keys() == {"discriminator"}
    generated = forward(gan, "generator", latent)
    at_x, at_y = (to_numpy(forward(gan, "discriminator", samples)) for samples in (generated, real))
    (weight, _), _ = hyperplane(gan)
    hinges = np.maximum(0, 1 + at_x).mean() + np.maximum(0, 1 - at_y).mean()
    expected = hinges + (weight**2).sum() / (2 * 0.25 * BATCH)
    assert float(losses["discriminator"]) == pytest.approx(float(expected), rel=1e-12)
    losses, gradients = gan.gradients("generator", latent=latent)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(-float(at_x.mean()), rel=1e-12)


@pytest.mark.parametrize(("bias", "slope"), [(5.0, 1.0), (-5.0, -1.0), (0.0, 0.0)])
def test_only_samples_within_their_margins_move_the_hyperplane(bias, slope):
    """Beside so small weights the bias decides: it keeps the margins of all real samples, of all generated, of none."""
    gan = build(CPU)
    params = gan.players["discriminator"].params
    *_, weight_name, bias_name = params
    params[weight_name][...], params[bias_name][...] = 1e-3, bias
    _, gradients = gan.gradients("discriminator", latent=gan.draw_latent(), real=gan.draw_real())
    assert float(gradients["discriminator"][bias_name][0]) == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize("setting", ["clip", "radius"])
def test_what_bounds_the_features_leaves_the_hyperplane(device, setting):
    gan = build(device, **{setting: 0.125})
    before, _ = hyperplane(gan)
    gan.after("generator", {})
    assert max(abs(to_numpy(part)).max() for part in hyperplane(gan)[1]) > 0.125
    gan.after("discriminator", {})
    after, features = hyperplane(gan)
    for part, kept in zip(after, before, strict=True):
        np.testing.assert_array_equal(part, kept)
    size = np.max if setting == "clip" else np.linalg.norm
    assert max(size(abs(to_numpy(part))) for part in features) == pytest.approx(0.125, rel=1e-12)


def test_an_array_within_the_ball_stays():
    gan = build(CPU, radius=1e6)
    before = gan.players["discriminator"].params.vector.copy()
    gan.after("discriminator", {})
    np.testing.assert_array_equal(gan.players["discriminator"].params.vector, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cost": 0.0}, "cost: expected a positive number, got 0"),
        ({"clip": -1.0}, "clip: expected a number that is not negative, got -1"),
        ({"radius": -1.0}, "radius: expected a number that is not negative, got -1"),
        ({"clip": 0.1, "radius": 1.0}, "radius: expected 0 with a clip of 0.1, got 1"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_a_discriminator_without_a_hyperplane_is_refused():
    networks = players_of()
    networks["discriminator"] = Network(Sequential([Reshape((1, 2, 1)), Conv2d(1, 1, (1, 2), (1, 2)), Flatten()]))
    with pytest.raises(ValueError, match="kind: its discriminator ends in a dense layer to one number"):
        small(Config(), networks, CPU)
