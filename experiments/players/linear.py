"""A player that is one linear map."""

from __future__ import annotations

from dataclasses import dataclass

from nets.initializers import normal
from nets.layers.linear import Linear
from nets.network import Network

from .player import PlayerConfig, Role


@dataclass(frozen=True, kw_only=True)
class ProjectionConfig(PlayerConfig):
    """A linear map of features, without bias.

    Parameters
    ----------
    deviation : float
        Standard deviation of the weights at the start.
    optimizer : OptimizerConfig
        How it learns.
    """

    deviation: float = 0.01

    def __post_init__(self) -> None:
        if not self.deviation > 0:
            raise ValueError(f"deviation: expected a positive number, got {self.deviation}")

    def network(self, role: Role) -> Network:
        """The network for features, samples of one axis."""
        if len(role.input) != 1 or len(role.output) != 1:
            raise ValueError(f"kind: linear maps numbers to numbers, not {role.input} to {role.output}")
        return Network(Linear(*role.input, *role.output, weight=normal(self.deviation), bias=None))
