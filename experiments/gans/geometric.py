r"""Geometric GAN: the discriminator is a linear SVM on learned features (Lim & Ye 2017, arXiv 1705.02894).

The discriminator's last layer, :math:`D(a) = \langle w, \phi(a)\rangle + b`, is the hyperplane of a soft-margin SVM
that separates real samples from generated ones: over C N, its primal problem is

.. math:: L_D = \frac1N \sum_i \max(0, 1 - D(y_i)) + \frac1N \sum_i \max(0, 1 + D(x_i)) + \frac{\|w\|^2}{2 C N},
          \qquad L_G = -\frac1N \sum_i D(x_i),

so that the generator moves its samples' features along w, perpendicular to the hyperplane. With the indicator [.],

.. math:: \frac{\partial L_D}{\partial D(y_i)} = -\frac1N [D(y_i) < 1], \qquad
          \frac{\partial L_D}{\partial D(x_i)} = \frac1N [D(x_i) > -1], \qquad
          \frac{\partial L_G}{\partial D(x_i)} = -\frac1N,

which the backward pass pulls to the parameters; the margin adds w / (C N) to the gradient of w.

Notes
-----
From the authors' program (lim0606/pytorch-geometric-gan, ``main.py``): the losses as above with C = 1, the margin as
weight decay 1 / (C N) of w; all other parameters of the discriminator free, or with weight decay 0.001, or clipped to
[-0.01, 0.01], or each parameter array projected into the unit ball of its l2 norm. They clip and project before a step
where we do after it: the same but for the first and the last step. With clipping, they have 100 steps of the
discriminator to one of the generator in the first 25 updates and in each 500th; here, there is always one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coulombfield.arrays import Array
from nets.optimizers import clip

from ..data.dataset import Source
from ..players.player import Player
from .bounds import project
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """The hyperplane's margin, and what bounds the features.

    Parameters
    ----------
    cost : float
        C of the SVM: what a violated margin costs beside the margin's width.
    clip : float
        Bound of each parameter of the discriminator but its last layer's; 0 for none.
    radius : float
        Bound of the l2 norm of each parameter array of the discriminator but its last layer's; 0 for none.
    """

    cost: float = 1.0
    clip: float = 0.0
    radius: float = 0.0

    def __post_init__(self) -> None:
        if not self.cost > 0:
            raise ValueError(f"cost: expected a positive number, got {self.cost}")
        for name in ("clip", "radius"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected a number that is not negative, got {getattr(self, name)}")
        if self.clip and self.radius:
            raise ValueError(f"radius: expected 0 with a clip of {self.clip}, got {self.radius}")

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> GeometricGAN:
        """The GAN at its start."""
        return GeometricGAN(self, players, data, **setting)


class GeometricGAN(GAN):
    """Both players of a geometric GAN, which move in turns; parameters are those of :class:`~experiments.gans.gan.GAN`.

    Raises
    ------
    ValueError
        If the discriminator's last weights are not those of a dense layer to one number.
    """

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        params = self.players["discriminator"].params
        self._hyperplane = [name for name in params if name.endswith("weight")][-1]
        shape = params[self._hyperplane].shape
        if len(shape) != 2 or shape[1] != 1:
            raise ValueError(f"kind: its discriminator ends in a dense layer to one number, not in weights of {shape}")
        last = self._hyperplane.removesuffix("weight")
        self._features = [name for name in params if not name.startswith(last)]

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Loss of the player that moves, and its gradient.

        Parameters
        ----------
        move : {"discriminator", "generator"}
            Who moves.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples [length]; for the discriminator.
        """
        if move == "discriminator":
            return self._separation(self.generated_and(draws["real"], draws["latent"]))
        samples, cache = self.forward("generator", draws["latent"])
        values, through = self.forward("discriminator", samples)
        d_values = self.device.xp.full_like(values, -1 / self.batch)
        gradient = self.pull_dparams("generator", cache, self.pull_dx("discriminator", through, d_values))
        return {"generator": -values.mean()}, {"generator": gradient}

    def after(self, move: str, losses: Losses) -> None:
        """Clip or project the discriminator's features."""
        config, params = self.config, self.players["discriminator"].params
        if move != "discriminator":
            return
        if config.clip:
            clip(params, config.clip, self._features)
        if config.radius:
            project(params, config.radius, self._features)

    def _separation(self, samples: Array) -> tuple[Losses, Gradients]:
        """Hinge losses of both halves and the margin's width, as a loss of the discriminator."""
        values, cache = self.forward("discriminator", samples)
        batch, weight = self.batch, self.players["discriminator"].params[self._hyperplane]
        violation = values + 1  # 1 + D(x)
        violation[batch:] = 1 - values[batch:]
        violated = violation > 0
        d_values = violated.astype(values.dtype)
        d_values *= 1 / batch
        d_values[batch:] *= -1
        gradient = self.pull_dparams("discriminator", cache, d_values)

        decay = 1 / (self.config.cost * self.whole)  # the margin is one, whoever has which samples
        gradient[self._hyperplane][...] += decay * weight
        loss = (violation * violated).sum() / batch + (weight * weight).sum() * (decay / 2)
        return {"discriminator": loss}, {"discriminator": gradient}
