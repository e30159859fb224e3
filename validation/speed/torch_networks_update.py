"""The peer of one update: as a user of PyTorch writes the authors', eager, with autograd and the fused Adam."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from experiments.gans.gan import GAN

from .networks_cases import LATENT
from .networks_update import RATES, SOFTENING
from .torch_networks import Twin


class Update:
    """One update of both players on a minibatch, with one pass of the discriminator on each half of it.

    Parameters
    ----------
    gan : GAN
        Whose players and data are copied.
    data : array, shape (count, H, W, C)
        Images.
    channels_last : bool
        PyTorch's memory format.
    """

    def __init__(self, gan: GAN, data: np.ndarray, *, channels_last: bool):
        torch.manual_seed(0)
        self.generator, self.discriminator = (
            Twin(player.network, player.params, channels_last=channels_last, groups=False)
            for player in (gan.players[name] for name in RATES)
        )
        self.batch, self.data = gan.batch, self.generator.put(data)
        weight = torch.full((gan.batch,), 1 / gan.batch, dtype=self.data.dtype)
        self.weights = torch.cat([-weight, weight])
        self._adam = [
            torch.optim.Adam(twin.parameters(), RATES[name], fused=True)
            for name, twin in (("generator", self.generator), ("discriminator", self.discriminator))
        ]

    def __call__(self) -> None:
        """Do it once."""
        z = torch.randn(self.batch, LATENT, dtype=self.data.dtype)
        y = self.data[torch.randint(len(self.data), (self.batch,))]
        gradients = self.gradients(z, y)
        for adam, twin, gradient in zip(self._adam, (self.generator, self.discriminator), gradients, strict=True):
            for parameter, part in zip(twin.parameters(), gradient, strict=True):
                parameter.grad = part
            adam.step()

    def gradients(self, z: Tensor, y: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Of the generator's loss and of the discriminator's, each in its own parameters (Eqs 9 and 10)."""
        x = self.generator(z)
        values = torch.cat([self.discriminator(x), self.discriminator(y)])[:, 0]
        with torch.no_grad():
            points = torch.cat([x, y]).flatten(1)
            kernel = torch.rsqrt(torch.cdist(points, points).square() + SOFTENING**2)
            target = kernel @ self.weights
        loss_g = -values[: self.batch].mean() / 2
        loss_d = (values - target).square().mean() / 2
        # Neither computes what it does not ask for: no gradient in the other player's weights.
        d_generator = torch.autograd.grad(loss_g, self.generator.parameters(), retain_graph=True)
        return d_generator, torch.autograd.grad(loss_d, self.discriminator.parameters())


def use_all_processors() -> None:
    """Give PyTorch as many threads as this process may have."""
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
