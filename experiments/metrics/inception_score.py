r"""Inception score (Salimans et al. 2016).

.. math:: \exp \operatorname{E}_x \operatorname{KL}(p(y|x) \,\|\, p(y)), \qquad p(y) = \operatorname{E}_x p(y|x),

of the class probabilities that a network gives for samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_softmax, logsumexp

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .feature_metric import INCEPTION, FeatureConfig, FeatureMetric
from .metric import Column


@dataclass(frozen=True, kw_only=True)
class Config(FeatureConfig):
    """Mean and deviation over parts of the samples.

    Parameters
    ----------
    splits : int
        Parts, each with a score of its own; published ones are means over 10.
    """

    features: str = INCEPTION
    splits: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.splits <= self.samples:
            raise ValueError(f"splits: expected from 1 to samples = {self.samples}, got {self.splits}")

    def build(self, data: DataSet, streams: Streams) -> InceptionScore:
        """The metric on this data."""
        return InceptionScore(self, data, streams)


class InceptionScore(FeatureMetric):
    """Score of samples alone: the data only say what images are."""

    plain_columns: ClassVar = {
        "inception_score": Column(
            "Exponential of the mean divergence between the classes of a sample and those of all; higher is better.",
        ),
        "inception_score_spread": Column("Standard deviation of the score over parts of the samples.", axis=""),
    }
    plain_headline = ("inception_score",)

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """The score."""
        scores = inception_scores(self.measuring.logits(self.pixels(samples)), self.config.splits)
        return self.named(inception_score=float(scores.mean()), inception_score_spread=float(scores.std()))


def inception_scores(logits: np.ndarray, splits: int) -> np.ndarray:
    """The score of each part.

    Parameters
    ----------
    logits : array, shape (N, classes)
        Of the network's last layer.
    splits : int
        Parts, of samples that follow each other, N/splits each.

    Returns
    -------
    array of float64, shape (splits,)
        From 1 to the number of classes.
    """
    scores = []
    for part in np.array_split(logits, splits):
        log_p = log_softmax(part.astype(np.float64), axis=1)
        log_mean = logsumexp(log_p, axis=0) - np.log(len(log_p))
        scores.append(np.exp((np.exp(log_p) * (log_p - log_mean)).sum(axis=1).mean()))
    return np.array(scores)
