"""Fully connected players: of points, or of images as rows of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nets.architectures import mlp
from nets.initializers import normal, uniform
from nets.layers.activations import ELU, LeakyReLU, ReLU, Tanh
from nets.layers.base import Layer
from nets.layers.reshape import Flatten, Reshape
from nets.network import Network, Sequential

from .player import LatentConfig, PlayerConfig, Role

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


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to samples.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    output_scale : float
        What the last layer's output is multiplied by [length].
    output : {"linear", "tanh"}
        What follows: nothing, or tanh for samples between -1 and 1.
    layers : NetworkConfig
        Its layers.
    optimizer : OptimizerConfig
        How it learns.
    """

    output_scale: float
    layers: NetworkConfig
    output: Literal["linear", "tanh"] = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.output_scale > 0:
            raise ValueError(f"output_scale: expected a positive number, got {self.output_scale}")

    def network(self, role: Role) -> Network:
        """The network for samples of any shape, whose numbers are its outputs."""
        network = _network(role, self.layers, output_scale=self.output_scale)
        after: list[Layer] = [Tanh()] if self.output == "tanh" else []
        if len(role.output) > 1:
            after.append(Reshape(role.output))
        return Network(Sequential([network.body, *after])) if after else network


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(PlayerConfig):
    """The discriminator: samples to the potential there, or to as many numbers as the GAN asks for.

    Parameters
    ----------
    input_scale : float
        What the samples are multiplied by first [length**-1].
    layers : NetworkConfig
        Its layers.
    optimizer : OptimizerConfig
        How it learns.
    """

    input_scale: float
    layers: NetworkConfig

    def __post_init__(self) -> None:
        if not self.input_scale > 0:
            raise ValueError(f"input_scale: expected a positive number, got {self.input_scale}")

    def network(self, role: Role) -> Network:
        """The network for samples of any shape, whose numbers are its inputs."""
        network = _network(role, self.layers, input_scale=self.input_scale)
        return network if len(role.input) == 1 else Network(Sequential([Flatten(), network.body]))


def _network(role: Role, config: NetworkConfig, **scales: float) -> Network:
    return mlp(
        (math.prod(role.input), *config.hidden, math.prod(role.output)),
        ACTIVATIONS[config.activation],
        first_weight=normal(config.first_weight),
        first_bias=uniform(config.first_bias),
        **scales,
    )
