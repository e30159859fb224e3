"""How far generated lines are from the training set: copies of its lines are at 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .edit_distance import nearest_lines
from .metric import Column, Metric, MetricConfig


@dataclass(frozen=True, kw_only=True)
class Config(MetricConfig):
    """Edit distance to the nearest training line.

    Parameters
    ----------
    samples : int
        Generated lines that are looked at.
    neighbours : int
        Training lines among which a sample's nearest is looked for.
    """

    samples: int = 640
    neighbours: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours < 1:
            raise ValueError(f"neighbours: expected a positive number, got {self.neighbours}")

    def build(self, data: DataSet, streams: Streams) -> NearestLine:
        """The metric on this data."""
        return NearestLine(self, data, streams)


class NearestLine(Metric):
    """Edit distance between a line and the training line nearest to it, and how many lines are copies.

    Lines count without the padding at their end; see :mod:`.edit_distance`. Memory: the training lines' codes.
    """

    columns: ClassVar = {
        "nearest_line": Column(
            "Characters to insert, delete or replace until a sample is the training line nearest to it, averaged over "
            "samples; much less than that of held-out text means copies of the training set.",
            "characters",
        ),
        "copied_lines": Column("Share of samples that are training lines, character by character."),
    }
    headline = ("nearest_line",)
    forms = ("lines",)

    def check(self) -> None:
        """Raise unless as many lines are held out as samples are taken."""
        self.expect_held_out()

    @cached_property
    def _training(self) -> np.ndarray:
        return self.data.training.first(self.config.neighbours)

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """The mean distance, and the share of copies; ``samples`` are codes, shape (N, L)."""
        distances = nearest_lines(samples, [self._training], self.data.alphabet.padding).distances
        return {"nearest_line": float(distances.mean()), "copied_lines": float(np.mean(distances == 0))}
