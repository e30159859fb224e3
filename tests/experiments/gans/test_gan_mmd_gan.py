"""MMD-GAN: its losses against the program's formulas, whose turn it is, and the clipped encoder."""

from __future__ import annotations

import numpy as np
import pytest
from gan_support import CPU, forward, host, players_of, small

from coulombfield.arrays import to_numpy
from experiments.gans.mmd_gan import Config
from experiments.players import mmd_gan as players
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from nets.losses import gaussian_mmd

CODE = 4
CONSTANT = OptimizerConfig(ScheduleConfig(start=1e-2, kind="constant"))


def build(device, **setting):
    networks = players_of(encoder=(2, 8, CODE), decoder=(CODE, 8, 2))
    return small(Config(**{"code": CODE, "clip": 0.5, **setting}), networks, device)


def draw(gan):
    return {"latent": gan.draw_latent().copy(), "real": gan.draw_real().copy()}


def expected_losses(gan, latent, real):
    """Of critic and generator, by passes of their own."""
    config, generated = gan.config, forward(gan, "generator", latent)
    of_generated, of_real = (forward(gan, "encoder", samples) for samples in (generated, real))
    discrepancy = float(gaussian_mmd(of_generated, of_real, config.widths)[0])
    hinge = np.maximum(to_numpy(of_generated).mean(axis=0) - to_numpy(of_real).mean(axis=0), 0).mean()
    errors = [
        float(((forward(gan, "decoder", code) - samples) ** 2).mean())
        for code, samples in ((of_generated, generated), (of_real, real))
    ]
    generator = discrepancy - config.feasible * hinge
    return config.reconstruction * sum(errors) - generator, generator


def test_losses_are_those_of_the_program(device):
    gan = build(device)
    draws = draw(gan)
    critic, generator = expected_losses(gan, **draws)
    losses, gradients = gan.gradients("critic", **draws)
    assert float(losses["encoder"]) == pytest.approx(critic, rel=1e-12)
    assert float(losses["decoder"]) == float(losses["encoder"])
    assert gradients.keys() == {"encoder", "decoder"}
    losses, gradients = gan.gradients("generator", **draws)
    assert float(losses["generator"]) == pytest.approx(generator, rel=1e-12)
    assert gradients.keys() == {"generator"}


def test_without_weights_the_players_have_opposite_losses():
    gan = build(CPU, reconstruction=0.0, feasible=0.0)
    draws = draw(gan)
    of_critic, gradients = gan.gradients("critic", **draws)
    assert not gradients["decoder"].vector.any()
    of_generator, _ = gan.gradients("generator", **draws)
    assert float(of_critic["encoder"]) == -float(of_generator["generator"])


def test_the_critic_moves_as_often_as_the_program_lets_it():
    gan = build(CPU)
    often, seldom = ("critic",) * 100 + ("generator",), ("critic",) * 5 + ("generator",)
    turns = {0: often, 24: often, 25: seldom, 499: seldom, 500: often, 501: seldom, 1000: often}
    for updates, moves in turns.items():
        gan.updates = updates
        assert gan.moves() == moves
    never = build(CPU, burst_steps=0, critic_steps=2)
    for never.updates in (0, 500):
        assert never.moves() == ("critic", "critic", "generator")


def test_the_encoder_alone_stays_within_its_bound(device):
    gan = build(device, clip=0.05, burst_steps=0)

    def largest(player):
        return float(abs(gan.players[player].params.vector).max())

    assert largest("encoder") <= 0.05
    for _ in range(3):
        gan.step()
        assert largest("encoder") <= 0.05
    assert min(largest("decoder"), largest("generator")) > 0.5


def test_the_encoder_is_clipped_after_each_move_of_the_critic():
    gan = build(CPU, clip=0.05)
    encoder = gan.players["encoder"].params.vector
    encoder[...] = 1
    gan.after("generator", {})
    assert (encoder == 1).all()
    gan.after("critic", {})
    assert (encoder == 0.05).all()


def test_a_state_goes_on_bit_for_bit():
    gan, other = (build(CPU, burst_first=1, burst_steps=7) for _ in range(2))
    gan.step()
    other.load_state(host(gan.state()))
    for made in (gan, other):
        made.step()
    np.testing.assert_equal(host(other.state()), host(gan.state()))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"widths": ()}, r"widths: expected one or more positive numbers, got \(\)"),
        ({"widths": (1.0, -1.0)}, "widths: expected one or more positive numbers"),
        ({"clip": 0.0}, "clip: expected a positive number, got 0.0"),
        ({"code": 0}, "code: expected at least 1, got 0"),
        ({"critic_steps": 0}, "critic_steps: expected at least 1, got 0"),
        ({"burst_every": 0}, "burst_every: expected at least 1, got 0"),
        ({"feasible": -1.0}, "feasible: expected a number that is not negative, got -1.0"),
        ({"burst_first": -1}, "burst_first: expected a number that is not negative, got -1"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**{"code": 2, **setting})


def test_players_fit_their_roles_on_square_images_alone():
    roles = Config(code=7).roles(5, (16, 16, 3))
    made = {
        "generator": players.GeneratorConfig(latent=5, base=2, optimizer=CONSTANT),
        "encoder": players.EncoderConfig(base=2, optimizer=CONSTANT),
        "decoder": players.DecoderConfig(base=2, optimizer=CONSTANT),
    }
    for name, player in made.items():
        player.checked_network(roles[name])
        with pytest.raises(ValueError, match="kind: its network is for square images"):
            player.checked_network(Config(code=7).roles(5, (2,))[name])
    for kind in (players.EncoderConfig, players.DecoderConfig):
        with pytest.raises(ValueError, match="base: expected at least 1, got 0"):
            kind(base=0, optimizer=CONSTANT)
