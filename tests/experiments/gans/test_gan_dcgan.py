"""The non-saturating GAN: its losses against cross entropy, sure discriminators, turns, and its players and presets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gan_support import CPU, LATENT, forward, host, players_of, small

from coulombfield.arrays import to_numpy
from experiments import config
from experiments.gans.dcgan import Config
from experiments.players import dcgan as players
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Role
from nets.layers.linear import Linear
from nets.network import Network

CONSTANT = OptimizerConfig(ScheduleConfig(start=1e-2, kind="constant"))


def build(device, dtype="float64", **settings):
    return small(Config(**settings), players_of(discriminator=(2, 8, 1)), device, dtype=dtype)


def watched(gan):
    """Latent vectors of each move of an update, as it goes."""
    seen, gradients = [], gan.gradients

    def watching(move, **draws):
        seen.append((move, to_numpy(draws["latent"]).copy()))
        return gradients(move, **draws)

    gan.gradients = watching
    return seen


def test_losses_are_cross_entropies_of_the_probability_to_be_real(device):
    gan = build(device)
    latent, real = gan.draw_latent(), gan.draw_real()
    generated = forward(gan, "generator", latent)
    at_x, at_y = (1 / (1 + np.exp(-to_numpy(forward(gan, "discriminator", samples)))) for samples in (generated, real))
    losses, gradients = gan.gradients("discriminator", latent=latent, real=real)
    assert losses.keys() == gradients.keys() == {"discriminator"}
    assert float(losses["discriminator"]) == pytest.approx(-np.log(at_y).mean() - np.log(1 - at_x).mean(), rel=1e-12)
    losses, gradients = gan.gradients("generator", latent=latent)
    assert losses.keys() == gradients.keys() == {"generator"}
    assert float(losses["generator"]) == pytest.approx(-np.log(at_x).mean(), rel=1e-12)


def constant(device, logit, dtype):
    """A GAN whose discriminator gives every sample the same logit, and passes its slopes on to the first coordinate."""
    networks = {**players_of(), "discriminator": Network(Linear(2, 1))}
    gan = small(Config(), networks, device, dtype=dtype)
    params = gan.players["discriminator"].params
    params["weight"][...] = 0
    params["bias"][...] = logit
    return gan


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("logit", [-1e4, -700.0, -1.0, 0.0, 1.0, 700.0, 1e4])
def test_a_sure_discriminator_overflows_nothing(device, dtype, logit):
    gan = constant(device, logit, dtype)
    latent, real = gan.draw_latent(), gan.draw_real()
    softplus = max(logit, 0) + math.log1p(math.exp(-abs(logit)))
    losses, gradients = gan.gradients("discriminator", latent=latent, real=real)
    slope = float(gradients["discriminator"]["bias"][0])
    assert float(losses["discriminator"]) == pytest.approx(2 * softplus - logit, rel=1e-5)
    assert slope == pytest.approx(math.tanh(logit / 2), abs=1e-6)  # both halves: sigma(v) - sigma(-v)
    losses, _ = gan.gradients("generator", latent=latent)
    assert float(losses["generator"]) == pytest.approx(softplus - logit, rel=1e-5, abs=1e-6)
    assert losses["generator"].dtype == np.dtype(dtype)


def test_the_slope_at_a_sure_logit_keeps_its_relative_precision_in_float32(device):
    """At v = 30 the generator's slope is 1e-13, which 1 - sigma(v) would lose."""
    gan = constant(device, 30.0, "float32")
    gan.players["discriminator"].params["weight"][...] = 1e-6
    _, gradients = gan.gradients("generator", latent=gan.draw_latent())
    last = [name for name in gradients["generator"] if name.endswith("bias")][-1]
    assert to_numpy(gradients["generator"][last]) == pytest.approx(-1e-6 * math.exp(-30), rel=1e-4, abs=0)


