"""What a metric is: columns, a number of samples, a period, and a way from samples to numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet

AXES = ("", "linear", "log", "symlog")
"""Kinds of the vertical axis of a metric's curve; empty for no curve."""

DEVIATION = "_deviation"
"""Ends the name of a column's standard deviation by chance, beside its value for data."""


class Column(NamedTuple):
    """What a reader has to know of one number.

    Attributes
    ----------
    definition : str
        One sentence.
    unit : str
        Empty where it is a plain number.
    axis : str
        Of its curve: ``linear``, ``log`` or ``symlog``; empty for a number that has no curve.
    noise : str
        Name of the column that says how large this one is by chance alone; a ``symlog`` axis is linear up to there.
    """

    definition: str
    unit: str = ""
    axis: str = "linear"
    noise: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricConfig:
    """What every metric is told.

    Parameters
    ----------
    samples : int
        Generated samples behind each evaluation.
    every : int
        Its period [updates]; 0 for that of the training, ``training.evaluate_every``.
    """

    samples: int = 10_000
    every: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"samples: expected at least 2, got {self.samples}")
        if self.every < 0:
            raise ValueError(f"every: expected a number that is not negative, got {self.every}")

    def build(self, data: DataSet, streams: Streams) -> Metric:
        """The metric on this data.

        Parameters
        ----------
        data : DataSet
            What samples are compared with.
        streams : Streams
            Random numbers of this metric's own, the same in every run of a seed.

        Raises
        ------
        ValueError
            If the metric does not fit the data; the message says what it needs.
        """
        raise NotImplementedError


class Metric:
    """Numbers that say how well samples match data.

    A subclass has ``columns`` and ``evaluate``, and checks in ``check`` whether it fits the data.

    Parameters
    ----------
    config : MetricConfig
        Its settings.
    data : DataSet
        What samples are compared with.
    streams : Streams
        See :meth:`MetricConfig.build`.

    Raises
    ------
    ValueError
        If the metric does not fit the data.
    """

    columns: ClassVar[Mapping[str, Column]]
    """Its numbers by name, in the order of a report's table."""

    headline: ClassVar[tuple[str, ...]] = ()
    """Names of those that a progress bar shows."""

    forms: ClassVar[tuple[str, ...]] = ("points", "images")
    """Forms of data whose samples it takes: where they are numbers, most metrics take any."""

    def __init__(self, config: Any, data: Any, streams: Streams):
        self.config, self.data, self.streams = config, data, streams
        if data.form not in self.forms:
            expected = " or ".join(self.forms)
            raise ValueError(f"kind: this metric is for {expected}, and the data are {data.form}")
        self.check()

    @property
    def samples(self) -> int:
        """How many samples it takes."""
        return self.config.samples

    def check(self) -> None:
        """Raise ValueError if the data lack what this metric needs."""

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """The columns of :attr:`samples` samples, whose first axis counts them."""
        raise NotImplementedError

    @cached_property
    def reference(self) -> Mapping[str, float]:
        """The columns of real data that neither training nor evaluation uses otherwise: what perfect looks like.

        They are of one draw and vary by chance, unless a subclass knows better. Where it is known how much, there are
        standard deviations as well (:data:`DEVIATION`).
        """
        return self.evaluate(self.data.like_samples.first(self.samples))

    def expect_held_out(self) -> None:
        """Raise ValueError where fewer are held out than this metric takes."""
        there = len(self.data.held_out)
        if there < self.samples:
            raise ValueError(f"samples: expected at most data.held_out = {there}, got {self.samples}")
