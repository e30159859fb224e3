r"""The non-saturating GAN (Goodfellow et al. 2014, arXiv 1406.2661), as DCGAN's authors trained it.

The discriminator gives a logit v = D(a), and :math:`\sigma(v)` is the probability that a is real. It minimises the
cross entropy, which is Goodfellow's value function (Eq 1 there) with the other sign; the generator does not minimise
:math:`\log(1 - \sigma(D(x)))`, which is flat where the discriminator is sure, but maximises :math:`\log \sigma(D(x))`
(section 3 there). With :math:`s(u) = \log(1 + e^u)`, so that :math:`-\log \sigma(v) = s(-v)` and :math:`-\log(1 -
\sigma(v)) = s(v)`, and N generated samples :math:`x_i = G(z_i)` and real samples :math:`y_i`,

.. math:: L_D = \frac1N \sum_i s(D(x_i)) + \frac1N \sum_i s(-D(y_i)), \qquad L_G = \frac1N \sum_i s(-D(x_i)).

Since :math:`s'(u) = \sigma(u) = e^u / (1 + e^u) = e^{u - s(u)}`, the gradients that the backward passes start from are

.. math:: \frac{\partial L_D}{\partial D(x_i)} = \frac1N e^{u - s(u)}\Big|_{u = D(x_i)}, \qquad
          \frac{\partial L_D}{\partial D(y_i)} = -\frac1N e^{u - s(u)}\Big|_{u = -D(y_i)}, \qquad
          \frac{\partial L_G}{\partial D(x_i)} = -\frac1N e^{u - s(u)}\Big|_{u = -D(x_i)}.

In this form nothing overflows, and a gradient keeps its relative precision however sure the discriminator is.

Notes
-----
The players move in turns, the discriminator first. What the published programs do beside:

- Radford et al. 2016 (Newmu/dcgan_code, ``faces/train_uncond_dcgan.py``): minibatch by minibatch by turns, each with
  latent vectors of its own.
- carpedm20/DCGAN-tensorflow, ``model.py``: two updates of the generator for one of the discriminator, all three with
  the same latent vectors; ``generator_steps = 2``, ``reuse_latent = true``.
- Heusel et al. 2017 (bioinf-jku/TTUR, ``DCGAN_FID_batched/model.py``), made from that: one of each, with the same
  latent vectors.

None of them smooths its labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coulombfield.arrays import Array

from ..data.dataset import Source
from ..players.player import Player
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """How the players take turns.

    Parameters
    ----------
    generator_steps : int
        Moves of the generator for each of the discriminator.
    reuse_latent : bool
        Whether the generator moves by the latent vectors that the discriminator has just seen the samples of, or by new
        ones in each move.
    """

    generator_steps: int = 1
    reuse_latent: bool = False

    def __post_init__(self) -> None:
        if self.generator_steps < 1:
            raise ValueError(f"generator_steps: expected at least 1, got {self.generator_steps}")

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> DCGAN:
        """The GAN at its start."""
        return DCGAN(self, players, data, **setting)


class DCGAN(GAN):
    """Both players of a non-saturating GAN; parameters are those of :class:`~experiments.gans.gan.GAN`."""

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._latest: Array | None = None
        self._reuses = 0  # how many more moves take them

    def moves(self) -> Sequence[str]:
        """The discriminator, then the generator as often as is asked for."""
        return ("discriminator", *["generator"] * self.config.generator_steps)

    def draw_latent(self) -> Array:
        """Latent vectors, shape (batch, latent): new ones, or again those of the discriminator's move."""
        if self._latest is not None and self._reuses:
            self._reuses -= 1
        else:
            self._latest = super().draw_latent()
        return self._latest

    def after(self, move: str, losses: Losses) -> None:
        """Keep the discriminator's latent vectors for the generator."""
        if move == "discriminator" and self.config.reuse_latent:
            self._reuses = self.config.generator_steps

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
            values, cache = self.forward("discriminator", self.generated_and(draws["real"], draws["latent"]))
            loss, d_values = self._loss(move, values)
            return {"discriminator": loss}, {"discriminator": self.pull_dparams("discriminator", cache, d_values)}
        samples, cache = self.forward("generator", draws["latent"])
        values, through = self.forward("discriminator", samples)
        loss, d_values = self._loss(move, values)
        gradient = self.pull_dparams("generator", cache, self.pull_dx("discriminator", through, d_values))
        return {"generator": loss}, {"generator": gradient}

    def _loss(self, move: str, values: Array) -> tuple[Array, Array]:
        """Loss of the player that moves, and its gradient by the discriminator's values.

        Those are of generated samples, shape (batch, 1), and in the discriminator's move of real ones behind them: the
        cross entropy of these logits, where the generator wants its samples to be called real.
        """
        xp, scale = self.device.xp, 1 / self.batch
        generated = self.batch if move == "discriminator" else 0  # all others are to be called real
        signed = -values  # u of the formulas: large where the discriminator is wrong
        signed[:generated] = values[:generated]
        losses = xp.logaddexp(signed, 0)
        gradient = xp.exp(signed - losses)
        gradient *= -scale
        gradient[:generated] *= -1
        return losses.sum() * scale, gradient
