"""Numbers at whose zeros the losses of some GANs have kinks: where they are, differences say nothing."""

from __future__ import annotations

from collections.abc import Mapping

from coulombfield.arrays import Array
from experiments.gans.gan import GAN


def errors(gan: GAN, draws: Mapping[str, Array]) -> Array:
    """What an autoencoder makes wrong in generated and real samples, whose magnitudes a BEGAN sums up."""
    both = _both(gan, draws)
    return _output(gan, "discriminator", both) - both


def violations(gan: GAN, draws: Mapping[str, Array]) -> Array:
    """What a geometric GAN's hyperplane leaves of its margins: 1 + D(x) and, where they are drawn, 1 - D(y)."""
    if "real" not in draws:
        return 1 + _output(gan, "discriminator", _output(gan, "generator", draws["latent"]))
    values = _output(gan, "discriminator", _both(gan, draws))
    return gan.device.xp.concatenate([1 + values[: gan.batch], 1 - values[gan.batch :]])


def below_margin(gan: GAN, draws: Mapping[str, Array]) -> Array:
    """What an EBGAN's generated samples lack to its margin: the hinge of each."""
    generated = _output(gan, "generator", draws["latent"])
    error = _output(gan, "decoder", _output(gan, "encoder", generated)) - generated
    squared = (error * error).reshape(len(error), -1)
    energy = squared.mean(axis=1) if gan.config.energy == "mean_square" else squared.sum(axis=1) ** 0.5
    return gan.config.margin - energy


def outside_feasible(gan: GAN, draws: Mapping[str, Array]) -> Array:
    """By how much the mean codes of an MMD-GAN's generated samples exceed those of real ones."""
    codes = _output(gan, "encoder", _both(gan, draws))
    return codes[: gan.batch].mean(axis=0) - codes[gan.batch :].mean(axis=0)


def _both(gan: GAN, draws: Mapping[str, Array]) -> Array:
    return gan.together(_output(gan, "generator", draws["latent"]), draws["real"]).copy()


def _output(gan: GAN, player: str, x: Array) -> Array:
    return gan.players[player].network.forward(gan.players[player].params, x)[0]
