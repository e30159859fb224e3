"""How far the n-grams of generated lines are from those of the training lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from ..text.divergence import jensen_shannon
from ..text.grams import ORDER
from ..text.ngrams import count_lines
from .metric import Column, Metric, MetricConfig

PUBLISHED = 640
"""Samples of the published numbers: 5 minibatches of 128 in the Coulomb GAN's program, 10 of 64 in WGAN-GP's."""


@dataclass(frozen=True, kw_only=True)
class Config(MetricConfig):
    """Divergence of samples from all training lines.

    Parameters
    ----------
    samples : int
        Generated lines; by default :data:`PUBLISHED`. The divergence is the lower the more there are, so that columns
        are named after any other number.
    """

    samples: int = PUBLISHED

    def build(self, data: DataSet, streams: Streams) -> NGramDivergence:
        """The metric on this data."""
        return NGramDivergence(self, data, streams)


class NGramDivergence(Metric):
    """Jensen–Shannon divergences of n-grams inside lines, padding included, from those of the training lines.

    Those of as many held-out lines, beside them, are not 0 either: of so few lines, most of the data's n-grams are in
    none.
    """

    forms = ("lines",)

    def __init__(self, config: Config, data: Any, streams: Streams):
        count = config.samples
        of = "" if count == PUBLISHED else f"_of_{count}"
        self.columns = {  # type: ignore[misc]  # this one's, by how many samples it takes
            f"jsd_{n}{of}": Column(
                f"Jensen-Shannon divergence of {n}-grams of {count} samples from training lines.", "bit"
            )
            for n in range(1, ORDER + 1)
        }
        self.headline = (f"jsd_4{of}",)  # type: ignore[misc]
        super().__init__(config, data, streams)

    def check(self) -> None:
        """The lines are long enough, and enough are held out."""
        if self.data.shape[0] < ORDER:
            raise ValueError(f"data: expected lines of at least {ORDER} symbols, got {self.data.shape[0]}")
        self.expect_held_out()

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """All divergences of codes, shape (N, L)."""
        length, vocabulary = self.data.shape
        if samples.ndim != 2 or samples.shape[1] != length or samples.dtype.kind != "u":
            raise ValueError(f"samples: expected codes of shape (N, {length}), got {samples.dtype}, {samples.shape}")
        counted = count_lines(samples, vocabulary)
        found = jensen_shannon(counted, self.data.ngrams, minus=self.data.kept_back)
        return dict(zip(self.columns, found, strict=True))
