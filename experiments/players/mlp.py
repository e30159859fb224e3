"""Fully connected players: their settings, and how they are made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from coulombfield.arrays import Device
from nets.architectures import mlp
from nets.initializers import normal, uniform
from nets.layers.activations import ELU, LeakyReLU, ReLU
from nets.network import Network

from .player import OptimizerConfig, Player

ACTIVATIONS = {"elu": ELU, "relu": ReLU, "leaky_relu": LeakyReLU}


@dataclass(frozen=True)
class NetworkConfig:
    """A fully connected network.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    activation : {"elu", "relu", "leaky_relu"}
        Of the hidden layers.
    first_weight : float
        Standard deviation of the first layer's weights at the start.
    first_bias : float
        The first layer's biases start uniform on [-first_bias, first_bias].
    """

    hidden: tuple[int, ...]
    activation: Literal["elu", "relu", "leaky_relu"]
    first_weight: float
    first_bias: float

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden: expected one or more positive widths, got {self.hidden}")
        if not self.first_weight > 0:
            raise ValueError(f"first_weight: expected a positive number, got {self.first_weight}")
        if self.first_bias < 0:
            raise ValueError(f"first_bias: expected a number that is not negative, got {self.first_bias}")


@dataclass(frozen=True)
class GeneratorConfig:
    """The generator: latent vectors from N(0, I) to points.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    output_scale : float
        What the network's output is multiplied by [length].
    network : NetworkConfig
        Its layers.
    optimizer : OptimizerConfig
        How it learns.
    """

    latent: int
    output_scale: float
    network: NetworkConfig
    optimizer: OptimizerConfig

    def __post_init__(self) -> None:
        if self.latent < 1:
            raise ValueError(f"latent: expected at least 1, got {self.latent}")
        if not self.output_scale > 0:
            raise ValueError(f"output_scale: expected a positive number, got {self.output_scale}")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator: points to the potential there.

    Parameters
    ----------
    input_scale : float
        What the points are multiplied by first [length**-1].
    network : NetworkConfig
        Its layers.
    optimizer : OptimizerConfig
        How it learns.
    """

    input_scale: float
    network: NetworkConfig
    optimizer: OptimizerConfig

    def __post_init__(self) -> None:
        if not self.input_scale > 0:
            raise ValueError(f"input_scale: expected a positive number, got {self.input_scale}")


def mlp_generator(
    config: GeneratorConfig, m: int, updates: int, rng: np.random.Generator, dtype: str, device: Device
) -> Player:
    """Generator of points in m dimensions, at its start; ``updates`` is the length of its schedules."""
    network = _network((config.latent, *config.network.hidden, m), config.network, output_scale=config.output_scale)
    return Player(network, network.initialize(rng, dtype, device.xp), config.optimizer, updates)


def mlp_discriminator(
    config: DiscriminatorConfig, m: int, updates: int, rng: np.random.Generator, dtype: str, device: Device
) -> Player:
    """Discriminator of points in m dimensions, at its start; ``updates`` is the length of its schedules."""
    network = _network((m, *config.network.hidden, 1), config.network, input_scale=config.input_scale)
    return Player(network, network.initialize(rng, dtype, device.xp), config.optimizer, updates)


def _network(widths: tuple[int, ...], config: NetworkConfig, **scales: float) -> Network:
    return mlp(
        widths,
        ACTIVATIONS[config.activation],
        first_weight=normal(config.first_weight),
        first_bias=uniform(config.first_bias),
        **scales,
    )
