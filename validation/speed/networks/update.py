"""One update of the Coulomb GAN of images, ours: to be timed, compared and measured."""

from __future__ import annotations

import numba
import numpy as np

from coulombfield.arrays import Device, to_numpy
from coulombfield.rng import Streams
from experiments.gans.coulomb import Config
from experiments.gans.gan import GAN
from experiments.players.optimizer import OptimizerConfig, ScheduleConfig
from validation.assembly import assemble

from ..timing import CPU
from .cases import LATENT, players

IMAGES = 1024  # to draw minibatches from
SOFTENING = 1.0
RATES = {"generator": 1e-4, "discriminator": 5e-5}
OPTIMIZERS = {name: OptimizerConfig(ScheduleConfig(rate, "constant")) for name, rate in RATES.items()}


def coulomb_gan(size: int, base: int, batch: int, dtype: str = "float32", device: Device = CPU) -> GAN:
    """The paper's Coulomb GAN (exponent 1, softening 1, Adam, no L2) on images of noise, at its start."""
    return assemble(
        Config(exponent=1.0, softening=ScheduleConfig(SOFTENING, "constant")),
        dict(zip(RATES, players(size, base), strict=True)),
        images(size, dtype),
        latent=LATENT,
        batch=batch,
        streams=Streams(0),
        device=device,
        optimizers=OPTIMIZERS,
    )


def images(size: int, dtype: str = "float32") -> np.ndarray:
    """Images of noise in [-1, 1]."""
    return np.random.default_rng(1).uniform(-1, 1, (IMAGES, size, size, 3)).astype(dtype)


def same_bits(size: int, base: int, batch: int, updates: int = 2, device: Device = CPU) -> bool:
    """Whether some updates from one seed end with the same bits in one thread and in as many as Numba has.

    On a GPU, which has no such number, whether they do so twice.
    """
    most = numba.get_num_threads()
    ends = []
    try:
        for threads in (1, most):
            numba.set_num_threads(threads)
            gan = coulomb_gan(size, base, batch, device=device)
            for _ in range(updates):
                gan.step()
            ends.append(b"".join(to_numpy(player.params.vector).tobytes() for player in gan.players.values()))
    finally:
        numba.set_num_threads(most)
    return ends[0] == ends[1]
