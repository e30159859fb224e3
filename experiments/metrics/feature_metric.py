"""What the metrics share that look at images through a feature network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from coulombfield.arrays import to_numpy

from ..features.measuring import Measuring, eight_bits, measuring
from .metric import Column, Metric, MetricConfig

T = TypeVar("T")

INCEPTION = "inception"
"""The network of the published metrics: only its columns have their plain names."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig(MetricConfig):
    """What a metric through a feature network is told.

    Parameters
    ----------
    features : str
        Name of the network, a file of ``experiments/features`` or the dotted name of a module of your own. What another
        one than ``inception`` finds is reported under that name.
    weights : str
        File of its weights; empty for where the environment says.
    """

    features: str
    weights: str = ""


class FeatureMetric(Metric):
    """A metric of images through a feature network, which reads 8-bit pixels: see :func:`.eight_bits`.

    A subclass has ``plain_columns``, those of Inception's features, and :meth:`evaluate` gives its numbers by
    :meth:`named`.
    """

    plain_columns: ClassVar[Mapping[str, Column]]
    plain_headline: ClassVar[tuple[str, ...]] = ()

    measuring: Measuring

    def check(self) -> None:
        """The data are images, grey or in colour, and the network can be had."""
        shape = self.data.shape
        if self.data.bounds is None or len(shape) != 3 or shape[2] not in (1, 3):
            raise ValueError(f"features: a network measures grey or colour images, got {self.data.form} of {shape}")
        weights = Path(self.config.weights) if self.config.weights else None
        self.measuring = measuring(self.config.features, weights)
        self.columns = self.named(  # type: ignore[misc]  # this one's, by its network
            **{name: column._replace(noise=self._named(column.noise)) for name, column in self.plain_columns.items()}
        )
        self.headline = tuple(map(self._named, self.plain_headline))  # type: ignore[misc]

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Images of floating point as the network reads them."""
        return eight_bits(images, self.data.bounds)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features of images of floating point, shape (N, dimension), in float64."""
        return self.measuring.features(self.pixels(images)).astype(np.float64)

    def training_features(self, count: int) -> Iterator[np.ndarray]:
        """Features of the training set in blocks, those of its first ``count`` images, or of all if that is 0."""
        left = count or np.inf
        for images in self.data.training.blocks():
            images = images[: int(min(left, len(images)))]
            left -= len(images)
            for features, _ in self.measuring.blocks(self.pixels(to_numpy(images))):
                yield features
            if left <= 0:
                return

    def named(self, **values: T) -> dict[str, T]:
        """Values under the names of this metric's columns."""
        return {self._named(name): value for name, value in values.items()}

    def _named(self, name: str) -> str:
        network = self.measuring.network.name
        return name if not name or network == INCEPTION else f"{name}_{network}"


class HeldOutMetric(FeatureMetric):
    """One that compares samples with as many held-out images."""

    def check(self) -> None:
        """Raise unless as many are held out as samples are taken."""
        super().check()
        self.expect_held_out()

    @cached_property
    def held_out_features(self) -> np.ndarray:
        """Features of these images, shape (samples, dimension), in float64."""
        return self.features(self.data.held_out.first(self.samples))
