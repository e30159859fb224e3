"""The GAN experiment: a data set, a GAN, its players and a list of metrics, each chosen by its kind."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from coulombfield.arrays import Array, Device, float32_products, to_numpy
from coulombfield.rng import Streams
from nets.running import has_batch_norm
from nets.schedules import Scaled

from . import UserError, forms, registry
from .figures.style import Figure
from .gans.gan import streams_of
from .metrics.metric import Column, Metric
from .plateau import PlateauConfig, Plateaus
from .players.optimizer import ScheduleConfig
from .players.player import Player
from .ranks.alone import ALONE, Ranks, Shares
from .ranks.world import world
from .runs.loop import LoopConfig
from .runs.provenance import digest
from .schema import ConfigError, Kind, Tables, instances


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(LoopConfig):
    """How long, and how much at a time.

    Parameters
    ----------
    updates : int
        Number of updates of all players [updates].
    batch : int
        Samples of each kind in a minibatch [samples].
    tf32 : bool
        Whether a GPU may round the factors of the networks' products to TF32, 10 bits, for the speed of its tensor
        cores. It has no meaning on a CPU and in float64.
    graph : bool
        Whether a GPU launches a move of small networks as one, as CUDA graphs. The numbers are the same.
    """

    batch: int = 128
    tf32: bool = False
    graph: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < 1:
            raise ValueError(f"batch: expected at least 1, got {self.batch}")


def _players(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of a GAN's players; the file of a network has a configuration for each role that it can play."""
    return {name: Annotated[Any, Kind("players", f"{name.capitalize()}Config")] for name in values["gan"].players}


