"""Convolutional players as the Coulomb GAN's authors ran them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nets.architectures import coulomb_discriminator, coulomb_generator
from nets.network import Network

from .player import LatentConfig, PlayerConfig, Role, image_shape


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to images.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    width : int
        Channels of its first, smallest image; each deconvolution halves them.
    output : {"scaled_tanh", "tanh"}
        Of the last layer: 1.7159 tanh(2 u / 3), which reaches beyond the images' range, or tanh(u).
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 1024
    output: Literal["scaled_tanh", "tanh"] = "scaled_tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError(f"width: expected at least 1, got {self.width}")

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.output)
        scaled = self.output == "scaled_tanh"
        return coulomb_generator(size, self.latent, channels, width=self.width, scaled_tanh=scaled)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(PlayerConfig):
    """The discriminator: images to the potential there.

    Parameters
    ----------
    base : int
        Channels of the first layer; each further layer has twice as many.
    optimizer : OptimizerConfig
        How it learns.
    """

    base: int = 128

    def __post_init__(self) -> None:
        if self.base < 1:
            raise ValueError(f"base: expected at least 1, got {self.base}")

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.input)
        return coulomb_discriminator(size, channels, base=self.base)
