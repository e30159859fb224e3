"""Fully connected players as Lim & Ye (2017) ran them on the 25 Gaussians."""

from __future__ import annotations

from dataclasses import dataclass

from nets.architectures import lim_ye_autoencoder, lim_ye_discriminator, lim_ye_generator
from nets.network import Network

from .player import LatentConfig, PlayerConfig, Role


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(LatentConfig):
    """The generator: latent vectors to points, by hidden layers with batch-norm.

    Parameters
    ----------
    latent : int
        Width of the latent vectors; theirs is 4.
    width, hidden : int
        Units of a hidden layer, and how many there are.
    deviation : float
        Standard deviation of the weights at the start.
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 128
    hidden: int = 3
    deviation: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    def network(self, role: Role) -> Network:
        """The network for points, samples of one axis."""
        inputs, outputs = _points(role)
        return lim_ye_generator(inputs, outputs, width=self.width, hidden=self.hidden, deviation=self.deviation)


@dataclass(frozen=True, kw_only=True)
class DenseConfig(PlayerConfig):
    """A player of hidden layers without batch-norm: points to as many numbers as the GAN asks for.

    Parameters
    ----------
    width, hidden : int
        Units of a hidden layer, and how many there are.
    deviation : float
        Standard deviation of the weights at the start.
    optimizer : OptimizerConfig
        How it learns.
    """

    width: int = 128
    hidden: int = 3
    deviation: float = 0.01

    def __post_init__(self) -> None:
        _check(self)

    def network(self, role: Role) -> Network:
        """The network for points, samples of one axis."""
        inputs, outputs = _points(role)
        return lim_ye_discriminator(inputs, outputs, width=self.width, hidden=self.hidden, deviation=self.deviation)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(DenseConfig):
    """The discriminator: points to as many numbers as the GAN asks for, or an autoencoder of points.

    Parameters
    ----------
    width, hidden : int
        Units of a hidden layer, and how many there are; an autoencoder has as many on either side of its code.
    deviation : float
        Standard deviation of the weights at the start.
    code : int
        Where the GAN wants points from points, an autoencoder with a code of so many numbers; 0 for no code.
    optimizer : OptimizerConfig
        How it learns.
    """

    code: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.code < 0:
            raise ValueError(f"code: expected a number that is not negative, got {self.code}")

    def network(self, role: Role) -> Network:
        """The network for points, samples of one axis."""
        if not self.code:
            return super().network(role)
        inputs, outputs = _points(role)
        if inputs != outputs:
            raise ValueError(f"code: expected 0 where {outputs} numbers are asked for from {inputs}, got {self.code}")
        return lim_ye_autoencoder(inputs, self.code, width=self.width, hidden=self.hidden, deviation=self.deviation)


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(DenseConfig):
    """Points to their code."""


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(DenseConfig):
    """Codes to points."""


def _check(config: GeneratorConfig | DenseConfig) -> None:
    for name in ("width", "hidden", "deviation"):
        if not getattr(config, name) > 0:
            raise ValueError(f"{name}: expected a positive number, got {getattr(config, name)}")


def _points(role: Role) -> tuple[int, int]:
    if len(role.input) != 1 or len(role.output) != 1:
        raise ValueError(f"kind: lim_ye maps points to points, not {role.input} to {role.output}")
    return role.input[0], role.output[0]