@dataclass(frozen=True, kw_only=True)
class RanksConfig:
    """What the processes of a training have in common, where there are several.

    Parameters
    ----------
    potential : {"global", "local"}
        Whether the potential, the discrepancy or the drift, by which samples of a minibatch act on each other, is that
        of the samples of all ranks, as of one process, or of each rank's own.
    batch_norm : {"global", "local"}
        Whether batch-norms take their statistics over the samples of all ranks, as of one process, or over each rank's
        own.
    """

    potential: Literal["global", "local"] = "global"
    batch_norm: Literal["global", "local"] = "global"


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, but for the device."""

    training: TrainingConfig
    data: Annotated[Any, Kind("data")]
    gan: Annotated[Any, Kind("gans")]
    players: Annotated[Mapping[str, Any], Tables(_players)]
    metrics: tuple[Annotated[Any, Kind("metrics")], ...] = ()
    plateau: PlateauConfig = field(default_factory=PlateauConfig)
    ranks: RanksConfig = field(default_factory=RanksConfig)
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected a number that is not negative, got {self.seed}")


OVER_RANKS = True
"""Several processes can train this experiment together."""


def build(config: Config, device: Device, streams: Streams) -> GANTraining:
    """The experiment at its start, as this process and those that were started with it train it."""
    return GANTraining(config, device, streams, world())


def tied_to_length(config: Config) -> list[str]:
    """Names of the settings whose meaning depends on the number of updates."""
    tied = [name for name, schedule in instances(config, ScheduleConfig) if schedule.kind == "exponential"]
    return tied + [f"gan.{name}" for name in config.gan.tied_to_length if getattr(config.gan, name)]


class GANTraining:
    """A GAN on a data set, with its metrics and figures.

    Parameters
    ----------
    config : Config
        What to run.
    device : Device
        Where.
    streams : Streams
        ``data`` and ``initialization`` are used here, and the same on all ranks; the rest by the GAN, which has streams
        of its own on each of several ranks.
    ranks : Ranks
        The processes that train together.

    Raises
    ------
    ConfigError
        If a network does not fit the GAN or the data, or a metric does not fit the data.
    """

    renewed = ""
    """What became of random streams when the state of another number of ranks was loaded."""

    advice = "lower the learning rates, raise the softening if there is one, or use float64, and start a new run"

    def __init__(self, config: Config, device: Device, streams: Streams, ranks: Ranks = ALONE):
        self.config, self.ranks = config, ranks
        batch, updates = config.training.batch, config.training.updates
        self.shares = _shares(ranks, config)
        self.data = config.data.open(batch=batch, rng=streams.stream("data"), dtype=config.dtype, device=device)
        self._pictures = registry.find("figures", self.data.form, "draw")
        roles = config.gan.roles(config.players["generator"].latent, self.data.shape)
        rng, players = streams.stream("initialization"), {}
        for name, settings in config.players.items():
            with _under(name):
                players[name] = settings.build(roles[name], batch, updates, rng, config.dtype, device)
        if ranks.size > 1:
            branch = f"rank {ranks.rank} of {ranks.size}"
            streams = Streams(config.seed, branch, bit_generator=streams.bit_generator)
            for player in players.values():
                player.divide(ranks, self.shares, batch_norm=config.ranks.batch_norm)
        with _under("gan"):
            self.gan = config.gan.build(
                players,
                self.data.training,
                batch=batch,
                updates=updates,
                device=device,
                streams=streams,
                ranks=ranks,
                potential=config.ranks.potential,
            )
        if config.training.graph and device.name != "cpu" and ranks.size == 1:
            self._record()
        if self.gan.second_order and not self.shares.even and config.ranks.batch_norm == "global":
            _refuse_uneven(players, batch, ranks)
        self._metrics: list[Metric] = []
        for index, metric in enumerate(config.metrics):
            with _under(f"metrics[{index}]"):
                self._metrics.append(metric.build(self.data, Streams(config.seed)))
        self.metrics = _columns(self._metrics)
        self.headline = tuple(name for metric in self._metrics for name in metric.headline)
        if config.plateau.metric and config.plateau.metric not in self.metrics:
            expected = f"one of {', '.join(self.metrics)}" if self.metrics else "metrics to choose from"
            raise ConfigError(f"plateau.metric: expected {expected}, got {config.plateau.metric!r}")
        self._plateaus = Plateaus(config.plateau)
        self._rates = {name: player.optimizer.rate for name, player in players.items()}

    @property
    def periods(self) -> set[int]:
        """Periods at which some metric is due [updates]."""
        return {self._period(metric) for metric in self._metrics}

    def step(self) -> Mapping[str, Array]:
        """One update of all players."""
        with float32_products(self.gan.device.xp, tf32=self.config.training.tf32):
            return self.gan.step()

    def work(self, first: int, last: int) -> int:
        """Moves of the players in the updates from ``first`` to before ``last``: their time goes with these."""
        now, total = self.gan.updates, 0
        for self.gan.updates in range(first, last):
            total += len(self.gan.moves())
        self.gan.updates = now
        return total

    def schedule(self) -> Mapping[str, float]:
        """Learning rates, softening."""
        return self.gan.schedule()

    def fingerprint(self) -> str:
        """Checksum of all parameters, which are the same on all ranks unless something is wrong with one of them."""
        return digest(np.concatenate([to_numpy(player.params.vector) for player in self.gan.players.values()]))

    def observe(self, metrics: Mapping[str, float]) -> str:
        """Lower the rates where the watched metric no longer improves; after that, say that the run has ended."""
        self._plateaus.observe(metrics)
        self._scale_rates()
        return f"no gain in {self.config.plateau.metric}" if self._plateaus.ended else ""

    def _record(self) -> None:
        try:
            self.gan.record()
        except RuntimeError as error:
            warnings.warn(f"training.graph: kernels are launched one by one ({error})", RuntimeWarning, stacklevel=2)

    def _scale_rates(self) -> None:
        """Give each player its own rate times that of the plateaus."""
        for name, rate in self._rates.items():
            factor = self._plateaus.factor
            self.gan.players[name].optimizer.rate = rate if factor == 1 else Scaled(rate, factor)

    def state(self) -> dict[str, Any]:
        """Players and random streams, what a sample is, and how the watched metric went."""
        watched = {"plateaus": self._plateaus.state()} if self.config.plateau.metric else {}
        return {**self.gan.state(), "samples": self._samples(), **watched}

    def generator_state(self) -> dict[str, Any]:
        """Parameters to draw samples with, and what a sample is."""
        return {"generator": {"parameters": dict(self.gan.generator.averaged)}, "samples": self._samples()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.gan.load_state(state)
        before, now = len(streams_of(state)), self.ranks.size
        if before != now:
            self.renewed = (
                f"ranks: {before} before, {now} now: random streams begin anew, and the run goes on, but not to "
                "the same bits"
            )
        if "plateaus" in state:
            self._plateaus.load_state(state["plateaus"])
            self._scale_rates()

    def take_over(self, state: Mapping[str, Any]) -> list[str]:
        """Start from the parameters of another run's :meth:`state`, or of some of its players.

        Returns
        -------
        list of str
            Names of the players that start from there; the others stay as they are.

        Raises
        ------
        ValueError
            If it has none of the players, or one of them has other parameters.
        """
        taken = [name for name in self.gan.players if name in state]
        if not taken:
            raise ValueError(f"players: expected one of {', '.join(self.gan.players)}, got none")
        for name in taken:
            try:
                self.gan.players[name].load_parameters(state[name], self.gan.device.put)
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from error
        return taken

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Generated samples, shape (count, ...), on the host, within the bounds of the data."""
        facts = self._samples()
        return self.gan.sample(count, rng, lambda made: forms.finish(made, facts))

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """Metrics of samples from fixed latent vectors, so that evaluations differ by the generator alone.

        With a ``step``, only those metrics whose period divides it.
        """
        due = [metric for metric in self._metrics if step is None or step % self._period(metric) == 0]
        samples = self._evaluation_samples(max((metric.samples for metric in due), default=0))
        found: dict[str, float] = {}
        for metric in due:
            found |= metric.evaluate(samples[: metric.samples])
        return found

    def reference(self) -> Mapping[str, float]:
        """The metrics of real samples that neither training nor evaluation has used otherwise."""
        return {name: value for metric in self._metrics for name, value in metric.reference.items()}

    def provenance(self) -> Mapping[str, str]:
        """Where the data come from, and checksums."""
        return self.data.provenance()

    def snapshot(self, folder: Path) -> None:
        """A picture of samples, under a name that has the update, where pictures are quickly drawn."""
        draw = getattr(self._pictures, "snapshot", None)
        if draw is not None:
            draw(folder, self.gan.updates, self.data, self._evaluation_samples(self._pictures.SAMPLES))

    def figures(self, folder: Path) -> list[Figure]:
        """Pictures of data and samples."""
        return self._pictures.draw(folder, self.data, self.gan, self._evaluation_samples(self._pictures.SAMPLES))

    def _samples(self) -> dict[str, Any]:
        """What a sample is: all that drawing them needs of the data."""
        bounds = {} if self.data.bounds is None else {"bounds": np.array(self.data.bounds, np.float64)}
        return {"form": self.data.form, "shape": np.array(self.data.shape), **bounds, **self.data.facts()}

    def _period(self, metric: Metric) -> int:
        return metric.config.every or self.config.training.evaluate_every

    def _evaluation_samples(self, count: int) -> np.ndarray:
        samples = self.sample(count, Streams(self.config.seed).stream("evaluation")) if count else np.empty(0)
        if not np.isfinite(samples).all():
            raise FloatingPointError("generated samples are not finite, though all parameters are")
        return samples