@pytest.mark.parametrize(("steps", "reuse"), [(1, False), (1, True), (2, False), (3, True)])
def test_the_generator_takes_new_latent_vectors_or_those_of_the_discriminator(steps, reuse):
    gan = build(CPU, generator_steps=steps, reuse_latent=reuse)
    seen = watched(gan)
    for _ in range(2):
        gan.step()
    assert [move for move, _ in seen] == 2 * ["discriminator", *["generator"] * steps]
    for update in (seen[: steps + 1], seen[steps + 1 :]):
        assert all(np.array_equal(latent, update[0][1]) == reuse for _, latent in update[1:])
    assert not np.array_equal(seen[0][1], seen[steps + 1][1])


def test_the_generator_moves_against_the_discriminator_that_has_moved():
    gan, twin = build(CPU, reuse_latent=True), build(CPU)
    gan.step()
    latent, real = twin.draw_latent(), twin.draw_real()
    for move in ("discriminator", "generator"):
        draws = {"latent": latent} | ({"real": real} if move == "discriminator" else {})
        _, gradients = twin.gradients(move, **draws)
        twin.players[move].update(gradients[move])
        np.testing.assert_array_equal(gan.players[move].params.vector, twin.players[move].params.vector)


def test_state_continues_bit_for_bit_with_latent_vectors_used_again():
    gan, other = (build(CPU, "float32", reuse_latent=True, generator_steps=2) for _ in range(2))
    gan.step()
    other.step(), other.step()
    other.load_state(host(gan.state()))
    gan.step(), other.step()
    np.testing.assert_equal(host(other.state()), host(gan.state()))


def test_settings_say_what_is_wrong():
    with pytest.raises(ValueError, match="generator_steps: expected at least 1, got 0"):
        Config(generator_steps=0)
    with pytest.raises(ValueError, match="width: expected at least 1, got 0"):
        players.GeneratorConfig(latent=LATENT, width=0, optimizer=CONSTANT)
    with pytest.raises(ValueError, match="base: expected at least 1, got 0"):
        players.DiscriminatorConfig(base=0, optimizer=CONSTANT)
    generator = players.GeneratorConfig(latent=LATENT, width=12, variant="pytorch", optimizer=CONSTANT)
    with pytest.raises(ValueError, match="width: expected a multiple of 8 for images of size 64, got 12"):
        generator.network(Role((LATENT,), (64, 64, 3)))
    with pytest.raises(ValueError, match="kind: its network is for square images"):
        generator.network(Role((LATENT,), (2,)))


@pytest.mark.parametrize("variant", ["code", "pytorch", "coulomb"])
def test_players_of_each_variant_fit_images(variant):
    generator = players.GeneratorConfig(latent=LATENT, width=16, variant=variant, optimizer=CONSTANT)
    discriminator = players.DiscriminatorConfig(base=2, variant=variant, optimizer=CONSTANT)
    image = (32, 32, 3)
    assert generator.checked_network(Role((LATENT,), image)).layout.size > 0
    assert discriminator.checked_network(Role(image, (1,))).layout.size > 0


@pytest.mark.parametrize(
    ("preset", "generator", "discriminator"),
    [
        ("dcgan-images", 18_871_427, 17_232_897),
        ("dcgan-ttur-images", 5_134_915, 4_315_649),
        ("wgan-images", 3_576_704, 2_765_568),
    ],
)
def test_presets_have_networks_of_the_published_size(preset, generator, discriminator):
    """Those of ``wgan-images`` are the counts of the authors' program in PyTorch."""
    settings = config.resolve(preset).config
    roles = settings.gan.roles(settings.players["generator"].latent, (64, 64, 3))
    sizes = {name: player.checked_network(roles[name]).layout.size for name, player in settings.players.items()}
    assert sizes == {"generator": generator, "discriminator": discriminator}


def test_the_two_time_scales_of_a_preset():
    players = config.resolve("dcgan-ttur-images").config.players
    assert players["discriminator"].optimizer.rate.start < players["generator"].optimizer.rate.start
    assert players["generator"].prior == "uniform"
