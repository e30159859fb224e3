r"""No discriminator: the generator descends the energy of its minibatch (Eqs 33 and 34, Section 2.4).

The loss is the energy of the minibatch's own charges, of which the Coulomb GAN's discriminator learns the potential:

.. math:: L_G = \hat F = \frac12 \Bigl(\frac{1}{N^2} \sum_{ij} k(y_i, y_j) - \frac{2}{N^2} \sum_{ij} k(y_i, x_j)
                + \frac{1}{N^2} \sum_{ij} k(x_i, x_j)\Bigr)

A sample moves the mean over its own kind twice and that over both kinds once, so that

.. math:: \frac{\partial \hat F}{\partial x_i} = -\frac1N \nabla\hat\Phi(x_i) = \frac1N \hat E(x_i),

the field of Eq 34 at the sample, which the generator's backward pass pulls to its parameters. Unbiased, the U-statistic
leaves out the terms i = j and has N - 1 for one N of the sums over one kind. Half of the squared maximum mean
discrepancy under a Plummer kernel; see :mod:`~experiments.gans.mmd_net` for Gaussian ones.

With ``real = "all"`` the y are the whole training set, whose field is summed, or tabulated, once for many updates.
Nothing but the samples is then drawn. With p_y the training set's distribution and p_x(theta) that of G(z), the energy
is :math:`F = \frac12 \iint (p_y - p_x)(a)\,k(a, b)\,(p_y - p_x)(b)`, and since k is symmetric,

.. math:: \frac{\partial F}{\partial\theta} = -\int \Phi\,\frac{\partial p_x}{\partial\theta}
                = -\frac{\partial}{\partial\theta}\,\mathbb{E}_z\bigl[\Phi(G_\theta(z))\bigr]_{\Phi\text{ held}}
                = \mathbb{E}_z\Bigl[E(G(z)) \cdot \frac{\partial G(z)}{\partial\theta}\Bigr],
                \qquad \Phi = \int k\,(p_y - p_x):

the gradient of E[-Phi(G(z))] with the charges that make Phi held where they are. A minibatch's mean over z of that with
the other N - 1 samples for p_x has this expectation, so that the gradient is unbiased; see the check
``direct gradient`` of ``python -m validation equations``.

Notes
-----
The paper calls the minibatch's field infeasible (Section 2.4), since a minibatch is too small a sample of the field; a
discriminator averages over many. The field of all data is exact at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from coulombfield import (
    Charges,
    Plummer,
    TabulatedField,
    generated_charges,
    potential,
    potential_and_field,
    real_charges,
)
from coulombfield.arrays import Array
from coulombfield.sums import unwatched

from ..data.dataset import Source
from ..players.optimizer import ScheduleConfig
from ..players.player import Player, Role, Shape
from .acting import at_own
from .gan import GAN, GANConfig, Gradients, Losses

TABLES = 24
"""Tables in a run: between two of them, exponent and softening stay as they are."""
TABULATED = 3
"""Dimensions up to which there are tables."""


@dataclass(frozen=True, kw_only=True)
class Config(GANConfig):
    """The field that moves the samples.

    Parameters
    ----------
    exponent : ScheduleConfig
        d of Eq 5; the authors' "dimension 3" is exponent 1. A number for one that stays.
    softening : ScheduleConfig
        Softening length of Eq 5 [length].
    own_softening : float
        Least softening between samples in the first part of the run [length]; 0 for that of the data always.
        Where it is more than ``softening``, samples repel each other more softly than the data attract them: they
        contract to the data's modes, and fewer are left between them.
    own_share : float
        How much of the run's updates that part is, below 1.
    unbiased : bool
        Whether pairs of a sample with itself are left out, and N - 1 stands for one N; Eq 33 has them.
    real : {"minibatch", "all"}
        Which real charges make the field: new ones at each update, or the whole training set.
    real_batch : int
        ``minibatch`` only: how many; 0 for as many as samples.
    rtol : float
        ``all`` only, in up to three dimensions: error that is allowed of their field; 0 for exact sums in each update.
    """

    players: ClassVar[tuple[str, ...]] = ("generator",)
    tied_to_length: ClassVar[tuple[str, ...]] = ("own_share",)

    exponent: ScheduleConfig
    softening: ScheduleConfig
    own_softening: float = 0.0
    own_share: float = 0.0
    unbiased: bool = False
    real: Literal["minibatch", "all"] = "minibatch"
    real_batch: int = 0
    rtol: float = 1e-3

    def __post_init__(self) -> None:
        if self.own_softening < 0:
            raise ValueError(f"own_softening: expected a number that is not negative, got {self.own_softening}")
        if not 0 <= self.own_share < 1:
            raise ValueError(f"own_share: expected a number in [0, 1), got {self.own_share}")
        if bool(self.own_softening) != bool(self.own_share):
            raise ValueError(
                f"own_share: expected with an own_softening and only there, got {self.own_share} with "
                f"{self.own_softening}"
            )
        if self.real_batch < 0:
            raise ValueError(f"real_batch: expected a number that is not negative, got {self.real_batch}")
        if self.real_batch and self.real == "all":
            raise ValueError(f"real_batch: expected with real = minibatch only, got {self.real_batch} with all")
        if self.rtol and not 1e-4 <= self.rtol <= 0.1:
            raise ValueError(f"rtol: expected 0, or from 1e-4 to 0.1, got {self.rtol}")
        if self.rtol != 1e-3 and self.real != "all":
            raise ValueError(f"rtol: expected with real = all only, got {self.rtol} with {self.real}")

    def roles(self, latent: int, sample: Shape) -> dict[str, Role]:
        """The generator is alone."""
        return {"generator": Role((latent,), sample)}

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> Direct:
        """The generator at its start; an unbiased energy needs two samples of each kind."""
        if self.unbiased and setting["batch"] < 2:
            raise ValueError(f"unbiased: expected false with a batch of {setting['batch']}, got true")
        if self.unbiased and self.real_batch == 1:
            raise ValueError("unbiased: expected false with a real_batch of 1, got true")
        return (Direct if self.real == "minibatch" else DirectOfAll)(self, players, data, **setting)


class Direct(GAN):
    """A generator in the field of its minibatch; the parameters are those of :class:`~experiments.gans.gan.GAN`."""

    draws: ClassVar = {"generator": ("latent", "real")}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._real_shares = self.ranks.shares(config.real_batch or self.whole)
        self._exponent, self._softening = config.exponent.over(self.length), config.softening.over(self.length)
        self._kernel_at(self.length)  # raises where the last one, or the first, is out of range
        self._kernel_at(0)
        self._own_until = round(config.own_share * self.length)
        if config.own_softening:
            self._check_own()

    @property
    def kernel(self) -> Plummer:
        """Kernel of the field at the next update."""
        return self._kernel_at(self.updates)

    @property
    def own_kernel(self) -> Plummer:
        """Kernel of the samples' field at each other."""
        kernel, own = self.kernel, self.config.own_softening
        return Plummer(kernel.exponent, own) if self.updates < self._own_until and own > kernel.softening else kernel

    def draw_real(self) -> Array:
        """Real samples of this rank's part of a minibatch, shape (real_batch, ...) where there is one rank."""
        return self.data.draw(self._real_shares.own, self.stream("minibatch"))

    def gradients(self, move: str, **draws: Array) -> tuple[Losses, Gradients]:
        """Energy of one minibatch, and its gradient in the generator's parameters.

        Parameters
        ----------
        move : str
            There is but one.
        latent : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (real_batch, ...)
            Real samples [length], where they are drawn.

        Returns
        -------
        losses : dict
            ``generator``, the energy [charge² · length**-d], 0-d; if all real charges make the field, without the
            data's own part, which the generator does not change. While ``own_softening`` acts, the samples' own part is
            of that kernel.
        gradients : dict
            Its gradient in the generator's parameters.
        """
        samples, cache = self.forward("generator", draws["latent"])
        x = samples.reshape(self.batch, -1)
        energy, dx = self.aside(lambda: self._energy(x, **draws))
        gradient = self.pull_dparams("generator", cache, dx.reshape(samples.shape))
        return {"generator": energy}, {"generator": gradient}

    def schedule(self) -> dict[str, float]:
        """Learning rate, exponent and softening at the next update."""
        kernel = self.kernel
        own = {"own_softening": self.own_kernel.softening} if self.config.own_softening else {}
        return {**super().schedule(), "exponent": kernel.exponent, "softening": kernel.softening, **own}

    def _check_own(self) -> None:
        """Raise unless the samples' own softening is one of a kernel, and acts at the end of its part at least."""
        own, last = self.config.own_softening, self._own_until
        try:
            Plummer(self._exponent(last), own)
            Plummer(self._exponent(0), own)
        except ValueError as error:
            raise ValueError(f"own_softening: {error}") from None
        if own <= self._softening(last):
            raise ValueError(
                f"own_softening: expected more than the softening of update {last}, {self._softening(last):.3g}, "
                f"got {own}"
            )

    def _kernel_at(self, step: int) -> Plummer:
        return Plummer(self._exponent(step), self._softening(step))

    def _others(self, count: int) -> float:
        """What makes a mean over all pairs of so many samples one over pairs of different ones, if that is asked."""
        return count / (count - 1) if self.config.unbiased else 1.0

    def _energy(self, x: Array, **draws: Array) -> tuple[Array, Array]:
        """Energy of samples, and its gradient."""
        every_x, rows = self.all_acting(x), self.acting.rows
        own = Charges(every_x, self._others(len(every_x)) * generated_charges(every_x).weights)
        of_own, dx = at_own(potential_and_field, own, rows, self.own_kernel, exclude_self=self.config.unbiased)
        of_data, of_real, field_of_real = self._real_part(x, **draws)
        dx += field_of_real
        dx *= 1 / self.batch
        return of_data - 0.5 * of_own.mean() - of_real.mean(), dx

    def _real_part(self, x: Array, **draws: Array) -> tuple[Array | float, Array, Array]:
        """Energy of the real charges among themselves, and their potential and field at the samples."""
        real = draws["real"]
        acting = self.acting_of(self._real_shares)
        charges = real_charges(self.all_acting(real.reshape(len(real), -1), acting))
        at_real = at_own(potential, charges, acting.rows, self.kernel, exclude_self=self.config.unbiased)
        # Means over ranks have the shares of generated samples; this makes of them those of real ones.
        share = self._real_shares.own * self.whole / (self._real_shares.whole * self.batch)
        of_data = 0.5 * self._others(acting.whole) * at_real.mean() * share
        return of_data, *unwatched(potential_and_field, x, charges, self.kernel)


