"""How far samples are from the training set: copies of it are at 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .metric import Column, Metric, MetricConfig
from .neighbours import nearest_neighbours


@dataclass(frozen=True, kw_only=True)
class Config(MetricConfig):
    """Distance to the nearest training sample.

    Parameters
    ----------
    samples : int
        Generated samples that are looked at.
    neighbours : int
        Training samples among which a sample's nearest is looked for.
    """

    samples: int = 1_000
    neighbours: int = 2_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours < 1:
            raise ValueError(f"neighbours: expected a positive number, got {self.neighbours}")

    def build(self, data: DataSet, streams: Streams) -> Nearest:
        """The metric on this data."""
        return Nearest(self, data, streams)


class Nearest(Metric):
    """Root mean square difference between a sample and the training sample nearest to it."""

    columns: ClassVar = {
        "nearest_training": Column(
            "Root mean square difference between a sample and the training sample nearest to it, averaged over "
            "samples; much less than that of held-out data means copies of the training set.",
            "length",
        ),
    }
    headline = ("nearest_training",)

    def check(self) -> None:
        """Raise unless as many are held out as samples are taken."""
        self.expect_held_out()

    @cached_property
    def _training(self) -> np.ndarray:
        training = self.data.training.first(self.config.neighbours)
        return training.reshape(len(training), -1)

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """The mean distance."""
        return {"nearest_training": float(nearest(samples.reshape(len(samples), -1), self._training)[1].mean())}


def nearest(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``others`` is nearest to each image, and how far away it is.

    Parameters
    ----------
    images, others : array, shape (N, m) and (M, m)
        Points [length].

    Returns
    -------
    index : array of int, shape (N,)
        Numbers of the nearest.
    distance : array, shape (N,)
        Root mean square difference over the m values, without cancellation: exact copies are at 0 [length].

    Notes
    -----
    It is the nearest by differences in float64, the first of those that are equally near; see :mod:`.neighbours`.
    """
    index = nearest_neighbours(images, [others]).indices
    return index, np.sqrt(np.mean((images - others[index]) ** 2, axis=1))
