r"""Drifting: the generator regresses its samples on themselves, drifted towards data and apart (Deng et al. 2026).

There is no discriminator. A sample is moved by the mean shift towards data less that towards generated samples (arXiv
2602.04770), under the kernel :math:`e^{-\|a - b\|/\tau}`:

.. math:: V(x) = V^+(x) - V^-(x), \qquad V^\pm(x) = \frac{E[k(x, y^\pm)\,(y^\pm - x)]}{E[k(x, y^\pm)]}

On a minibatch, with the generated samples and the real ones as targets t and a sample's own place left out, their
Algorithm 2 normalises the kernel over both axes: A is the geometric mean of its softmax over targets and that over
samples,

.. math:: A_{ij} = \exp\bigl(l_{ij} - \tfrac12 \log\textstyle\sum_{j'} e^{l_{ij'}}
                   - \tfrac12 \log\sum_{i'} e^{l_{i'j}}\bigr), \qquad l_{ij} = -\|x_i - t_j\|/\tau,

and, with :math:`S^\pm_i` the sums of A over the real and over the generated targets,

.. math:: V_i = S^-_i \sum_{j\,\text{real}} A_{ij} t_j - S^+_i \sum_{j\,\text{generated}} A_{ij} t_j.

Attraction and repulsion have the same total weight, so that V is the same wherever the origin is. Fields of several
temperatures are added. The loss takes V as a constant, for samples of m numbers,

.. math:: L_G = \frac{1}{N m} \sum_i \|G(z_i) - \operatorname{stop}(x_i + V_i)\|^2, \qquad
          \frac{\partial L_G}{\partial x_i} = -\frac{2}{N m} V_i,

which the generator's backward pass pulls to its parameters. What is descended is no function of the parameters alone: a
normalised field is in general no gradient of any energy (arXiv 2604.06333), as a Plummer field is.

Notes
-----
Confirmed in the authors' programs: kernel, both normalisations, the mask and the weights of the halves
(``projects/drifting/notebooks/drifting_model_demo.ipynb`` of lambertae/lambertae.github.io; ``torch/drift_loss.py`` of
lambertae/drifting), a temperature of 0.05 for toy data whose size is about 1, and for ImageNet temperatures of 0.02,
0.05 and 0.2 in units of the mean distance, each one's field scaled to a root mean square of 1: the setting
``normalize``. They bound A from below by 0.001, or a product of sums by 1e-12; here nothing is, which matters for
samples that are far from all others. Their features of an encoder and their guidance are left out: samples are points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield.arrays import Array, module_of
from nets.primitives.distances import squared_distances
from nets.primitives.products import new_product

from ..data.dataset import Source
from ..players.player import Player, Role, Shape
from .gan import GAN, GANConfig, Gradients, Losses

LEAST = 1e-8
"""Mean square below which a field is not scaled up any further, as the authors have it."""


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """The kernel and its units.

    Parameters
    ----------
    temperatures : tuple of float
        Decay lengths of the kernel, whose fields are added [length, or mean distances with ``normalize``].
    normalize : bool
        Whether the unit of length is the minibatch's mean distance over the root of the numbers in a sample, and each
        temperature's field is scaled to a root mean square of 1 in it.
    """

    players: ClassVar[tuple[str, ...]] = ("generator",)

    temperatures: tuple[float, ...]
    normalize: bool = False

    def __post_init__(self) -> None:
        if not self.temperatures or not min(self.temperatures) > 0:
            raise ValueError(f"temperatures: expected one or more positive numbers, got {self.temperatures}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """The generator is alone."""
        return {"generator": Role((latent,), sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> Drifting:
        """The generator at its start; a sample drifts away from others, so that there are at least two."""
        if setting["batch"] < 2:
            raise ValueError(f"kind: drifting needs a batch of at least 2, got {setting['batch']}")
        return Drifting(self, players, data, **setting)


class Drifting(GAN):
    """A generator that follows its drifting samples; the parameters are those of :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    Memory of the field: a few matrices of batch x 2 batch numbers, on each rank those of all samples that act on each
    other.
    """

    draws: ClassVar = {"generator": ("latent", "real")}

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Loss of the generator on one minibatch, and its gradient with the drifted samples held fixed.

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
            ``generator``, the mean square of the drift, 0-d.
        gradients : dict
            Its gradient in the generator's parameters.
        """
        samples, cache = self.forward("generator", draws["latent"])
        drift, unit = self.drift(self.all_acting(samples), self.all_acting(draws["real"]))
        drift = drift[self.acting.rows]
        drift /= unit
        loss = (drift * drift).mean()
        drift *= -2 / drift.size
        drift /= unit
        return {"generator": loss}, {"generator": self.pull_dparams("generator", cache, drift)}

    def drift(self, generated: Array, real: Array) -> tuple[Array, Array | float]:
        """How the generated samples drift, of their shape [length], and the loss's unit of it [length].

        Parameters
        ----------
        generated : array, shape (N, ...)
            Samples x that drift, at least 2 [length].
        real : array, shape (M, ...)
            Samples of the data [length].
        """
        xp, config = self.device.xp, self.config
        x, y = generated.reshape(len(generated), -1), real.reshape(len(real), -1)
        count = len(x)
        distances = xp.empty((count, count + len(y)), x.dtype)
        xp.sqrt(squared_distances(x, x), out=distances[:, :count])
        xp.sqrt(squared_distances(x, y), out=distances[:, count:])
        unit: Array | float = 1.0
        if config.normalize:
            mean = distances.mean()
            distances /= mean
            unit = mean / math.sqrt(x.shape[1])
        distances.reshape(-1)[:: distances.shape[1] + 1] = math.inf  # a sample does not drift away from itself

        total = xp.zeros_like(x)
        for temperature in config.temperatures:
            a = _normalized(distances * (-1 / temperature))
            own, others = a[:, :count], a[:, count:]
            drift = own.sum(axis=1, keepdims=True) * new_product(others, y)
            drift -= others.sum(axis=1, keepdims=True) * new_product(own, x)
            if config.normalize:
                drift /= unit
                drift *= unit / xp.sqrt(xp.maximum((drift * drift).mean(), LEAST))
            total += drift
        return total.reshape(generated.shape), unit


def _normalized(logits: Array) -> Array:
    """Geometric mean of the softmax over either axis, in the memory of the logits."""
    halves = 0.5 * (_log_sum_exp(logits, axis=1) + _log_sum_exp(logits, axis=0))
    logits -= halves
    return module_of(logits).exp(logits, out=logits)


def _log_sum_exp(logits: Array, axis: int) -> Array:
    """Logarithm of the sum of exponentials along an axis, which stays with length 1."""
    xp = module_of(logits)
    largest = logits.max(axis=axis, keepdims=True)
    return largest + xp.log(xp.exp(logits - largest).sum(axis=axis, keepdims=True))
