"""Mean and standard deviation of each coordinate, or pixel, of samples beside those of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .metric import Column, Metric, MetricConfig


@dataclass(frozen=True, kw_only=True)
class Config(MetricConfig):
    """Errors of mean and deviation, of as many samples as held-out data."""

    samples: int = 1_000

    def build(self, data: DataSet, streams: Streams) -> Moments:
        """The metric on this data."""
        return Moments(self, data, streams)


class Moments(Metric):
    """How far the first two moments of each coordinate are off."""

    columns: ClassVar = {
        "mean_error": Column(
            "Root mean square difference between the samples' mean and that of held-out data.", "length", "log"
        ),
        "deviation_error": Column(
            "The same for the standard deviation of each coordinate or pixel: a lack of variety shows here.",
            "length",
            "log",
        ),
    }

    def check(self) -> None:
        """Raise unless as many are held out as samples are taken."""
        self.expect_held_out()

    @cached_property
    def _held_out(self) -> tuple[np.ndarray, np.ndarray]:
        held_out = self.data.held_out.first(self.samples)
        return held_out.mean(axis=0), held_out.std(axis=0)

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """Both errors."""
        mean, deviation = self._held_out
        return {
            "mean_error": _rms(samples.mean(axis=0) - mean),
            "deviation_error": _rms(samples.std(axis=0) - deviation),
        }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
