"""WGAN with a gradient penalty: where it is taken, what it is of a linear critic, and what an update does."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import BATCH, CPU, LATENT, forward, host, players_of, small

from coulombfield.arrays import to_numpy
from experiments import config
from experiments.gans import wgan
from experiments.gans.wgan_gp import Config
from experiments.players import residual
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Role
from nets.layers.linear import Linear
from nets.network import Network
from nets.penalties import gradient_penalty

CONSTANT = OptimizerConfig(ScheduleConfig(start=1e-2, kind="constant"))


def build(device, dtype="float64", **settings):
    return small(Config(**settings), players_of(discriminator=(2, 8, 1)), device, dtype=dtype)


def drawn(gan):
    return {name: getattr(gan, f"draw_{name}")() for name in gan.draws["discriminator"]}


def test_the_critics_loss_and_gradient_are_sums_of_both_parts(device):
    """As separate passes have them, in memory of their own."""
    gan = build(device, penalty=3.0)
    draws, critic = drawn(gan), gan.players["discriminator"]
    clipped = small(wgan.Config(), players_of(discriminator=(2, 8, 1)), device)
    of_means, d_means = clipped.gradients("discriminator", latent=draws["latent"], real=draws["real"])
    x, y, u = forward(gan, "generator", draws["latent"]), draws["real"], draws["mixing"][:, None]
    penalty, d_penalty = gradient_penalty(critic.network, critic.params, u * x + (1 - u) * y, weight=3.0)
    losses, gradients = gan.gradients("discriminator", **draws)
    assert losses.keys() == {"discriminator", "penalty"}
    assert gradients.keys() == {"discriminator"}
    assert float(losses["penalty"]) == pytest.approx(float(penalty), rel=1e-12)
    assert float(losses["discriminator"]) == pytest.approx(float(of_means["discriminator"]) + float(penalty), rel=1e-12)
    expected = to_numpy(d_means["discriminator"].vector) + to_numpy(d_penalty.vector)
    np.testing.assert_allclose(to_numpy(gradients["discriminator"].vector), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_a_linear_critic_is_drawn_to_a_slope_of_1(device, slope):
    """Its slope w is the same everywhere: P = lambda (||w|| - 1)^2, dP/dw = 2 lambda (||w|| - 1) w / ||w||."""
    gan = small(Config(penalty=2.0), {**players_of(), "discriminator": Network(Linear(2, 1))}, device)
    w = slope * np.array([0.6, -0.8])
    gan.players["discriminator"].params["weight"][...] = device.put(w[:, None])
    draws = drawn(gan)
    means = [to_numpy(samples).mean(axis=0) for samples in (forward(gan, "generator", draws["latent"]), draws["real"])]
    losses, gradients = gan.gradients("discriminator", **draws)
    assert float(losses["penalty"]) == pytest.approx(2 * (slope - 1) ** 2, abs=1e-14)
    expected = means[0] - means[1] + 2 * 2 * (slope - 1) * w / slope
    np.testing.assert_allclose(to_numpy(gradients["discriminator"]["weight"])[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(("place", "samples"), [(0.0, "real"), (1.0, "generated")])
def test_slopes_are_taken_between_real_and_generated_samples(device, place, samples):
    gan = build(device)
    draws, critic = drawn(gan), gan.players["discriminator"]
    draws["mixing"] = device.put(np.full(BATCH, place))
    x = draws["real"] if samples == "real" else forward(gan, "generator", draws["latent"])
    expected, _ = gradient_penalty(critic.network, critic.params, x)
    losses, _ = gan.gradients("discriminator", **draws)
    assert float(losses["penalty"]) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_places_are_uniform_between_0_and_1(device, dtype):
    gan = build(device, dtype)
    places = np.concatenate([to_numpy(gan.draw_mixing()) for _ in range(500)])
    assert places.dtype == np.dtype(dtype)
    assert places.min() >= 0
    assert places.max() <= 1
    assert places.mean() == pytest.approx(0.5, abs=5 / np.sqrt(12 * len(places)))
    assert places.var() == pytest.approx(1 / 12, abs=0.01)


@pytest.mark.parametrize("steps", [1, 3])
def test_no_weight_is_clipped_and_there_are_no_bursts(steps):
    gan = build(CPU, critic_steps=steps)
    assert gan.moves() == (*["discriminator"] * steps, "generator")
    before = gan.players["discriminator"].params.vector.copy()
    gan.after("discriminator", {})
    np.testing.assert_array_equal(gan.players["discriminator"].params.vector, before)


def test_state_continues_bit_for_bit():
    gan, other = build(CPU, "float32"), build(CPU, "float32")
    gan.step()
    other.step(), other.step()
    other.load_state(host(gan.state()))
    gan.step(), other.step()
    np.testing.assert_equal(host(other.state()), host(gan.state()))


def test_settings_say_what_is_wrong():
    with pytest.raises(ValueError, match="penalty: expected a positive number"):
        Config(penalty=0.0)
    with pytest.raises(ValueError, match="critic_steps: expected at least 1, got 0"):
        Config(critic_steps=0)
    with pytest.raises(ValueError, match="width: expected at least 1, got 0"):
        residual.GeneratorConfig(latent=LATENT, width=0, optimizer=CONSTANT)
    with pytest.raises(ValueError, match="width: expected at least 1, got 0"):
        residual.DiscriminatorConfig(width=0, optimizer=CONSTANT)
    with pytest.raises(ValueError, match="kind: its network is for square images"):
        residual.DiscriminatorConfig(optimizer=CONSTANT).network(Role((2,), (1,)))


@pytest.mark.parametrize(
    ("preset", "steps", "rates", "updates"),
    [("wgan-gp-images", 5, (1e-4, 1e-4), 200_000), ("wgan-gp-ttur-images", 1, (3e-4, 1e-4), 100_000)],
)
def test_presets_have_the_settings_of_the_authors_programs(preset, steps, rates, updates):
    settings = config.resolve(preset).config
    assert settings.gan == Config(penalty=10.0, critic_steps=steps)
    assert settings.training.updates == updates
    roles = settings.gan.roles(settings.players["generator"].latent, (64, 64, 3))
    for name, rate in zip(("discriminator", "generator"), rates, strict=True):
        optimizer = settings.players[name].optimizer
        assert (optimizer.kind, optimizer.rate.start, optimizer.beta1, optimizer.beta2) == ("adam", rate, 0.0, 0.9)
        assert settings.players[name].checked_network(roles[name]).layout.size > 7e6
