r"""Wasserstein GAN with weight clipping (Arjovsky, Chintala & Bottou 2017, arXiv 1701.07875, Algorithm 1).

By Kantorovich and Rubinstein (Eq 2 there), the distance of two distributions is the largest difference of means that a
function of slopes up to 1 can have. The discriminator, called critic there, seeks it among networks with weights within
[-c, c], whose slopes are bounded by some number that c decides; with N generated samples :math:`x_i = G(z_i)` and real
samples :math:`y_i`,

.. math:: L_D = \frac1N \sum_i D(x_i) - \frac1N \sum_i D(y_i), \qquad L_G = -\frac1N \sum_i D(x_i),

so that :math:`-L_D` is the estimated distance times that number. The backward passes start from

.. math:: \frac{\partial L_D}{\partial D(x_i)} = \frac1N, \qquad
          \frac{\partial L_D}{\partial D(y_i)} = -\frac1N, \qquad
          \frac{\partial L_G}{\partial D(x_i)} = -\frac1N.

Notes
-----
Defaults are those of the authors' program (martinarjovsky/WassersteinGAN, ``main.py``): 5 moves of the critic to one of
the generator, each with samples of its own, but 100 in the first 25 updates and in each 500th, so that the critic is
near its best when the generator begins; c = 0.01 for all parameters, batch-norm's scales among them. The critic is
clipped after each of its moves, as in Algorithm 1; the program does it before, which leaves one step unclipped in the
critic that the generator sees. D has the other sign there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coulombfield.arrays import Array
from nets.optimizers import clip

from ..data.dataset import Source
from ..players.player import Player
from .gan import GAN, Gradients, Losses
from .turns import TurnsConfig


@dataclass(frozen=True, kw_only=True)
class Config(TurnsConfig):
    """How often the critic moves, and its bound.

    Parameters
    ----------
    clip : float
        c, the bound of each parameter of the critic.
    """

    clip: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.clip > 0:
            raise ValueError(f"clip: expected a positive number, got {self.clip}")

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> WGAN:
        """The GAN at its start."""
        return WGAN(self, players, data, **setting)


class WGAN(GAN):
    """Both players of a Wasserstein GAN; parameters are those of :class:`~experiments.gans.gan.GAN`."""

    def moves(self) -> Sequence[str]:
        """The critic as often as is due, then the generator."""
        return (*["discriminator"] * self.config.steps(self.updates), "generator")

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Loss of the player that moves, and its gradient.

        Parameters
        ----------
        move : {"discriminator", "generator"}
            Who moves.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples [length]; for the critic.
        """
        if move == "discriminator":
            return self._difference_of_means(self.generated_and(draws["real"], draws["latent"]))
        samples, cache = self.forward("generator", draws["latent"])
        values, through = self.forward("discriminator", samples)
        d_values = self.device.xp.full_like(values, -1 / self.batch)
        gradient = self.pull_dparams("generator", cache, self.pull_dx("discriminator", through, d_values))
        return {"generator": -values.mean()}, {"generator": gradient}

    def after(self, move: str, losses: Losses) -> None:
        """Clip the critic."""
        if move == "discriminator":
            clip(self.players["discriminator"].params, self.config.clip)

    def _difference_of_means(self, samples: Array) -> tuple[Losses, Gradients]:
        """The critic's loss on generated samples followed by real ones, and its gradient."""
        values, cache = self.forward("discriminator", samples)
        d_values = self.device.xp.full_like(values, 1 / self.batch)
        d_values[self.batch :] *= -1
        gradient = self.pull_dparams("discriminator", cache, d_values)
        return {"discriminator": (values * d_values).sum()}, {"discriminator": gradient}
