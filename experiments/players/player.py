"""A player of a GAN: its network, parameters and optimizer, and how they are made from settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from coulombfield.arrays import Array, Device, module_of
from coulombfield.rng import RandomGenerator
from nets.network import Network
from nets.optimizers import add_l2
from nets.parameters import Parameters
from nets.running import in_groups_of, over_processes

from ..ranks.alone import Exchange, Ranks, Shares
from .optimizer import OptimizerConfig

Shape = tuple[int, ...]


class Role(NamedTuple):
    """What a GAN asks of one of its players.

    Attributes
    ----------
    input, output : tuple of int
        Shapes of one sample of what the network takes and of what it gives.
    """

    input: Shape
    output: Shape


@dataclass(frozen=True, kw_only=True)
class PlayerConfig:
    """What every player is told; a subclass makes the network.

    Parameters
    ----------
    optimizer : OptimizerConfig
        How it learns.
    """

    optimizer: OptimizerConfig

    def network(self, role: Role) -> Network:
        """The network for a role.

        Raises
        ------
        ValueError
            If there is none of such an input or output.
        """
        raise NotImplementedError

    def build(
        self, role: Role, batch: int, updates: int, rng: np.random.Generator, dtype: str, device: Device
    ) -> Player:
        """The player at its start.

        Parameters
        ----------
        role : Role
            What the GAN asks of it.
        batch : int
            Samples of a minibatch: batch-norm takes its statistics over each so many successive ones, so that generated
            and real samples can pass together as if each came alone.
        updates : int
            Length of its schedules [updates].
        rng : numpy.random.Generator
            Draws the parameters.
        dtype : str
            Their type.
        device : Device
            Where they are.

        Raises
        ------
        ValueError
            If the network does not fit the role.
        """
        network = in_groups_of(self.checked_network(role), batch)
        return Player(network, network.initialize(rng, dtype, device.xp), self.optimizer, updates)

    def checked_network(self, role: Role) -> Network:
        """The network for a role, or a ValueError where it takes or gives something else."""
        network = self.network(role)
        output = network.output_shape(role.input)
        if output != role.output:
            raise ValueError(f"kind: its network gives {output} for {role.input}, where the GAN needs {role.output}")
        return network


@dataclass(frozen=True, kw_only=True)
class LatentConfig(PlayerConfig):
    """What every generator is told beside.

    Parameters
    ----------
    latent : int
        Width of the latent vectors.
    prior : {"normal", "uniform"}
        Their distribution: N(0, I), or uniform on [-1, 1].
    signs : int
        How many of their numbers, the last ones, are a sign times ``sign_size`` instead, each sign as likely: latent
        vectors then lie apart, and a generator need not tear one cloud into the modes of its data.
    sign_size : float
        Size of these numbers.
    average : float
        Decay of an exponential moving average of the parameters, with which samples are drawn; 0 for none.
    """

    latent: int
    prior: Literal["normal", "uniform"] = "normal"
    signs: int = 0
    sign_size: float = 1.0
    average: float = 0.0

    def __post_init__(self) -> None:
        if self.latent < 1:
            raise ValueError(f"latent: expected at least 1, got {self.latent}")
        if not 0 <= self.signs <= self.latent:
            raise ValueError(f"signs: expected from 0 to {self.latent}, that of latent, got {self.signs}")
        if not self.sign_size > 0:
            raise ValueError(f"sign_size: expected a positive number, got {self.sign_size}")
        if self.sign_size != 1 and not self.signs:
            raise ValueError(f"sign_size: expected with signs only, got {self.sign_size}")
        if not 0 <= self.average < 1:
            raise ValueError(f"average: expected a number in [0, 1), got {self.average}")

    def build(
        self, role: Role, batch: int, updates: int, rng: np.random.Generator, dtype: str, device: Device
    ) -> Generator:
        """The generator at its start; its batch-norm takes the statistics of a whole batch, however large."""
        network = self.checked_network(role)
        return Generator(network, network.initialize(rng, dtype, device.xp), self, updates)


class Player:
    """One network in training.

    Parameters
    ----------
    network : Network
        What is trained.
    params : Parameters
        Its parameters, updated in place.
    config : OptimizerConfig
        How.
    updates : int
        Length of the schedules [updates].

    Attributes
    ----------
    alone : Network
        The network with batch-norms that know of no other process, for samples and figures.
    """

    def __init__(self, network: Network, params: Parameters, config: OptimizerConfig, updates: int):
        self.network = self.alone = network
        self.params = params
        self.optimizer = config.over(params, updates)
        self._l2 = config.l2
        # Before its channels, a kernel has one or two axes of places, and a dense layer's weights have none.
        least = 2 if config.l2_on == "kernels" else 1
        weights = [name for name in params if name.endswith("weight")]
        self._decayed = [name for name in weights if math.prod(params[name].shape[:-2]) >= least]

    def divide(self, ranks: Ranks, shares: Shares, *, batch_norm: str) -> None:
        """Train with minibatches of which this rank has a part.

        Parameters
        ----------
        ranks : Ranks
            Who trains together.
        shares : Shares
            Who has how many samples.
        batch_norm : {"global", "local"}
            Whether batch-norms take statistics over the samples of all ranks or over each rank's own.
        """
        network = self._grouped(shares.own)
        self.network = over_processes(network, Exchange(ranks, shares)) if batch_norm == "global" else network

    def _grouped(self, samples: int) -> Network:
        """The network for minibatches of so many samples of each kind, of which both kinds may come together."""
        return in_groups_of(self.alone, samples)

    def update(self, gradient: Parameters) -> None:
        """One step against the gradient, which takes up the weight decay."""
        if self._l2:
            add_l2(gradient, self.params, self._l2, self._decayed)
        self.optimizer.update(gradient)

    def state(self) -> dict[str, Any]:
        """Parameters by name, and optimizer."""
        return {"parameters": dict(self.params), "optimizer": self.optimizer.state()}

    def load_state(self, state: Mapping[str, Any], put: Any) -> None:
        """Continue from :meth:`state`, given as host arrays that ``put`` copies to the device."""
        self.load_parameters(state, put)
        moments = {key: put(value) if key != "step" else value for key, value in state["optimizer"].items()}
        self.optimizer.load_state(moments)

    def load_parameters(self, state: Mapping[str, Any], put: Any) -> None:
        """Take over the parameters of :meth:`state`, and leave the optimizer as it is.

        Raises
        ------
        ValueError
            If names or shapes are others.
        """
        load_named(self.params, state["parameters"], put)


class Generator(Player):
    r"""The player that makes samples from latent vectors.

    Parameters
    ----------
    network : Network
        What is trained.
    params : Parameters
        Its parameters, updated in place.
    config : LatentConfig
        Latent vectors, average and optimizer.
    updates : int
        Length of the schedules [updates].

    Attributes
    ----------
    averaged : Parameters
        Those to draw samples with: the moving average :math:`\bar\theta \leftarrow \bar\theta + (1 - a)(\theta -
        \bar\theta)` of the parameters, or themselves where there is none.
    """

    def __init__(self, network: Network, params: Parameters, config: LatentConfig, updates: int):
        super().__init__(network, params, config.optimizer, updates)
        self.latent, self.prior, self._average = config.latent, config.prior, config.average
        self._signs, self._sign_size = config.signs, config.sign_size
        self.averaged = Parameters(params.layout, params.vector.copy()) if config.average else params

    def draw_latent(self, count: int, rng: RandomGenerator) -> Array:
        """Latent vectors, shape (count, latent), where ``rng`` draws."""
        shape, dtype = (count, self.latent), self.params.vector.dtype
        if self.prior == "normal":
            z: Array = rng.standard_normal(shape, dtype=dtype)
        else:
            z = rng.random(shape, dtype=dtype)
            z *= 2
            z -= 1
        if self._signs:
            signs = z[:, -self._signs :]
            module_of(z).copysign(self._sign_size, signs, out=signs)
        return z

    def _grouped(self, samples: int) -> Network:
        """The network, whose batch-norm takes the statistics of a whole batch, however large."""
        return self.alone

    def update(self, gradient: Parameters) -> None:
        """One step, after which the average follows."""
        super().update(gradient)
        if self._average:
            self.averaged.vector += (1 - self._average) * (self.params.vector - self.averaged.vector)

    def state(self) -> dict[str, Any]:
        """Parameters, their average where there is one, and optimizer."""
        return super().state() | ({"averaged": dict(self.averaged)} if self._average else {})

    def load_parameters(self, state: Mapping[str, Any], put: Any) -> None:
        """Take over parameters and average; parameters that come without one are their own average."""
        super().load_parameters(state, put)
        if self._average:
            load_named(self.averaged, state.get("averaged", state["parameters"]), put)


def load_named(params: Parameters, values: Mapping[str, Array], put: Any = lambda array: array) -> None:
    """Write named host arrays into parameters, which are left as they are where a name or a shape is another.

    Raises
    ------
    ValueError
        If a parameter is missing, unknown, or of another shape.
    """
    shapes = params.layout.shapes
    if values.keys() != shapes.keys():
        missing, unknown = sorted(shapes.keys() - values.keys()), sorted(values.keys() - shapes.keys())
        raise ValueError(f"parameters: missing {missing or 'none'}, unknown {unknown or 'none'}")
    for name, shape in shapes.items():
        if values[name].shape != shape:
            raise ValueError(f"parameters: expected {name} of shape {shape}, got {values[name].shape}")
    for name in shapes:
        params[name][...] = put(values[name])


def image_shape(shape: Shape) -> tuple[int, int]:
    """Side and channels of square images (H, W, C).

    Raises
    ------
    ValueError
        If samples of this shape are no square images.
    """
    if len(shape) != 3 or shape[0] != shape[1]:
        raise ValueError(f"kind: its network is for square images, not for samples of shape {shape}")
    return shape[0], shape[2]
