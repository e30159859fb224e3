r"""Boundary equilibrium GAN (Berthelot et al. 2017): an autoencoder as discriminator, kept in balance by one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield.arrays import Array
from nets.network import first_rows

from ..data.dataset import Source
from ..players.player import Player, Role, Shape
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    r"""The balance of the players.

    Parameters
    ----------
    diversity : float
        :math:`\gamma`: the share of the error at real samples that generated ones are let have. The lower, the sharper
        and the fewer the samples; the authors show 0.3 to 0.7, and Heusel et al. (2017) ran 0.5.
    gain : float
        :math:`\lambda_k`: how fast k follows; theirs is 0.001.
    start : float
        :math:`k_0`; theirs is 0.
    """

    diversity: float = 0.5
    gain: float = 1e-3
    start: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.diversity <= 1:
            raise ValueError(f"diversity: expected a number in (0, 1], got {self.diversity}")
        if self.gain < 0:
            raise ValueError(f"gain: expected a number that is not negative, got {self.gain}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start: expected a number in [0, 1], got {self.start}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """The discriminator maps a sample to one."""
        return {"generator": Role((latent,), sample), "discriminator": Role(sample, sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> BEGAN:
        """The GAN at its start."""
        return BEGAN(self, players, data, **setting)


class BEGAN(GAN):
    r"""Both players of a BEGAN and one update of them (Berthelot et al. 2017, section 3.4).

    The discriminator D is an autoencoder, and a sample's energy its error, the mean over the sample's n numbers

    .. math:: L(v) = \frac1n \|D(v) - v\|_1.

    With means over minibatches of generated samples x = G(z) and real samples y,

    .. math:: L_D = L(y) - k_t\,L(x), \qquad L_G = L(x), \qquad
              k_{t+1} = \min\bigl(\max(k_t + \lambda_k (\gamma L(y) - L(x)), 0), 1\bigr).

    The measure of convergence is :math:`M = L(y) + |\gamma L(y) - L(x)|`. The parameters are those of
    :class:`~experiments.gans.gan.GAN`; k is the entry ``k`` of its memory, which stays on the device.

    Notes
    -----
    With the signs :math:`s = \operatorname{sign}(D(v) - v)`, 0 at the kink, and N samples of each kind, what is pulled
    back through D is

    .. math:: \frac{\partial L_D}{\partial D(y)} = \frac{s}{N n}, \qquad
              \frac{\partial L_D}{\partial D(x)} = -k_t \frac{s}{N n}, \qquad
              \frac{\partial L_G}{\partial D(x)} = \frac{s}{N n}.

    For D x is given; with G it moves twice: as what D takes, and as what its output is compared with. With D's
    Jacobian J

    .. math:: \frac{\partial L_G}{\partial x} = \frac{1}{N n} \bigl(J^T s - s\bigr).

    Both players move at once, on one minibatch that passes D once, as in the program that Heusel et al. (2017) ran; the
    paper writes one z for each player, and does not say whether they differ.
    """

    draws: ClassVar = {"both": ("latent", "real")}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self.memory["k"] = self.device.xp.asarray(config.start, data.dtype)

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Losses of both players on one minibatch, and their gradients.

        Parameters
        ----------
        move : str
            There is but one.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples.

        Returns
        -------
        losses : dict
            ``discriminator`` and ``generator``, 0-d, and beside them ``real``, the error at real samples,
            ``convergence``, M, and ``k``.
        gradients : dict
            Gradient of each player's loss in its own parameters.
        """
        batch, xp, k = self.batch, self.device.xp, self.memory["k"]
        generated, generator_cache = self.forward("generator", draws["latent"])
        samples = self.together(generated, draws["real"])
        decoded, cache = self.forward("discriminator", samples)

        error = xp.subtract(decoded, samples, out=self.workspace.rows("error", samples.shape, samples))
        at_generated, at_real = self._of_all(xp.abs(error[:batch]).mean()), self._of_all(xp.abs(error[batch:]).mean())
        signs = xp.sign(error, out=error)
        signs *= 2 / error.size  # 1 / (N n)

        dx = self.pull_dx("discriminator", first_rows(cache, batch), signs[:batch])
        dx -= signs[:batch]
        d_generator = self.pull_dparams("generator", generator_cache, dx)
        d_decoded = signs
        d_decoded[:batch] *= -k
        d_discriminator = self.pull_dparams("discriminator", cache, d_decoded)

        losses = {
            "discriminator": at_real - k * at_generated,
            "generator": at_generated,
            "real": at_real,
            "convergence": at_real + xp.abs(self.config.diversity * at_real - at_generated),
            "k": k.copy(),
        }
        return losses, {"discriminator": d_discriminator, "generator": d_generator}

    def after(self, move: str, losses: Losses) -> None:
        """Move k towards the balance."""
        xp = self.device.xp
        excess = xp.asarray(self.config.diversity * losses["real"] - losses["generator"])
        self.memory["k"][...] = xp.clip(self.memory["k"] + self.config.gain * excess, 0, 1)

    def _of_all(self, mean: Array) -> Array:
        """Mean over the samples of all ranks: k, which all of them share, and M are no means of the ranks' own."""
        return self.ranks.mean_(self.device.xp.array(mean), self.shares) if self.ranks.size > 1 else mean
