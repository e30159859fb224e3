"""BEGAN: its losses against the paper's formulas, the balance of its players, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import CPU, forward, host, players_of, small

from experiments.gans.began import Config
from experiments.players import began as players
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Role

CONSTANT = OptimizerConfig(ScheduleConfig(start=1e-2, kind="constant"))


def build(device, **settings):
    return small(Config(**settings), players_of(discriminator=(2, 8, 2)), device)


def errors(gan, latent, real):
    """Mean absolute error of the autoencoder at generated and at real samples, in passes of their own."""
    generated = forward(gan, "generator", latent)
    return [float(abs(forward(gan, "discriminator", samples) - samples).mean()) for samples in (generated, real)]


def test_losses_are_those_of_the_paper(device):
    gan = build(device, start=0.3, diversity=0.7)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, _ = gan.gradients("both", latent=latent, real=real)
    generated, true = errors(gan, latent, real)
    expected = {
        "discriminator": true - 0.3 * generated,
        "generator": generated,
        "real": true,
        "convergence": true + abs(0.7 * true - generated),
        "k": 0.3,
    }
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("start", "gain"), [(0.3, 0.1), (0.0, 100.0), (1.0, 100.0)])
def test_k_follows_the_balance_within_0_and_1(device, start, gain):
    gan = build(device, start=start, gain=gain)
    latent, real = gan.draw_latent(), gan.draw_real()
    losses, _ = gan.gradients("both", latent=latent, real=real)
    gan.after("both", losses)
    generated, true = errors(gan, latent, real)
    assert float(gan.memory["k"]) == pytest.approx(min(max(start + gain * (0.5 * true - generated), 0), 1), rel=1e-12)
    assert gan.memory["k"].dtype == np.float64


def test_k_shifts_weight_to_the_generated_samples_that_are_too_good():
    """With k = 0 the discriminator is an autoencoder of real samples alone."""
    alone, both = build(CPU), build(CPU, start=1.0)
    latent, real = alone.draw_latent(), alone.draw_real()
    _, without = alone.gradients("both", latent=latent, real=real)
    _, again = alone.gradients("both", latent=2 * latent, real=real)
    _, within = both.gradients("both", latent=latent, real=real)
    np.testing.assert_array_equal(again["discriminator"].vector, without["discriminator"].vector.copy())
    assert np.abs(within["discriminator"].vector - without["discriminator"].vector).max() > 1e-3


def test_k_goes_on_from_a_checkpoint():
    gan, other = (build(CPU, start=0.3, gain=0.01) for _ in range(2))
    for _ in range(3):
        gan.step()
    other.load_state(host(gan.state()))
    for made in (gan, other):
        made.step()
    assert 0 < float(gan.memory["k"]) != 0.3
    np.testing.assert_equal(host(other.state()), host(gan.state()))


def test_float32_stays_float32():
    gan = small(Config(), players_of(discriminator=(2, 8, 2)), CPU, dtype="float32")
    gan.step()
    losses = gan.step()
    assert {value.dtype.name for value in (*losses.values(), gan.memory["k"])} == {"float32"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"diversity": 0.0}, r"diversity: expected a number in \(0, 1\], got 0.0"),
        ({"gain": -1.0}, "gain: expected a number that is not negative, got -1.0"),
        ({"start": 1.5}, r"start: expected a number in \[0, 1\], got 1.5"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_players_fit_their_roles_on_square_images_alone():
    roles = Config().roles(5, (16, 16, 3))
    generator = players.GeneratorConfig(latent=5, width=2, optimizer=CONSTANT)
    discriminator = players.DiscriminatorConfig(width=2, code=3, optimizer=CONSTANT)
    for name, player in {"generator": generator, "discriminator": discriminator}.items():
        player.checked_network(roles[name])
    with pytest.raises(ValueError, match="kind: its network gives"):
        discriminator.checked_network(Role((16, 16, 3), (1,)))
    with pytest.raises(ValueError, match="kind: its network is for square images"):
        generator.checked_network(Role((5,), (2,)))
    with pytest.raises(ValueError, match="code: expected at least 1, got 0"):
        players.DiscriminatorConfig(code=0, optimizer=CONSTANT)
    with pytest.raises(ValueError, match="width: expected at least 1, got 0"):
        players.GeneratorConfig(latent=5, width=0, optimizer=CONSTANT)
