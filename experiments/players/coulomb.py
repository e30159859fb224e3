"""Convolutional players as the authors ran them: their settings, and how they are made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from coulombfield.arrays import Device
from nets.architectures import coulomb_discriminator, coulomb_generator

from .player import OptimizerConfig, Player

GROUPS = 2  # of the discriminator's batch-norm: the generated samples and the real ones, as CoulombGAN puts them


@dataclass(frozen=True)
class GeneratorConfig:
    """The generator: latent vectors from N(0, I) to images.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    optimizer : OptimizerConfig
        How it learns.
    width : int
        Channels of its first, smallest image; each deconvolution halves them.
    output : {"scaled_tanh", "tanh"}
        Of the last layer: 1.7159 tanh(2 u / 3), which reaches beyond the images' range, or tanh(u).
    """

    latent: int
    optimizer: OptimizerConfig
    width: int = 1024
    output: Literal["scaled_tanh", "tanh"] = "scaled_tanh"

    def __post_init__(self) -> None:
        for name in ("latent", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator: images to the potential there.

    Parameters
    ----------
    optimizer : OptimizerConfig
        How it learns.
    base : int
        Channels of the first layer; each further layer has twice as many.
    """

    optimizer: OptimizerConfig
    base: int = 128

    def __post_init__(self) -> None:
        if self.base < 1:
            raise ValueError(f"base: expected at least 1, got {self.base}")


def convolutional_generator(
    config: GeneratorConfig,
    shape: tuple[int, int, int],
    updates: int,
    rng: np.random.Generator,
    dtype: str,
    device: Device,
) -> Player:
    """Generator of square images (H, W, C), at its start; ``updates`` is the length of its schedules."""
    size, _, channels = shape
    scaled = config.output == "scaled_tanh"
    network = coulomb_generator(size, config.latent, channels, width=config.width, scaled_tanh=scaled)
    return Player(network, network.initialize(rng, dtype, device.xp), config.optimizer, updates)


def convolutional_discriminator(
    config: DiscriminatorConfig,
    shape: tuple[int, int, int],
    updates: int,
    rng: np.random.Generator,
    dtype: str,
    device: Device,
) -> Player:
    """Discriminator of square images (H, W, C), at its start; ``updates`` is the length of its schedules."""
    size, _, channels = shape
    network = coulomb_discriminator(size, channels, base=config.base, groups=GROUPS)
    return Player(network, network.initialize(rng, dtype, device.xp), config.optimizer, updates)