def _columns(metrics: Sequence[Metric]) -> dict[str, Column]:
    """Columns of all metrics by name."""
    columns: dict[str, Column] = {}
    for index, metric in enumerate(metrics):
        if taken := sorted(columns.keys() & metric.columns.keys()):
            raise ConfigError(f"metrics[{index}].kind: another metric has a column {', '.join(taken)} already")
        columns |= metric.columns
    return columns


def _shares(ranks: Ranks, config: Config) -> Shares:
    """How a minibatch is divided."""
    with _under("training.batch"):
        shares = ranks.shares(config.training.batch)
    if ranks.size > 1 and config.ranks.potential == "local" and min(shares.counts) < 2:
        raise ConfigError(
            f"training.batch: expected at least two samples for each of the {ranks.size} ranks with ranks.potential = "
            f"local, got {config.training.batch}"
        )
    return shares


def _refuse_uneven(players: Mapping[str, Player], batch: int, ranks: Ranks) -> None:
    """Raise ConfigError if a batch-norm has derivatives of second order over unequal parts of a minibatch."""
    for name, player in players.items():
        if name != "generator" and has_batch_norm(player.network):
            raise ConfigError(
                f"training.batch: expected a multiple of the {ranks.size} ranks, got {batch}: this GAN has derivatives "
                f"of second order of the {name}'s batch-norms over all samples; or set ranks.batch_norm = local"
            )


@contextlib.contextmanager
def _under(table: str) -> Iterator[None]:
    """Say under which table a ValueError arose, as the loading of a configuration does."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        name = str(error).partition(":")[0]
        raise ConfigError(f"{table}{'.' if name.isidentifier() else ': '}{error}") from error
