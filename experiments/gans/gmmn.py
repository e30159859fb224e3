r"""Generative moment matching network: a generator trained on the maximum mean discrepancy itself (Li et al. 2015).

There is no discriminator. The generator's loss is the root of the biased estimate of the squared discrepancy between a
minibatch of samples and one of data, under a sum of Gaussian kernels (their Eq 3 and Section 4):

.. math:: L_G = \sqrt{M^2}, \qquad M^2 = \frac{1}{N^2} \sum_{ij} \bigl(k(x_i, x_j) + k(y_i, y_j) - 2 k(x_i, y_j)\bigr),
          \qquad k(a, b) = \sum_\sigma e^{-\|a - b\|^2 / 2 \sigma^2}

The chain rule has three factors: :math:`dL_G/dM^2 = 1 / (2 M)`, the gradient of :math:`M^2` by each sample
(:func:`nets.losses.gaussian_mmd`), and the generator's backward pass of what comes out. The root keeps the gradient
from vanishing together with the discrepancy.

Notes
-----
The published kernels are :math:`e^{-s / 2 \sigma}` (their Eq 4, and ``core/generative.py`` of yujiali/gmmn): what they
call sigma, {2, 5, 10, 20, 40, 80}, are squares of the widths here. Their loss is 1,000 times the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield.arrays import Array
from nets.losses import gaussian_mmd

from ..data.dataset import Source
from ..players.player import Player, Role, Shape
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """The kernel.

    Parameters
    ----------
    widths : tuple of float
        Standard deviations of the Gaussians, whose sum is the kernel [length].
    """

    players: ClassVar[tuple[str, ...]] = ("generator",)

    widths: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.widths or not min(self.widths) > 0:
            raise ValueError(f"widths: expected one or more positive numbers, got {self.widths}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """The generator is alone."""
        return {"generator": Role((latent,), sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> GMMN:
        """The network at its start."""
        return GMMN(self, players, data, **setting)


class GMMN(GAN):
    """A generator, and one update of it against the root of the biased squared discrepancy.

    The parameters are those of :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    Memory of the loss: a few matrices of batch x batch numbers, on each rank those of all samples that act on each
    other.
    """

    draws: ClassVar = {"generator": ("latent", "real")}

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Loss of the generator on one minibatch, and its gradient.

        Parameters
        ----------
        move : str
            There is but one.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples [length].

        Returns
        -------
        losses : dict
            ``generator``, 0-d.
        gradients : dict
            Its gradient in the generator's parameters.
        """
        x, cache = self.forward("generator", draws["latent"])
        loss, dx = self._discrepancy(self.all_acting(x), self.all_acting(draws["real"]))
        dx = self.own_part(dx)
        return {"generator": loss}, {"generator": self.pull_dparams("generator", cache, dx)}

    def _discrepancy(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The loss, and its gradient by the generated samples."""
        value, dx, _ = gaussian_mmd(x, y, self.config.widths, need_dy=False)
        return value, dx
