"""Fréchet inception distance (Heusel et al. 2017) between samples and the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .feature_metric import INCEPTION
from .frechet import FrechetConfig, FrechetMetric
from .metric import Column


@dataclass(frozen=True, kw_only=True)
class Config(FrechetConfig):
    """FID by the Inception network of 2015-12-05."""

    features: str = INCEPTION

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features != INCEPTION:
            raise ValueError(
                f"features: FID is by {INCEPTION}; of {self.features!r} it is another distance: kind = 'frechet'"
            )

    def build(self, data: DataSet, streams: Streams) -> FID:
        """The metric on this data."""
        return FID(self, data, streams)


class FID(FrechetMetric):
    """FID of samples."""

    plain_columns: ClassVar = {
        "fid": Column(
            "Fréchet inception distance between samples and training images; fewer than 50,000 give larger ones.",
            "",
            "log",
        ),
    }
    plain_headline = ("fid",)
