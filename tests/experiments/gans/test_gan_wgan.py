"""Wasserstein GAN: its losses, the critic's bound, and how often it moves."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import CPU, forward, players_of, small

from coulombfield.arrays import to_numpy
from experiments import config
from experiments.gans.wgan import Config
from nets.layers.linear import Linear
from nets.network import Network


def build(device, **settings):
    return small(Config(**{"burst_steps": 0, **settings}), players_of(discriminator=(2, 8, 1)), device)


def test_losses_are_differences_of_means(device):
    gan = build(device)
    latent, real = gan.draw_latent(), gan.draw_real()
    generated = forward(gan, "generator", latent)
    at_x, at_y = (float(forward(gan, "discriminator", samples).mean()) for samples in (generated, real))
    losses, gradients = gan.gradients("discriminator", latent=latent, real=real)
    assert losses.keys() == gradients.keys() == {"discriminator"}
    assert float(losses["discriminator"]) == pytest.approx(at_x - at_y, rel=1e-11)
    losses, gradients = gan.gradients("generator", latent=latent)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(-at_x, rel=1e-12)


def test_the_generator_moves_its_samples_up_the_critics_slope(device):
    """That of a linear critic is its weights, the gradient by the generator's last bias minus these."""
    gan = small(Config(), {**players_of(), "discriminator": Network(Linear(2, 1))}, device)
    _, gradients = gan.gradients("generator", latent=gan.draw_latent())
    last = [name for name in gradients["generator"] if name.endswith("bias")][-1]
    slope = to_numpy(gan.players["discriminator"].params["weight"])[:, 0]
    np.testing.assert_allclose(to_numpy(gradients["generator"][last]), -slope, rtol=1e-12)


def test_a_generator_that_gives_the_real_samples_leaves_the_critic_where_it_is(device):
    gan = build(device)
    latent = gan.draw_latent()
    real = forward(gan, "generator", latent)
    losses, gradients = gan.gradients("discriminator", latent=latent, real=real)
    assert float(losses["discriminator"]) == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(to_numpy(gradients["discriminator"].vector), 0, atol=1e-14)


def test_only_the_critic_is_clipped_and_all_of_it(device):
    gan = build(device, clip=0.125)
    before = {name: to_numpy(player.params.vector).copy() for name, player in gan.players.items()}
    for move in ("generator", "discriminator"):
        gan.after(move, {})
        critic = to_numpy(gan.players["discriminator"].params.vector)
        bound = 0.125 if move == "discriminator" else np.inf
        np.testing.assert_array_equal(critic, before["discriminator"].clip(-bound, bound))
    np.testing.assert_array_equal(to_numpy(gan.players["generator"].params.vector), before["generator"])
    assert np.abs(before["discriminator"]).max() > 0.125


def test_an_update_ends_with_a_clipped_critic():
    gan = build(CPU)
    for _ in range(3):
        gan.step()
        assert np.abs(gan.players["discriminator"].params.vector).max() <= 0.01


def test_each_move_of_the_critic_has_samples_of_its_own():
    gan, seen = build(CPU, critic_steps=3), []
    gradients = gan.gradients

    def watching(move, **draws):
        seen.append((move, *(to_numpy(draw).copy() for draw in draws.values())))
        return gradients(move, **draws)

    gan.gradients = watching
    gan.step()
    assert [move for move, *_ in seen] == ["discriminator"] * 3 + ["generator"]
    for draws in zip(*(rest for _, *rest in seen[:3]), strict=True):
        assert not any(np.array_equal(draws[0], draw) for draw in draws[1:])


def test_the_critic_moves_more_often_at_first_and_now_and_then():
    """100 in the first 25 updates and in each 500th, as in the authors' program."""
    published = Config()
    bursts = [update for update in range(2_000) if published.steps(update) == 100]
    assert bursts == [*range(25), 500, 1_000, 1_500]
    assert {published.steps(update) for update in range(2_000)} == {5, 100}
    assert {Config(burst_steps=0).steps(update) for update in range(2_000)} == {5}
    gan = build(CPU, critic_steps=2, burst_steps=4, burst_first=1, burst_every=3)
    steps = []
    for _ in range(5):
        steps.append(len(gan.moves()) - 1)
        gan.step()
    assert steps == [4, 2, 2, 4, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": 0.0}, "clip: expected a positive number, got 0.0"),
        ({"critic_steps": 0}, "critic_steps: expected at least 1, got 0"),
        ({"burst_steps": -1}, "burst_steps: expected a number that is not negative, got -1"),
        ({"burst_first": -1}, "burst_first: expected a number that is not negative, got -1"),
        ({"burst_every": 0}, "burst_every: expected at least 1, got 0"),
    ],
)
def test_settings_say_what_is_wrong(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_the_preset_of_images_has_the_settings_of_the_authors_program():
    settings = config.resolve("wgan-images").config
    assert settings.gan == Config()
    for player in settings.players.values():
        assert (player.optimizer.kind, player.optimizer.rate.start) == ("rmsprop", 5e-5)
