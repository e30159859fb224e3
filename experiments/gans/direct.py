r"""No discriminator: the generator descends the energy of its minibatch (Eqs 33 and 34, Section 2.4).

The loss is the energy of the minibatch's own charges, of which the Coulomb GAN's discriminator learns the potential:

.. math:: L_G = \hat F = \frac12 \Bigl(\frac{1}{N^2} \sum_{ij} k(y_i, y_j) - \frac{2}{N^2} \sum_{ij} k(y_i, x_j)
                + \frac{1}{N^2} \sum_{ij} k(x_i, x_j)\Bigr)

A sample moves the mean over its own kind twice and that over both kinds once, so that

.. math:: \frac{\partial \hat F}{\partial x_i} = -\frac1N \nabla\hat\Phi(x_i) = \frac1N \hat E(x_i),

the field of Eq 34 at the sample, which the generator's backward pass pulls to its parameters. Unbiased, the U-statistic
leaves out the terms i = j and has N - 1 for one N of the sums over one kind. Half of the squared maximum mean
discrepancy under a Plummer kernel; see :mod:`~experiments.gans.mmd_net` for Gaussian ones.

Notes
-----
The paper calls this infeasible (Section 2.4), since a minibatch is too small a sample of the field; a discriminator
averages over many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield import Charges, Plummer, generated_charges, potential, potential_and_field, real_charges
from coulombfield.arrays import Array

from ..data.dataset import Source
from ..players.optimizer import ScheduleConfig
from ..players.player import Player, Role, Shape
from .gan import GAN, GANConfig, Gradients, Losses


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """The field that moves the samples.

    Parameters
    ----------
    exponent : float
        d of Eq 5; the authors' "dimension 3" is exponent 1.
    softening : ScheduleConfig
        Softening length of Eq 5 [length].
    unbiased : bool
        Whether pairs of a sample with itself are left out, and N - 1 stands for one N; Eq 33 has them.
    """

    players: ClassVar[tuple[str, ...]] = ("generator",)

    exponent: float
    softening: ScheduleConfig
    unbiased: bool = False

    def __post_init__(self) -> None:
        if not self.exponent > 0:
            raise ValueError(f"exponent: expected a positive number, got {self.exponent}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """The generator is alone."""
        return {"generator": Role((latent,), sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> Direct:
        """The generator at its start; an unbiased energy needs two samples."""
        if self.unbiased and setting["batch"] < 2:
            raise ValueError(f"unbiased: expected false with a batch of {setting['batch']}, got true")
        return Direct(self, players, data, **setting)


class Direct(GAN):
    """A generator in the field of its minibatch; the parameters are those of :class:`~experiments.gans.gan.GAN`."""

    draws: ClassVar = {"generator": ("latent", "real")}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._softening = config.softening.over(self.length)

    @property
    def kernel(self) -> Plummer:
        """Kernel of the field at the next update."""
        return Plummer(self.config.exponent, self._softening(self.updates))

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Energy of one minibatch, and its gradient in the generator's parameters.

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
            ``generator``, the energy [charge² · length**-d], 0-d.
        gradients : dict
            Its gradient in the generator's parameters.
        """
        samples, cache = self.forward("generator", draws["latent"])
        loss, dx = self._energy(samples.reshape(self.batch, -1), draws["real"].reshape(self.batch, -1))
        return {"generator": loss}, {"generator": self.pull_dparams("generator", cache, dx.reshape(samples.shape))}

    def schedule(self) -> dict[str, float]:
        """Learning rate and softening at the next update."""
        return {**super().schedule(), "softening": self._softening(self.updates)}

    def _energy(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The energy, and its gradient by the generated samples."""
        batch, kernel, unbiased = self.batch, self.kernel, self.config.unbiased
        factor = batch / (batch - 1) if unbiased else 1.0
        real, generated = real_charges(y), generated_charges(x)
        own = Charges(x, factor * generated.weights)
        of_own, field = potential_and_field(x, own, kernel, exclude_self=unbiased)
        of_real, field_of_real = potential_and_field(x, real, kernel)
        at_real = potential(y, real, kernel, exclude_self=unbiased)
        field += field_of_real
        field *= 1 / batch
        return 0.5 * (factor * at_real.mean() - of_own.mean()) - of_real.mean(), field