class DirectOfAll(Direct):
    """A generator in the field of the whole training set and its own minibatch."""

    draws: ClassVar = {"generator": ("latent",)}

    def __init__(self, config: Config, players: Mapping[str, Player], data: Source, **setting: Any):
        super().__init__(config, players, data, **setting)
        self._tabulated = config.rtol > 0 and math.prod(data.shape[1:]) <= TABULATED
        self._made: TabulatedField | SummedField | None = None

    @property
    def kernel(self) -> Plummer:
        """Kernel of the field at the next update; where there are tables, that of the last one that was due."""
        if not self._tabulated or "exponential" not in (self.config.exponent.kind, self.config.softening.kind):
            return super().kernel
        return self._kernel_at(min(self.updates * TABLES // self.length, TABLES - 1) * self.length // TABLES)

    def _real_part(self, x: Array, **draws: Array) -> tuple[Array | float, Array, Array]:
        if self._made is None or self._made.kernel != self.kernel:
            self._made = self._make(self.kernel)
        return 0.0, *self._made(x)

    def _make(self, kernel: Plummer) -> TabulatedField | SummedField:
        """The data's field; by sums where the kernel is too sharp for a table."""
        if not self._tabulated:
            return SummedField(self.data, kernel)
        points = self.device.xp.concatenate([block.reshape(len(block), -1) for block in self.data.blocks()])
        try:
            return TabulatedField(real_charges(points), kernel, rtol=self.config.rtol)
        except ArithmeticError:
            return SummedField(self.data, kernel, self.config.rtol)


class SummedField:
    """Potential and field of a training set by sums over its blocks.

    Parameters
    ----------
    data : Source
        The training set.
    kernel : Plummer
        The kernel.
    rtol : float, optional
        Error that is allowed; without it, sums are exact.
    """

    def __init__(self, data: Source, kernel: Plummer, rtol: float | None = None):
        self.kernel, self._data, self._rtol = kernel, data, rtol

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """Both at points of shape (T, m): shapes (T,) and (T, m)."""
        phi, field, count = 0.0, 0.0, 0
        for block in self._data.blocks():
            charges = real_charges(block.reshape(len(block), -1))
            if self._rtol is None:
                of_block, field_of_block = unwatched(potential_and_field, points, charges, self.kernel)
            else:
                of_block, field_of_block = potential_and_field(points, charges, self.kernel, rtol=self._rtol)
            phi, field = phi + len(block) * of_block, field + len(block) * field_of_block
            count += len(block)
        return phi / count, field / count
