"""Players of lines of text: residual blocks of one-dimensional convolutions (section 3.2; Gulrajani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nets.architectures import language_discriminator, language_generator
from nets.initializers import Initializer, glorot_uniform, he_uniform
from nets.network import Network

from .player import LatentConfig, PlayerConfig, Role, Shape

STARTS: dict[str, Initializer] = {"glorot": glorot_uniform, "he": he_uniform}


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to a distribution over the vocabulary at each place of a line.

    Parameters
    ----------
    latent : int
        Width of the latent vectors: 128 in WGAN-GP.
    width : int
        Channels of the blocks.
    blocks : int
        How many residual blocks.
    batch_norm : {"channels", "places", "none"}
        What batch-norm in the blocks normalises by itself: each channel; each place of a line, as the Coulomb GAN's
        authors have it, since their arrays have channels before places; or nothing, as in WGAN-GP.
    start : {"glorot", "he"}
        Variance with which weights of convolutions start: Glorot's, or WGAN-GP's, which is twice that.
    optimizer : OptimizerConfig
        How it learns.
    """

    latent: int = 128
    width: int = 512
    blocks: int = 5
    batch_norm: Literal["channels", "places", "none"] = "channels"
    start: Literal["glorot", "he"] = "glorot"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
        if self.batch_norm not in ("channels", "places", "none"):
            raise ValueError(f"batch_norm: expected channels, places or none, got {self.batch_norm!r}")

    def network(self, role: Role) -> Network:
        """The network for lines."""
        length, vocabulary = _line_shape(role.output)
        return language_generator(
            length,
            vocabulary,
            self.latent,
            width=self.width,
            blocks=self.blocks,
            batch_norm=None if self.batch_norm == "none" else self.batch_norm,
            weight=STARTS[self.start],
        )


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(PlayerConfig):
    """The discriminator or critic: lines to one number, without batch-norm.

    Parameters
    ----------
    width : int
        Channels of the blocks.
    blocks : int
        How many residual blocks.
    start : {"glorot", "he"}
        Variance with which weights of convolutions start: Glorot's, or WGAN-GP's, which is twice that.
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 512
    blocks: int = 5
    start: Literal["glorot", "he"] = "glorot"

    def __post_init__(self) -> None:
        _check(self)

    def network(self, role: Role) -> Network:
        """The network for lines."""
        length, vocabulary = _line_shape(role.input)
        return language_discriminator(
            length, vocabulary, width=self.width, blocks=self.blocks, weight=STARTS[self.start]
        )


def _line_shape(shape: Shape) -> tuple[int, int]:
    """Places and characters of lines (L, V)."""
    if len(shape) != 2:
        raise ValueError(f"kind: its network is for lines of shape (places, characters), not for samples of {shape}")
    return shape[0], shape[1]


def _check(config: GeneratorConfig | DiscriminatorConfig) -> None:
    if config.width < 1:
        raise ValueError(f"width: expected at least 1, got {config.width}")
    if config.blocks < 0:
        raise ValueError(f"blocks: expected at least 0, got {config.blocks}")
    if config.start not in STARTS:
        raise ValueError(f"start: expected one of {', '.join(STARTS)}, got {config.start!r}")
