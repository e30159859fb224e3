"""What a run needs of an experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..metrics.metric import Column
from ..ranks.alone import Ranks, Shares
from .checkpoint import State

if TYPE_CHECKING:
    from ..figures.style import Figure


class Experiment(Protocol):
    """What the loop and the report need of an experiment.

    Everything random during training comes from streams that ``state`` holds. ``evaluate``, ``reference`` and
    ``figures`` depend on the parameters and the configuration alone: they draw from streams made anew at each call, so
    that calling them changes nothing and calling them again gives the same.
    """

    metrics: Mapping[str, Column]
    """The metrics of :meth:`evaluate` by name, in the order of the report's table."""

    periods: Collection[int]
    """Periods at which one of them is due [updates]."""

    advice: str
    """What may help where numbers become infinite, for the message that says so; empty if there is nothing to say."""

    headline: tuple[str, ...]
    """Names of the metrics that the progress bar shows."""

    def step(self) -> Mapping[str, Any]:
        """Do one update and return its losses: numbers or 0-d arrays that no later step overwrites."""

    def schedule(self) -> Mapping[str, float]:
        """Learning rates, softening and whatever else changes by a schedule, as of now."""

    def evaluate(self, step: int | None = None) -> Mapping[str, float]:
        """The metrics as of now; with a ``step``, only those whose period divides it.

        Raises
        ------
        FloatingPointError
            If what they look at is not finite, which ends the run.
        """

    def reference(self) -> Mapping[str, float]:
        """The same metrics of the data itself, or numbers known from theory: what perfect looks like."""

    def state(self) -> State:
        """Everything that continuing bit for bit needs, but for the step; floating-point arrays are finite."""

    def load_state(self, state: State) -> None:
        """Go back to what :meth:`state` gave, whose arrays come as host arrays."""

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``count`` generated samples, as a host array whose first axis counts them."""

    def figures(self, folder: Path) -> list[Figure]:
        """Draw the figures into ``folder``."""

    def provenance(self) -> Mapping[str, str]:
        """Checksums and names of the data, for the record."""


@runtime_checkable
class Generative(Protocol):
    """An experiment whose generator is of use without the rest: a file of it is kept beside the checkpoints."""

    def generator_state(self) -> State:
        """What drawing samples needs beside the configuration, laid out as in :meth:`Experiment.state`."""


@runtime_checkable
class Watched(Protocol):
    """An experiment that leaves a figure at each evaluation, for who watches a long run."""

    def snapshot(self, folder: Path) -> None:
        """Draw the generator as of now into ``folder``; like ``figures``, it changes nothing."""


@runtime_checkable
class Divided(Protocol):
    """An experiment that several processes can train together, each with a share of every minibatch.

    All of them call ``step``, ``state``, ``load_state`` and ``observe``; the first alone evaluates, draws and writes.
    The losses of a step are means over this rank's own samples.
    """

    ranks: Ranks
    shares: Shares

    def fingerprint(self) -> str:
        """Checksum of what has to be the same on all ranks after the same update."""


@runtime_checkable
class Observant(Protocol):
    """An experiment that learns from its evaluations: rates fall, or it comes to its end before its last update."""

    def observe(self, metrics: Mapping[str, float]) -> str:
        """Take note of what an evaluation gave, and say why the run has ended; empty if it goes on."""
