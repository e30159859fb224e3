"""Convolutional players of an MMD-GAN (Li et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from nets.architectures import mmd_gan_decoder, mmd_gan_encoder, mmd_gan_generator
from nets.network import Network

from .player import LatentConfig, PlayerConfig, Role, image_shape


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to images.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    base : int
        Channels of its last hidden images; each smaller size has twice as many.
    optimizer : OptimizerConfig
        How it learns.
    """

    base: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.output)
        return mmd_gan_generator(size, self.latent, channels, base=self.base)


@dataclass(frozen=True, kw_only=True)
class _HalfConfig(PlayerConfig):
    """One half of the critic.

    Parameters
    ----------
    base : int
        Channels of its largest hidden images; each smaller size has twice as many.
    optimizer : OptimizerConfig
        How it learns.
    """

    base: int = 64

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(_HalfConfig):
    """The encoder: images to the code that the kernel is applied to."""

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.input)
        return mmd_gan_encoder(size, role.output[0], channels, base=self.base)


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(_HalfConfig):
    """The decoder: codes to images."""

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.output)
        return mmd_gan_decoder(size, role.input[0], channels, base=self.base)


def _check(config: GeneratorConfig | _HalfConfig) -> None:
    if config.base < 1:
        raise ValueError(f"base: expected at least 1, got {config.base}")
