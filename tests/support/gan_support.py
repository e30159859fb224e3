"""What the tests of single GANs share: small smooth players, and passes of their own beside those of an update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nets_support import CPU, normal

from coulombfield.arrays import Array, Device, to_numpy
from coulombfield.rng import Streams
from experiments.gans.gan import GAN, GANConfig
from nets.architectures import mlp
from nets.initializers import normal as normal_weight
from nets.initializers import uniform
from nets.layers.activations import ELU
from nets.network import Network
from validation.assembly import assemble

__all__ = ["BATCH", "COUNT", "CPU", "forward", "host", "normal", "players_of", "small"]

LATENT, BATCH, COUNT = 3, 6, 40


def players_of(**widths: tuple[int, ...]) -> dict[str, Network]:
    """A generator of points in the plane, and players of these widths, biases off zero."""
    layers = {"generator": (LATENT, 8, 2), **widths}
    first = {"first_weight": normal_weight(1.0), "first_bias": uniform(1.0)}
    return {name: mlp(width, ELU, **first) for name, width in layers.items()}


def small(
    config: GANConfig,
    networks: Mapping[str, Network],
    device: Device,
    *,
    dtype: str = "float64",
    seed: int = 1,
    updates: int = 1,
) -> GAN:
    """A GAN of these networks on normal points."""
    streams = Streams(seed)
    data = streams.stream("data").standard_normal((COUNT, 2)).astype(dtype)
    return assemble(config, networks, data, latent=LATENT, batch=BATCH, streams=streams, device=device, updates=updates)


def forward(gan: GAN, player: str, x: Array) -> Array:
    """What a player gives, in memory of its own."""
    return gan.players[player].network.forward(gan.players[player].params, x)[0]


def host(state: Any) -> Any:
    """A state as a checkpoint gives it back: copies on the host."""
    if isinstance(state, dict):
        return {name: host(value) for name, value in state.items()}
    return state if isinstance(state, str | int | float) else to_numpy(state).copy()
