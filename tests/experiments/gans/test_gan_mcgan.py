"""McGAN: the metrics that its best vectors reach, and the constraints that they keep."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import BATCH, CPU, forward, players_of, small

from coulombfield.arrays import to_numpy
from experiments.gans.mcgan import Config
from nets.initializers import normal
from nets.layers.linear import Linear
from nets.network import Network

FEATURES = 5


def build(device, **settings):
    config = Config(features=FEATURES, **settings)
    columns = config.roles(3, (2,))["projection"].output[0]
    projection = Network(Linear(FEATURES, columns, weight=normal(1.0), bias=None))
    return small(config, {**players_of(discriminator=(2, 8, FEATURES)), "projection": projection}, device)


def statistics(gan, latent, real):
    """Mean and uncentred covariance of the features of generated and of real samples, on the host."""
    for samples in (forward(gan, "generator", latent), real):
        features = to_numpy(forward(gan, "discriminator", samples))
        yield features.mean(axis=0), features.T @ features / BATCH


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_best_v_gives_a_norm_of_the_difference_of_the_means(device, norm):
    gan = build(device, mean=norm)
    latent, real = gan.draw_latent(), gan.draw_real()
    (mean_x, _), (mean_y, _) = statistics(gan, latent, real)
    difference = mean_y - mean_x
    best = np.sign(difference) if norm == "l1" else difference / np.linalg.norm(difference)
    gan.players["projection"].params["weight"][...] = gan.device.put(best[:, None])
    gan.after("critic", {})  # it lies on the constraint already
    losses, _ = gan.gradients("critic", latent=latent, real=real)
    (mean_x, _), (mean_y, _) = statistics(gan, latent, real)  # of clipped features
    assert float(losses["discriminator"]) == pytest.approx(best @ (mean_x - mean_y), rel=1e-12)
    assert float(losses["projection"]) == float(losses["discriminator"])


def test_that_norm_is_reached():
    gan = build(CPU, clip=0.0)
    latent, real = gan.draw_latent(), gan.draw_real()
    (mean_x, _), (mean_y, _) = statistics(gan, latent, real)
    gan.players["projection"].params["weight"][:, 0] = (mean_y - mean_x) / np.linalg.norm(mean_y - mean_x)
    losses, _ = gan.gradients("critic", latent=latent, real=real)
    assert float(losses["projection"]) == pytest.approx(-np.linalg.norm(mean_y - mean_x), rel=1e-12)


def needs_qr(device):
    try:
        device.xp.linalg.qr(device.xp.eye(1))
    except NotImplementedError as reason:  # a stand-in for a GPU
        pytest.skip(str(reason))


@pytest.mark.parametrize("k", [1, 3])
def test_the_best_u_and_w_give_the_largest_singular_values(device, k):
    needs_qr(device)
    gan = build(device, mean="none", components=k, clip=0.0)
    latent, real = gan.draw_latent(), gan.draw_real()
    (_, of_x), (_, of_y) = statistics(gan, latent, real)
    u, values, w = np.linalg.svd(of_y - of_x)
    gan.players["projection"].params["weight"][...] = gan.device.put(np.concatenate([u[:, :k], w[:k].T], axis=1))
    losses, _ = gan.gradients("critic", latent=latent, real=real)
    assert float(losses["projection"]) == pytest.approx(-values[:k].sum(), rel=1e-12)


def test_the_generator_lowers_what_the_critic_raises():
    gan = build(CPU, components=2)
    latent, real = gan.draw_latent(), gan.draw_real()
    weight = gan.players["projection"].params["weight"]
    features = forward(gan, "discriminator", forward(gan, "generator", latent))
    products = features @ weight
    values = products[:, 0] + products[:, 1] * products[:, 3] + products[:, 2] * products[:, 4]
    losses, gradients = gan.gradients("generator", latent=latent)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(-values.mean(), rel=1e-12)
    _, gradients = gan.gradients("critic", latent=latent, real=real)
    assert gradients.keys() == {"discriminator", "projection"}


def test_constraints_hold_from_the_start_and_after_every_update(device):
    needs_qr(device)
    gan = build(device, mean="l2", components=2, clip=0.25, critic_steps=3)
    assert list(gan.moves()) == ["critic", "critic", "critic", "generator"]
    for _ in range(3):
        weight = to_numpy(gan.players["projection"].params["weight"])
        assert np.linalg.norm(weight[:, 0]) <= 1 + 1e-12
        for columns in (weight[:, 1:3], weight[:, 3:]):
            np.testing.assert_allclose(columns.T @ columns, np.eye(2), rtol=0, atol=1e-12)
        gan.step()
        assert abs(gan.players["discriminator"].params.vector).max() <= 0.25


def test_arrays_are_projected_into_their_ball(device):
    gan = build(device, clip=0.0, radius=0.125)
    gan.after("critic", {})
    sizes = [np.linalg.norm(to_numpy(part)) for part in gan.players["discriminator"].params.values()]
    assert max(sizes) == pytest.approx(0.125, rel=1e-12)


def test_orthonormal_columns_stay_as_they_are():
    """The signs of a QR decomposition are fixed: without them, columns would flip from move to move."""
    gan = build(CPU, mean="l1", components=3)
    weight = gan.players["projection"].params["weight"]
    weight[:, 0] = [3, -3, 0.5, -0.5, 1]
    for sign in (1, -1):
        weight[:, 1:] *= sign
        before = weight.copy()
        gan.after("critic", {})
        np.testing.assert_allclose(weight[:, 1:], before[:, 1:], rtol=0, atol=1e-14)
        np.testing.assert_array_equal(weight[:, 0], [1, -1, 0.5, -0.5, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 0}, "features: expected at least 1, got 0"),
        ({"features": 2, "components": 3}, "components: expected at most the 2 features, got 3"),
        ({"features": 2, "components": -1}, "components: expected at least 0, got -1"),
        ({"features": 2, "mean": "none"}, "components: expected at least 1 where no means are matched, got 0"),
        ({"features": 2, "clip": -0.1}, "clip: expected a number that is not negative, got -0.1"),
        ({"features": 2, "radius": 1.0}, "radius: expected 0 with a clip of 0.01, got 1.0"),
        ({"features": 2, "critic_steps": 0}, "critic_steps: expected at least 1, got 0"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)
