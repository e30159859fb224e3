"""The Coulomb GAN's update (Algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield import Charges, Plummer, generated_charges, potential, real_charges
from coulombfield.arrays import Array
from nets.losses import Reduction, generator_potential, potential_regression
from nets.network import first_rows

from ..data.dataset import Source
from ..players.optimizer import ScheduleConfig
from ..players.player import Player
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """The potential that the discriminator learns.

    Parameters
    ----------
    exponent : float
        d of Eq 5; the authors' "dimension 3" is exponent 1.
    softening : ScheduleConfig
        Softening length of Eq 5 [length].
    scale : float
        The discriminator learns this many times the potential: a number that brings its targets near 1.
    exclude_self : bool
        Whether to leave a sample's own charge out of the potential at its place; the authors leave it in.
    reduction : {"expectation", "sum"}
        Whether the discriminator's loss is Eq 9 or the sum of Algorithm 1.
    """

    exponent: float
    softening: ScheduleConfig
    scale: float = 1.0
    exclude_self: bool = False
    reduction: Reduction = "expectation"

    def __post_init__(self) -> None:
        for name in ("exponent", "scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> CoulombGAN:
        """The GAN at its start."""
        return CoulombGAN(self, players, data, **setting)


class CoulombGAN(GAN):
    """Both players of a Coulomb GAN and one update of them (Algorithm 1).

    The generator maps latent vectors to samples, the discriminator samples to one number. The parameters are those of
    :class:`~experiments.gans.gan.GAN`.

    Notes
    -----
    Both players move at once. The discriminator sees a minibatch once, generated samples followed by real ones, and
    both players use that pass: its gradient uses the whole, the generator's the generated rows.

    The potential takes each sample as one point. Beside the memory of the players' passes, there is room for the 2
    ``batch`` samples of a minibatch and what :func:`coulombfield.potential` needs: for images a tile of matrix
    products.
    """

    draws: ClassVar = {"both": ("latent", "real")}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._softening = config.softening.over(self.length)
        batch, xp = self.batch, self.device.xp
        self._samples = xp.empty((2 * batch, *data.shape[1:]), data.dtype)
        points = self._samples.reshape(2 * batch, -1)  # the same memory
        weights = generated_charges(points[:batch]).weights, real_charges(points[batch:]).weights
        self._charges = Charges(points, xp.concatenate(weights))

    @property
    def kernel(self) -> Plummer:
        """Kernel of the potential at the next update."""
        return Plummer(self.config.exponent, self._softening(self.updates))

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Losses of both players on one minibatch, and their gradients.

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
            ``discriminator`` (Eq 9) and ``generator`` (Eq 10), 0-d.
        gradients : dict
            Gradient of each player's loss in its own parameters.
        """
        batch, samples = self.batch, self._samples
        samples[:batch], generator_cache = self.forward("generator", draws["latent"])
        samples[batch:] = draws["real"]
        values, cache = self.forward("discriminator", samples)

        loss_g, d_generated = generator_potential(values[:batch])
        dx = self.pull_dx("discriminator", first_rows(cache, batch), d_generated)
        d_generator = self.pull_dparams("generator", generator_cache, dx)
        loss_d, d_values = potential_regression(values, self._target(), batch, reduction=self.config.reduction)
        d_discriminator = self.pull_dparams("discriminator", cache, d_values)
        losses = {"discriminator": loss_d, "generator": loss_g}
        return losses, {"discriminator": d_discriminator, "generator": d_generator}

    def learned_potential(self, points: Array) -> tuple[Array, Array]:
        """Potential at ``points`` as the discriminator knows it, shape (T,) [length**-d], and its gradient (T, ...)."""
        values, gradient = self.discriminate(points)
        return values / self.config.scale, gradient / self.config.scale

    def schedule(self) -> dict[str, float]:
        """Learning rates and softening at the next update."""
        return {**super().schedule(), "softening": self._softening(self.updates)}

    def _target(self) -> Array:
        target = potential(self._charges.positions, self._charges, self.kernel, exclude_self=self.config.exclude_self)
        target *= self.config.scale
        return target
