"""A GAN from networks at hand, for checks and benchmarks that want other ones than a preset has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from coulombfield.arrays import Device
from coulombfield.rng import Streams
from experiments.data.dataset import ArrayPart
from experiments.gans.gan import GAN, GANConfig
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from experiments.players.player import Generator, LatentConfig, Player
from nets.network import Network
from nets.running import in_groups_of

CONSTANT = OptimizerConfig(ScheduleConfig(start=1e-2, kind="constant"))


def assemble(
    config: GANConfig,
    networks: Mapping[str, Network],
    data: np.ndarray,
    *,
    latent: int,
    batch: int,
    streams: Streams,
    device: Device,
    updates: int = 1,
    optimizers: Mapping[str, OptimizerConfig] | None = None,
    spread: float = 0.0,
) -> GAN:
    """A GAN whose networks start as they do in training, but for noise that is added.

    Parameters
    ----------
    config : GANConfig
        Which GAN.
    networks : mapping of str to Network
        One for each player.
    data : array, shape (count, ...)
        Training set, on the host; its dtype is that of everything.
    latent : int
        Width of the latent vectors.
    batch : int
        Samples of each kind in a minibatch.
    streams : Streams
        ``initialization`` draws the parameters.
    device : Device
        Where to compute.
    updates : int
        Length of the schedules [updates].
    optimizers : mapping of str to OptimizerConfig, optional
        By player; Adam at a constant rate of 0.01 for those that are not in it.
    spread : float
        Standard deviation of noise on the parameters, which puts scales off 1 and shifts off 0.
    """
    rng, players, given = streams.stream("initialization"), {}, dict(optimizers or {})
    for name, network in networks.items():
        optimizer = given.get(name, CONSTANT)
        alone = name == "generator"
        grouped = network if alone else in_groups_of(network, batch)
        params = grouped.initialize(rng, data.dtype, device.xp)
        if spread:
            params.vector[...] += device.put((spread * rng.standard_normal(params.vector.size)).astype(data.dtype))
        settings = LatentConfig(latent=latent, optimizer=optimizer)
        players[name] = (
            Generator(grouped, params, settings, updates) if alone else Player(grouped, params, optimizer, updates)
        )
    source = ArrayPart(data, device)
    return config.build(players, source, batch=batch, updates=updates, device=device, streams=streams)
