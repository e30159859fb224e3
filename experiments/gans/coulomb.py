"""The Coulomb GAN's update (Algorithm 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from coulombfield import Charges, Plummer, generated_charges, potential, real_charges
from coulombfield.arrays import Array, Device
from coulombfield.rng import Streams
from nets.losses import Reduction, generator_potential, potential_regression
from nets.network import first_rows
from nets.parameters import Parameters
from nets.workspace import Workspace

from ..players.player import Player, ScheduleConfig


@dataclass(frozen=True)
class PotentialConfig:
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


@runtime_checkable
class Source(Protocol):
    """A training set that gives minibatches, where it is no array on the device."""

    dtype: np.dtype
    shape: tuple[int, ...]

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Real samples, shape (count, ...), on the device."""


class ArraySource:
    """A training set on the device, drawn from with replacement."""

    def __init__(self, data: Array, device: Device):
        self._data, self._device = data, device
        self.dtype, self.shape = data.dtype, data.shape

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Random samples, shape (count, ...)."""
        index = rng.integers(0, len(self._data), count)
        return self._data.take(self._device.put(index), axis=0)


class CoulombGAN:
    """Both players of a Coulomb GAN and one update of them (Algorithm 1).

    Parameters
    ----------
    generator, discriminator : Player
        The generator maps latent vectors to samples, the discriminator samples to one number. Where the
        discriminator has batch-norm, its minibatch is two groups: the generated samples, then the real ones.
    data : array or Source
        Training set: an array on the device, of shape (count, ...) with the shape of a sample behind the first axis,
        such as (count, m) for points and (count, H, W, C) for images; or what gives minibatches of these.
    latent : int
        Width of the latent vectors, drawn from N(0, I).
    batch : int
        N_x = N_y, the number of generated and of real samples in a minibatch.
    config : PotentialConfig
        What the discriminator learns.
    updates : int
        Length of the schedules [updates].
    device : Device
        Where to compute.
    streams : Streams
        Source of the latent vectors and the minibatches.

    Notes
    -----
    The discriminator sees a minibatch once, generated and real samples together, and both players use that pass:
    its gradient uses the whole, the generator's the generated rows.

    The potential takes each sample as one point. Beside the memory of the players' passes, there is room for the 2
    ``batch`` samples of a minibatch and what :func:`coulombfield.potential` needs: for images a tile of matrix
    products.
    """

    def __init__(
        self,
        generator: Player,
        discriminator: Player,
        data: Array | Source,
        *,
        latent: int,
        batch: int,
        config: PotentialConfig,
        updates: int,
        device: Device,
        streams: Streams,
    ):
        self.generator, self.discriminator = generator, discriminator
        self._workspace = Workspace()  # one for both: their passes take turns, and most of it is scratch
        self.data, self.latent, self.batch = data, latent, batch
        self.config = config
        self._softening = config.softening.over(updates)
        self._device, self._streams = device, streams
        self._source = data if isinstance(data, Source) else ArraySource(data, device)
        self._z = np.empty((batch, latent), data.dtype)
        self._samples = device.xp.empty((2 * batch, *data.shape[1:]), data.dtype)
        points = self._samples.reshape(2 * batch, -1)  # the same memory
        weights = generated_charges(points[:batch]).weights, real_charges(points[batch:]).weights
        self._charges = Charges(points, device.xp.concatenate(weights))

    @property
    def updates(self) -> int:
        """Updates done."""
        return self.generator.optimizer.step

    @property
    def softening(self) -> float:
        """Softening length at the next update [length]."""
        return self._softening(self.updates)

    def step(self) -> dict[str, Array]:
        """One update of both players on one minibatch; returns their losses."""
        losses, d_generator, d_discriminator = self.gradients(self._draw_latent(), self._draw_real())
        self.discriminator.update(d_discriminator)
        self.generator.update(d_generator)
        return losses

    def gradients(self, z: Array, real: Array) -> tuple[dict[str, Array], Parameters, Parameters]:
        """Losses of both players on one minibatch, and their gradients.

        Parameters
        ----------
        z : array, shape (batch, latent)
            Latent vectors.
        real : array, shape (batch, ...)
            Real samples [length].

        Returns
        -------
        losses : dict
            ``discriminator`` (Eq 9) and ``generator`` (Eq 10), 0-d.
        d_generator, d_discriminator : Parameters
            Gradient of each player's loss in its own parameters; valid until the next call.
        """
        generator, discriminator, batch, samples = self.generator, self.discriminator, self.batch, self._samples
        x, generator_cache = generator.network.forward(generator.params, z, self._workspace)
        samples[:batch] = x
        samples[batch:] = real
        values, cache = discriminator.network.forward(discriminator.params, samples, self._workspace)

        loss_g, d_generated = generator_potential(values[:batch])
        dx, _ = discriminator.network.backward(
            discriminator.params,
            first_rows(cache, batch),
            d_generated,
            need_dparams=False,
            workspace=self._workspace,
        )
        _, d_generator = generator.network.backward(
            generator.params, generator_cache, dx, need_dx=False, workspace=self._workspace
        )
        loss_d, d_values = potential_regression(values, self._target(), batch, reduction=self.config.reduction)
        _, d_discriminator = discriminator.network.backward(
            discriminator.params, cache, d_values, need_dx=False, workspace=self._workspace
        )
        return {"discriminator": loss_d, "generator": loss_g}, d_generator, d_discriminator

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Generated samples, shape (count, ...), on the device: one batch to a generator that has batch-norm."""
        z = rng.standard_normal((count, self.latent), dtype=self.data.dtype)
        samples, _ = self.generator.network.forward(self.generator.params, self._device.put(z))
        return samples

    def learned_potential(self, points: Array) -> tuple[Array, Array]:
        """Potential at ``points`` as the discriminator knows it, shape (T,) [length**-d], and its gradient (T, ...)."""
        network, params = self.discriminator.network, self.discriminator.params
        values, cache = network.forward(params, points)
        gradient, _ = network.backward(params, cache, self._device.xp.ones_like(values), need_dparams=False)
        return values[:, 0] / self.config.scale, gradient / self.config.scale

    def schedule(self) -> dict[str, float]:
        """Learning rates and softening at the next update."""
        return {
            "rate_generator": self.generator.optimizer.rate(self.updates),
            "rate_discriminator": self.discriminator.optimizer.rate(self.updates),
            "softening": self.softening,
        }

    def state(self) -> dict[str, Any]:
        """Players and random streams."""
        return {
            "generator": self.generator.state(),
            "discriminator": self.discriminator.state(),
            "streams": json.dumps(self._streams.state()),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`, whose arrays come from the host."""
        self.generator.load_state(state["generator"], self._device.put)
        self.discriminator.load_state(state["discriminator"], self._device.put)
        self._streams = Streams.restore(json.loads(state["streams"]))

    def _draw_latent(self) -> Array:
        self._streams.stream("latent").standard_normal(out=self._z, dtype=self._z.dtype)
        return self._device.put(self._z)

    def _draw_real(self) -> Array:
        return self._source.draw(self.batch, self._streams.stream("minibatch"))

    def _target(self) -> Array:
        kernel = Plummer(self.config.exponent, self.softening)
        target = potential(self._charges.positions, self._charges, kernel, exclude_self=self.config.exclude_self)
        target *= self.config.scale
        return target
