"""Convolutional players of a DCGAN (Radford et al. 2016), in the forms that the published programs give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nets.architectures import dcgan_discriminator, dcgan_generator, mmd_gan_encoder, mmd_gan_generator
from nets.halvings import halvings
from nets.network import Network

from .player import LatentConfig, PlayerConfig, Role, image_shape

Variant = Literal["code", "pytorch", "coulomb"]

START = 4
"""Height and width of the smallest images of the variant ``pytorch`` [pixels]."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to images.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    width : int
        Channels of its first, smallest image; each deconvolution halves them. 1024 in the paper's figure, 512 in most
        programs.
    variant : {"code", "pytorch", "coulomb"}
        Kernels 5 x 5, as Radford et al. and Heusel et al. ran it; 4 x 4 and no biases, as PyTorch's example, WGAN's and
        MMD-GAN's programs have it; or as the Coulomb GAN's authors write it, see
        :func:`nets.architectures.dcgan_generator`.
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 512
    variant: Variant = "code"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError(f"width: expected at least 1, got {self.width}")

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.output)
        if self.variant != "pytorch":
            return dcgan_generator(size, self.latent, channels, width=self.width, variant=self.variant)
        hidden = halvings(size, START) - 1
        if self.width % 2**hidden:
            raise ValueError(f"width: expected a multiple of {2**hidden} for images of size {size}, got {self.width}")
        return mmd_gan_generator(size, self.latent, channels, base=self.width >> hidden)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(PlayerConfig):
    """The discriminator: images to one number, or with the variant ``pytorch`` to as many as the GAN asks for.

    Parameters
    ----------
    base : int
        Channels of the first layer; each further layer has twice as many.
    variant : {"code", "pytorch", "coulomb"}
        As the generator's.
    optimizer : OptimizerConfig
        How it learns.
    """

    base: int = 64
    variant: Variant = "code"

    def __post_init__(self) -> None:
        if self.base < 1:
            raise ValueError(f"base: expected at least 1, got {self.base}")

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.input)
        if self.variant == "pytorch":
            return mmd_gan_encoder(size, role.output[0], channels, base=self.base)
        return dcgan_discriminator(size, channels, base=self.base, variant=self.variant)
