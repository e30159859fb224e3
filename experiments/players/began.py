"""Convolutional players of a BEGAN (Berthelot et al. 2017), as Heusel et al. (2017) ran them."""

from __future__ import annotations

from dataclasses import dataclass

from nets.architectures import began_discriminator, began_generator
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
        Channels of all hidden images.
    start : int
        Height and width of the smallest images [pixels].
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 128
    start: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self, ("width", "start"))

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.output)
        return began_generator(size, self.latent, channels, width=self.width, start=self.start)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(PlayerConfig):
    """The discriminator: an autoencoder of images.

    Parameters
    ----------
    code : int
        Numbers in the code.
    width : int
        Channels of the first images of the encoder and of all of the decoder.
    start : int
        Height and width of the smallest images [pixels].
    optimizer : OptimizerConfig
        How it learns.
    """

    code: int = 64
    width: int = 128
    start: int = 8

    def __post_init__(self) -> None:
        _check(self, ("code", "width", "start"))

    def network(self, role: Role) -> Network:
        """The network for square images."""
        size, channels = image_shape(role.input)
        return began_discriminator(size, self.code, channels, width=self.width, start=self.start)


def _check(config: GeneratorConfig | DiscriminatorConfig, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name}: expected at least 1, got {getattr(config, name)}")
