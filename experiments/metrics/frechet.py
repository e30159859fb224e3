"""Fréchet distance between images and data by the features of any network, under that network's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .feature_metric import FeatureConfig, FeatureMetric
from .frechet_distance import Gaussian, frechet_distance, gaussian_of
from .metric import Column
from .statistics_file import read_statistics


@dataclass(frozen=True, kw_only=True)
class FrechetConfig(FeatureConfig):
    """Distance of samples from the training set, as published: 50,000 samples, and all training images.

    Parameters
    ----------
    real : int
        Training images to compare with, the first; 0 for all.
    statistics : str
        An .npz file with ``mu`` and ``sigma`` to compare with, in place of training images.
    """

    real: int = 0
    statistics: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.real < 0 or self.real == 1:
            raise ValueError(f"real: expected 0 or at least 2, got {self.real}")


@dataclass(frozen=True, kw_only=True)
class Config(FrechetConfig):
    """Distance by the features of a network; the settings are those of FID."""

    def build(self, data: DataSet, streams: Streams) -> Frechet:
        """The metric on this data."""
        return Frechet(self, data, streams)


class FrechetMetric(FeatureMetric):
    """The distance under the name of the subclass's only column."""

    def check(self) -> None:
        """Statistics from a file are of this network's features."""
        super().check()
        if self.config.real > len(self.data.training):
            raise ValueError(
                f"real: expected at most the {len(self.data.training)} training images, got {self.config.real}"
            )
        if self.config.statistics:
            self._real = read_statistics(Path(self.config.statistics), self.measuring.network.dimension)

    @cached_property
    def _real(self) -> Gaussian:
        return gaussian_of(self.training_features(self.config.real), self.measuring.network.dimension)

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """The distance."""
        blocks = (features for features, _ in self.measuring.blocks(self.pixels(samples)))
        distance = frechet_distance(self._real, gaussian_of(blocks, self.measuring.network.dimension))
        return self.named(**dict.fromkeys(self.plain_columns, distance))


class Frechet(FrechetMetric):
    """Fréchet distance by features of another network than Inception's."""

    plain_columns: ClassVar = {
        "frechet": Column(
            "Fréchet distance between normal distributions with the means and covariances of a network's features, of "
            "samples and of training images; fewer samples give larger ones. Of other networks it is another measure.",
            "",
            "log",
        ),
    }
    plain_headline = ("frechet",)

    def _named(self, name: str) -> str:
        return f"{name}_{self.measuring.network.name}" if name else name
