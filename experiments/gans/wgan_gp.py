r"""Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028, Algorithm 1).

The critic of :mod:`~experiments.gans.wgan` is not clipped. A penalty holds its slopes near 1 on the lines between
generated and real samples, where those of the best one are 1 (Eq 3 there, with :math:`u_i` uniform on [0, 1)):

.. math:: L_D = \frac1N \sum_i D(x_i) - \frac1N \sum_i D(y_i)
              + \frac{\lambda}{N} \sum_i \bigl(\|\nabla D(\hat x_i)\| - 1\bigr)^2, \qquad
          \hat x_i = y_i + u_i (x_i - y_i), \qquad L_G = -\frac1N \sum_i D(x_i).

:math:`\hat x` does not depend on the critic's parameters, so that its gradient is the sum of that of the means and the
penalty's, which :func:`nets.penalties.gradient_penalty` derives.

Notes
-----
Defaults are those of the authors' program (igul222/improved_wgan_training, ``gan_64x64.py``): :math:`\lambda` = 10, 5
moves of the critic to one of the generator, each with samples of its own. There is one move of the critic with the two
time-scale update rule (bioinf-jku/TTUR, ``WGAN_GP/gan_64x64_FID.py``). Neither program has a drift term.

The norm of a slope is that of one sample: a critic with batch-norm would mix them, which is why theirs has layer-norm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield.arrays import Array
from nets.penalties import gradient_penalty

from ..data.dataset import Source
from ..players.player import Player
from .gan import GANConfig, Gradients, Losses
from .wgan import WGAN


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """How often the critic moves, and the penalty on its slopes.

    Parameters
    ----------
    penalty : float
        Lambda, the weight of the penalty.
    critic_steps : int
        Moves of the critic for each of the generator.
    """

    penalty: float = 10.0
    critic_steps: int = 5

    def __post_init__(self) -> None:
        if not self.penalty > 0:
            raise ValueError(f"penalty: expected a positive number, got {self.penalty}")
        if self.critic_steps < 1:
            raise ValueError(f"critic_steps: expected at least 1, got {self.critic_steps}")

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> WGANGP:
        """The GAN at its start."""
        return WGANGP(self, players, data, **setting)


class WGANGP(WGAN):
    """Both players of a Wasserstein GAN with a gradient penalty.

    Parameters are those of :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    The penalty takes the memory of the pass before it. Beside the critic's gradient it needs two vectors of the same
    size, and the slopes of one minibatch in each layer.
    """

    draws: ClassVar = {"discriminator": ("latent", "real", "mixing"), "generator": ("latent",)}

    @property
    def second_order(self) -> bool:
        """In the penalty."""
        return True

    def moves(self) -> Sequence[str]:
        """The critic as often as is asked for, then the generator."""
        return (*["discriminator"] * self.config.critic_steps, "generator")

    def draw_mixing(self) -> Array:
        """Places between real samples, at 0, and generated ones, at 1; shape (batch,)."""
        return self.device.put(self.stream("mixing").random(self.batch).astype(self.data.dtype))

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
        mixing : array, shape (batch,)
            Where between the two the slopes are taken; for the critic.

        Returns
        -------
        losses : dict
            Beside the player's: ``penalty``, which is part of the critic's.
        gradients : dict
            Of the player's loss, in its own parameters.
        """
        if move == "generator":
            return super().gradients(move, **draws)
        both = self.generated_and(draws["real"], draws["latent"])
        losses, gradients = self._difference_of_means(both)

        # That pass is over: its samples may change, and the network may run again in the same memory.
        mixed, real = both[: self.batch], both[self.batch :]
        mixed -= real
        mixed *= draws["mixing"].reshape(-1, *(1,) * (mixed.ndim - 1))
        mixed += real
        critic = self.players["discriminator"]
        penalty, d_penalty = gradient_penalty(
            critic.network, critic.params, mixed, weight=self.config.penalty, workspace=self.workspace
        )
        gradients["discriminator"].vector[...] += d_penalty.vector
        losses["discriminator"] += penalty
        return losses | {"penalty": penalty}, gradients

    def after(self, move: str, losses: Losses) -> None:
        """Nothing: no weight is clipped."""
