"""Convolutional players of residual blocks, as Gulrajani et al. (2017) ran WGAN-GP on images of 64 x 64."""

from __future__ import annotations

from dataclasses import dataclass

from nets.architectures import wgan_gp_critic, wgan_gp_generator
from nets.network import Network

from .player import LatentConfig, PlayerConfig, Role, image_shape


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to images, by blocks with batch-norm that double the size.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    width : int
        Channels of the largest images; each smaller size has twice as many, up to 8 times these.
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self.width)

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.output)
        return wgan_gp_generator(size, self.latent, channels, width=self.width)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(PlayerConfig):
    """The critic: images to one number, by blocks with layer-norm that halve the size.

    Parameters
    ----------
    width : int
        Channels of the largest images; each smaller size has twice as many, up to 8 times these.
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 64

    def __post_init__(self) -> None:
        _check(self.width)

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.input)
        return wgan_gp_critic(size, channels, width=self.width)


def _check(width: int) -> None:
    if width < 1:
        raise ValueError(f"width: expected at least 1, got {width}")
