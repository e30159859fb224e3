r"""Least-squares GAN (Mao et al. 2017, "Least Squares Generative Adversarial Networks", arXiv 1611.04076).

The discriminator gives a number, not a logit, and is regressed on labels: a for generated samples, b for real ones; the
generator wants its samples to have the value c (Eq 2 there). With N generated samples :math:`x_i = G(z_i)` and real
samples :math:`y_i`,

.. math:: L_D = \frac1{2N} \sum_i (D(x_i) - a)^2 + \frac1{2N} \sum_i (D(y_i) - b)^2, \qquad
          L_G = \frac1{2N} \sum_i (D(x_i) - c)^2,

whose slopes, from which the backward passes start, grow with the distance from the label where those of a cross entropy
level off:

.. math:: \frac{\partial L_D}{\partial D(x_i)} = \frac{D(x_i) - a}N, \qquad
          \frac{\partial L_D}{\partial D(y_i)} = \frac{D(y_i) - b}N, \qquad
          \frac{\partial L_G}{\partial D(x_i)} = \frac{D(x_i) - c}N.

The best discriminator is :math:`D^* = (b\,p_y + a\,p_x) / (p_y + p_x)`. With it, the generator's loss and the same sum
over real samples, which do not move it, are in the limit

.. math:: \frac12 \int \frac{\bigl((b - c)(p_y + p_x) - (b - a)\,p_x\bigr)^2}{p_y + p_x},

for b - c = 1 and b - a = 2 half of Pearson's :math:`\chi^2` between :math:`p_y + p_x` and :math:`2 p_x` (section 3.2
there). The paper has two choices: a, b, c = -1, 1, 0, for which that holds (Eq 8), and 0, 1, 1, by which samples are to
look as real as can be (Eq 9); it finds them alike and goes on with the latter. Numbers of equations and this sentence
are quoted from memory.

Notes
-----
Turns are those of :mod:`~experiments.gans.dcgan`. From the authors' programs (xudonmao/LSGAN): one move of each, the
discriminator first and the generator by the same latent vectors (``train_lsun.py``; ``reuse_latent = true``); labels 0,
1, 1 (``vgg.py``), and -1, 1, 0 without batch-norm (``stability_comparison/BN_GD_ls_rms/dcgan64.py``). Their losses are
sums over the minibatch, N times these: to Adam and RMSprop the same, but for their epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coulombfield.arrays import Array

from ..data.dataset import Source
from ..players.player import Player
from . import dcgan


@dataclass(frozen=True, kw_only=True)
class Config(dcgan.Config):
    """Labels, and how the players take turns.

    Parameters
    ----------
    a, b : float
        What the discriminator is to say of generated and of real samples.
    c : float
        What the generator wants it to say of generated ones, on b's side of a.
    generator_steps : int
        Moves of the generator for each of the discriminator.
    reuse_latent : bool
        Whether the generator moves by the latent vectors that the discriminator has just seen the samples of.
    """

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("a", "b", "c"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name}: expected a finite number, got {getattr(self, name)}")
        if self.a == self.b:
            raise ValueError(f"b: expected another label than a, got {self.b} for both")
        if (self.c - self.a) * (self.b - self.a) <= 0:
            raise ValueError(f"c: expected a number on the side of a = {self.a} where b = {self.b} is, got {self.c}")

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> LSGAN:
        """The GAN at its start."""
        return LSGAN(self, players, data, **setting)


class LSGAN(dcgan.DCGAN):
    """Both players of a least-squares GAN; parameters are those of :class:`~experiments.gans.gan.GAN`."""

    def _loss(self, move: str, values: Array) -> tuple[Array, Array]:
        """Half the mean squares of what is between values and labels; real samples stand behind the generated ones."""
        errors = values - (self.config.a if move == "discriminator" else self.config.c)
        errors[self.batch :] = values[self.batch :] - self.config.b
        d_values = errors * (1 / self.batch)
        return (errors * d_values).sum() / 2, d_values
