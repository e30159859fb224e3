r"""The Coulomb GAN's update (Algorithm 1), and a discriminator that learns the field beside the potential.

With a weight :math:`\lambda` for the field, the discriminator's loss is Eq 9 and

.. math:: \frac{\lambda}{2}\,E_{p_a}\bigl[\|\nabla D(a) - \nabla\hat\Phi(a)\|^2\bigr]
          = \frac{\lambda}{4N} \sum_i \|g_i + \hat E(a_i)\|^2, \qquad g = J^T 1,

with :math:`\hat E` of Eq 34 at the minibatch's own points, held fixed as the potential is. With :math:`v_i =
\lambda\,(g_i + \hat E(a_i)) / 2N` held, its gradient is :math:`\partial_\theta \langle v, J^T 1\rangle`: the pass of
the gradient penalty (see :func:`nets.penalties.gradient_penalty`), with another v.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from coulombfield import Charges, Plummer, generated_charges, potential, potential_and_field, real_charges
from coulombfield.arrays import Array
from nets.losses import Reduction, generator_potential, potential_regression
from nets.parameters import Parameters
from nets.passes import Pass

from ..data.dataset import Source
from ..players.optimizer import ScheduleConfig
from ..players.player import Player
from ..ranks.alone import Shares
from .acting import at_own
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
    field_weight : float
        λ, the weight of the field's squared error in the discriminator's loss [length**2]; 0, as in the paper, for a
        discriminator that learns the potential alone.
    """

    exponent: float
    softening: ScheduleConfig
    scale: float = 1.0
    exclude_self: bool = False
    reduction: Reduction = "expectation"
    field_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("exponent", "scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        if self.field_weight < 0:
            raise ValueError(f"field_weight: expected a number that is not negative, got {self.field_weight}")

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

    The potential takes each sample as one point; on several ranks, each computes it at its own points, of the charges
    of all of them unless ``potential`` is local. Beside the memory of the players' passes, there is room for the 2
    ``whole`` samples of a minibatch and what :func:`coulombfield.potential` needs: for images a tile of matrix
    products.
    """

    draws: ClassVar = {"both": ("latent", "real")}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._softening = config.softening.over(self.length)
        for step in (0, self.length):
            Plummer(config.exponent, self._softening(step))  # raises where it is out of range
        batch, xp = self.batch, self.device.xp
        self._samples = xp.empty((2 * batch, *data.shape[1:]), data.dtype)
        self._points = self._samples.reshape(2 * batch, -1)  # the same memory
        one_number = xp.empty((self.acting.whole, 1), data.dtype)
        negative, positive = generated_charges(one_number).weights, real_charges(one_number).weights
        # Generated and real samples of one rank, then those of the next, as the points come.
        self._weights = xp.concatenate([part[:n] for n in self.acting.counts for part in (negative, positive)])
        self._both = Shares(tuple(2 * n for n in self.acting.counts), self.acting.rank)
        alone = self.acting.whole == batch  # then the charges are always these, in memory that is written anew
        self._charges = Charges(self._points, self._weights) if alone else None

    @property
    def second_order(self) -> bool:
        """Where the discriminator learns the field too."""
        return self.config.field_weight > 0

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
            ``discriminator`` (Eq 9, and the field's part where it has a weight) and ``generator`` (Eq 10), 0-d.
        gradients : dict
            Gradient of each player's loss in its own parameters.
        """
        batch, samples, share = self.batch, self._samples, self._share_of_sum
        samples[:batch], generator_cache = self.forward("generator", draws["latent"])
        samples[batch:] = draws["real"]
        values, cache = self.forward("discriminator", samples)

        target, field = self.aside(self._targets)
        loss_d, d_values = potential_regression(values, target, batch, reduction=self.config.reduction)
        if share != 1:
            loss_d, d_values = loss_d * share, d_values * share
        loss_g, d_generated = generator_potential(values[:batch])
        dx, d_discriminator = self.pull_apart("discriminator", cache, d_generated, d_values)
        d_generator = self.pull_dparams("generator", generator_cache, dx)
        if field is not None:
            of_field, d_of_field = self._field_regression(cache, values, field)
            loss_d = loss_d + of_field
            d_discriminator.vector[...] += d_of_field.vector
        losses = {"discriminator": loss_d, "generator": loss_g}
        return losses, {"discriminator": d_discriminator, "generator": d_generator}

    def learned_potential(self, points: Array) -> tuple[Array, Array]:
        """Potential at ``points`` as the discriminator knows it, shape (T,) [length**-d], and its gradient (T, ...)."""
        values, gradient = self.discriminate(points)
        return values / self.config.scale, gradient / self.config.scale

    def schedule(self) -> dict[str, float]:
        """Learning rates and softening at the next update."""
        return {**super().schedule(), "softening": self._softening(self.updates)}

    @property
    def _share_of_sum(self) -> float:
        """What makes this rank's part of a sum over all samples one of a mean: 1 where the loss is a mean itself."""
        return self.whole / self.batch if self.config.reduction == "sum" else 1.0

    def _targets(self) -> tuple[Array, Array | None]:
        """What D and its slope at the minibatch's points ought to be; the field is minus the latter, or None."""
        charges = self._charges or Charges(self.all_acting(self._points, self._both), self._weights)
        scale, rows, exclude_self = self.config.scale, self._both.rows, self.config.exclude_self
        if not self.config.field_weight:
            target = at_own(potential, charges, rows, self.kernel, exclude_self=exclude_self)
            field = None
        else:
            target, field = at_own(potential_and_field, charges, rows, self.kernel, exclude_self=exclude_self)
            field *= scale
        target *= scale
        return target, field

    def _field_regression(self, cache: Pass, values: Array, field: Array) -> tuple[Array, Parameters]:
        """The field's part of the discriminator's loss, and its gradient."""
        player, xp = self.players["discriminator"], self.device.xp
        slopes, kept = player.network.backward_keeping(
            player.params, cache, xp.ones_like(values), workspace=self.workspace
        )
        slopes += field.reshape(slopes.shape)
        weight = self.config.field_weight / (len(values) if self.config.reduction == "expectation" else 1)
        weight *= self._share_of_sum
        loss = 0.5 * weight * xp.square(slopes).sum()
        slopes *= weight
        return loss, player.network.backward_twice(player.params, cache, kept, slopes, workspace=self.workspace)
