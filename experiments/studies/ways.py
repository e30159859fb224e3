"""Four ways to move one generator: its minibatch's field, a discriminator with or without it, and that of all data."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from coulombfield.arrays import Array, Device, to_numpy
from coulombfield.rng import BitGenerator, Streams

from .. import gan_training
from ..gan_training import GANTraining
from ..gans import coulomb, direct
from ..gans.gan import GAN, GANConfig
from ..metrics import energy
from ..metrics.metric import Column
from ..players.optimizer import ScheduleConfig
from ..schema import Kind
from .moving import Frames

WAYS = {
    "minibatch": "the minibatch's field",
    "coulomb": "the Coulomb GAN",
    "coulomb_field": "the Coulomb GAN with the field",
    "all": "the field of all data",
}
"""The ways, and what words and figures call them."""

FloatType = Literal["float32", "float64"]

COSINE = "gradient_cosine"
FRAMES = 24  # updates at which a set is measured; the time between them grows

clock = time.perf_counter


@dataclass(frozen=True, kw_only=True)
class SetConfig:
    """A data set, and the players that learn it in each of the ways.

    Parameters
    ----------
    data : Config
        The data set.
    gan : experiments.gans.coulomb.Config
        The kernel of all ways, and what the discriminators learn; ``field_weight`` is that of the Coulomb GAN that
        learns the field, and of no other.
    generator, discriminator : Config
        The players; the generator is the same in all ways, from its first parameters to its latent vectors.
    metrics : list of Config
        One of them an ``energy``. The columns that a progress bar would show are compared.
    batch : int
        Samples of each kind in a minibatch.
    unbiased : bool
        Whether both fields without a discriminator leave a sample's own charge out, so that they are the same on
        average (see :mod:`experiments.gans.direct`).
    turn : int
        Updates of one way before it is another's turn [updates].
    """

    data: Annotated[Any, Kind("data")]
    gan: coulomb.Config
    generator: Annotated[Any, Kind("players", "GeneratorConfig")]
    discriminator: Annotated[Any, Kind("players", "DiscriminatorConfig")]
    metrics: tuple[Annotated[Any, Kind("metrics")], ...]
    batch: int = 128
    unbiased: bool = True
    turn: int = 100

    def __post_init__(self) -> None:
        for name, least in (("batch", 2), ("turn", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        if not self.gan.field_weight > 0:
            raise ValueError(f"gan.field_weight: expected a positive number, got {self.gan.field_weight}")
        if not any(isinstance(metric, energy.Config) for metric in self.metrics):
            raise ValueError("metrics: expected one of the kind energy")

    def gans(self) -> dict[str, GANConfig]:
        """The GAN of each way."""
        exponent, softening = ScheduleConfig.of_number(self.gan.exponent), self.gan.softening
        minibatch = direct.Config(exponent=exponent, softening=softening, unbiased=self.unbiased)
        return {
            "minibatch": minibatch,
            "coulomb": dataclasses.replace(self.gan, field_weight=0.0),
            "coulomb_field": self.gan,
            "all": dataclasses.replace(minibatch, real="all"),
        }


class Standing(NamedTuple):
    """Where the ways are at some moment.

    Attributes
    ----------
    updates : mapping of str to float
        Updates that each way has done by then.
    seconds : mapping of str to float
        Time that each has spent on them [s].
    measures : mapping of str to mapping
        Measures by name, each by way.
    """

    updates: Mapping[str, float]
    seconds: Mapping[str, float]
    measures: Mapping[str, Mapping[str, float]]


class Contest:
    r"""The four ways on one data set, which go on in turns, with what they have been like.

    All of them start from the same generator and draw the same latent vectors and minibatches. Their turns are short,
    so that whatever else a machine does slows all of them alike; what compiling takes is nobody's time.

    How noisy an update is, is the cosine between its gradient in the generator's parameters and the energy's,

    .. math:: \frac{\partial F}{\partial\theta} = \mathbb{E}\Bigl[\frac{\partial \hat F}{\partial\theta}\Bigr],

    the mean over many minibatches of the gradient in the field of all data (see :mod:`experiments.gans.direct`).

    Parameters
    ----------
    config : SetConfig
        What is learned, and by whom.
    turns : int
        How often :meth:`advance` will be called.
    gradients : int
        Minibatches behind the energy's gradient.
    seed : int
        Of all random numbers.
    bit_generator : {"sfc64", "philox"}
        Of the random streams of training.
    dtype : str
        Floating-point type.
    device : Device
        Where.
    """

    def __init__(
        self,
        config: SetConfig,
        *,
        turns: int,
        gradients: int,
        seed: int,
        bit_generator: BitGenerator,
        dtype: FloatType,
        device: Device,
    ):
        self.config, self._gradients, self._seed, self._bit_generator = config, gradients, seed, bit_generator
        self._updates, self._dtype, self._device = turns * config.turn, dtype, device
        self._gans = config.gans()
        self.ways = {name: self._build(name) for name in WAYS}
        self._judge = self._build("all")
        self.turns = 0
        self._seconds = dict.fromkeys(WAYS, 0.0)
        self._warm = False
        self._frames = Frames(turns, FRAMES, growing=True)
        self.keep()

    @property
    def training(self) -> GANTraining:
        """The way that has the field of all data, which knows the data set and its metrics as all of them do."""
        return self.ways["all"]

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What is measured of each way, by name."""
        cosine = Column(f"Cosine between an update's gradient and the energy's, by {self._gradients} minibatches.")
        return {name: self.training.metrics[name] for name in self.training.headline} | {COSINE: cosine}

    def advance(self) -> dict[str, float]:
        """One turn of each way; returns the loss of each generator."""
        if not self._warm:
            for name in WAYS:
                _wait(self._build(name).step())
            self._warm = True
        losses = {}
        for name, way in self.ways.items():
            start = clock()
            for _ in range(self.config.turn):
                last = way.step()
            losses[name] = _wait(last)
            self._seconds[name] += clock() - start
        self.turns += 1
        return losses

    def keep(self) -> None:
        """Measure all ways, if this is one of the turns for it."""
        if self._frames.wants(self.turns):
            values = self._measure()
            seconds = [self._seconds[name] for name in WAYS]
            measures = [[values[measure][name] for name in WAYS] for measure in self.columns]
            self._frames.keep(turns=self.turns, seconds=seconds, measures=measures)

    def measures(self) -> Mapping[str, Mapping[str, float]]:
        """All measures as of now, each by way."""
        if self._frames["turns"][-1] != self.turns:
            return self._measure()
        return self._named(self._frames["measures"][-1])

    def history(self) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:
        """Updates, and for each way seconds, and for each measure and way values, at all moments that were kept."""
        seconds, values = self._frames["seconds"], self._frames["measures"]
        updates = self._frames["turns"] * self.config.turn
        by_way = {name: seconds[:, index] for index, name in enumerate(WAYS)}
        measures = {
            measure: {name: values[:, row, index] for index, name in enumerate(WAYS)}
            for row, measure in enumerate(self.columns)
        }
        return updates, by_way, measures

    def now(self) -> Standing:
        """All ways after the same updates."""
        return Standing(dict.fromkeys(WAYS, float(self.turns * self.config.turn)), dict(self._seconds), self.measures())

    def in_the_same_time(self) -> Standing:
        """All ways when the fastest had done its updates; between moments that were kept, on a straight line."""
        updates, seconds, measures = self.history()
        time = min(values[-1] for values in seconds.values())
        return Standing(
            {name: float(np.interp(time, seconds[name], updates)) for name in WAYS},
            dict.fromkeys(WAYS, float(time)),
            {
                measure: {name: float(np.interp(time, seconds[name], values[name])) for name in WAYS}
                for measure, values in measures.items()
            },
        )

    def samples(self, count: int) -> dict[str, np.ndarray]:
        """Samples of each way from the same latent vectors."""
        return {name: way.sample(count, Streams(self._seed).stream("evaluation")) for name, way in self.ways.items()}

    def state(self) -> dict[str, Any]:
        """What going on bit for bit needs, but for the time that it takes."""
        ways = {name: way.state() for name, way in self.ways.items()}
        return {"ways": ways, "turns": self.turns, "seconds": dict(self._seconds), "frames": self._frames.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what :meth:`state` gave."""
        for name, way in self.ways.items():
            way.load_state(state["ways"][name])
        self.turns, self._seconds = state["turns"], dict(state["seconds"])
        self._frames.load_state(state["frames"])

    def _build(self, way: str) -> GANTraining:
        """A way at its start."""
        gan, config = self._gans[way], self.config
        players = {name: getattr(config, name) for name in gan.players}
        training = gan_training.TrainingConfig(
            updates=self._updates, batch=config.batch, bit_generator=self._bit_generator
        )
        whole = gan_training.Config(
            training, config.data, gan, players, config.metrics, seed=self._seed, dtype=self._dtype
        )
        return gan_training.build(whole, self._device, Streams(self._seed, bit_generator=self._bit_generator))

    def _measure(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {name: {} for name in self.columns}
        for name, way in self.ways.items():
            values = {**way.evaluate(), COSINE: self._gradient_cosine(way.gan)}
            for measure in found:
                found[measure][name] = float(values[measure])
        return found

    def _named(self, values: np.ndarray) -> dict[str, dict[str, float]]:
        return {
            measure: {name: float(row[index]) for index, name in enumerate(WAYS)}
            for measure, row in zip(self.columns, values, strict=True)
        }

    def _gradient_cosine(self, gan: GAN) -> float:
        """Mean cosine between gradients of a way's generator, each of a minibatch, and that of the energy."""
        judge = self._judge.gan
        judge.generator.params.vector[...] = gan.generator.params.vector
        judge.updates = gan.updates  # the same softening
        of_energy = np.mean(list(_gradients(judge, self._gradients, Streams(self._seed))), axis=0)
        # Other minibatches than those of the energy's gradient, which would agree with theirs.
        single = _gradients(gan, max(1, self._gradients // 4), Streams(self._seed + 1))
        return float(np.mean([_cosine(one, of_energy) for one in single]))


def _gradients(gan: GAN, count: int, streams: Streams) -> Any:
    """Gradients of a GAN's generator on some minibatches, float64 on the host; the GAN stays as it is."""
    (move,) = gan.draws
    own, gan.streams = gan.streams, streams
    try:
        for _ in range(count):
            draws: dict[str, Array] = {name: getattr(gan, f"draw_{name}")() for name in gan.draws[move]}
            gan.workspace.release(0)
            yield to_numpy(gan.gradients(move, **draws)[1]["generator"].vector).astype(np.float64)
    finally:
        gan.streams = own


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else 0.0


def _wait(losses: Mapping[str, Array]) -> float:
    """The generator's loss, which takes until the device has done all that it was asked."""
    return float(to_numpy(losses["generator"]))
