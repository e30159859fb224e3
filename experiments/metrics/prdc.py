r"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) of samples.

A set's manifold is the union of balls :math:`B_k(x)` around its features, each as large as the distance to the k-th
nearest other one of the set. With N real features x and M features y of samples,

.. math:: \text{precision} = \frac1M \#\{j : y_j \in \textstyle\bigcup_i B_k(x_i)\}, \qquad
    \text{recall} = \frac1N \#\{i : x_i \in \textstyle\bigcup_j B_k(y_j)\},

.. math:: \text{density} = \frac{1}{k M} \sum_{ij} [y_j \in B_k(x_i)], \qquad
    \text{coverage} = \frac1N \#\{i : \exists j\; y_j \in B_k(x_i)\}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .feature_metric import INCEPTION, FeatureConfig, HeldOutMetric
from .metric import Column

BLOCK = 500  # rows of a tile of distances


@dataclass(frozen=True, kw_only=True)
class Config(FeatureConfig):
    """Measures of samples and as many held-out images.

    Parameters
    ----------
    precision_neighbours : int
        k of precision and recall; 3 in their paper.
    coverage_neighbours : int
        k of density and coverage; 5 in theirs.
    """

    features: str = INCEPTION
    precision_neighbours: int = 3
    coverage_neighbours: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("precision_neighbours", "coverage_neighbours"):
            if not 1 <= getattr(self, name) < self.samples:
                raise ValueError(
                    f"{name}: expected a positive number below samples = {self.samples}, got {getattr(self, name)}"
                )

    def build(self, data: DataSet, streams: Streams) -> PRDC:
        """The metric on this data."""
        return PRDC(self, data, streams)


class PRDC(HeldOutMetric):
    """Precision, recall, density and coverage of samples."""

    plain_columns: ClassVar = {
        "precision": Column("Share of the samples within the manifold of held-out images."),
        "recall": Column("Share of the held-out images within the manifold of the samples."),
        "density": Column(
            "Balls of held-out images that a sample is in, over the number expected of data; about one for data."
        ),
        "coverage": Column("Share of the held-out images whose ball has a sample in it."),
    }
    plain_headline = ("precision", "recall")

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """All four."""
        ks = self.config.precision_neighbours, self.config.coverage_neighbours
        return self.named(**prdc(self.held_out_features, self.features(samples), *ks))


def prdc(
    real: np.ndarray, samples: np.ndarray, precision_neighbours: int, coverage_neighbours: int
) -> dict[str, float]:
    """The four numbers of two sets of features.

    Parameters
    ----------
    real, samples : array of float64, shape (N, D) and (M, D)
        Features.
    precision_neighbours, coverage_neighbours : int
        k of each pair of numbers, less than N and M.

    Returns
    -------
    dict
        ``precision``, ``recall``, ``density``, ``coverage``.

    Notes
    -----
    Balls are closed. Memory is that of the features and tiles of :data:`BLOCK` rows.
    """
    centre = real.mean(axis=0)  # squares of distances cancel less around it
    real, samples = real - centre, samples - centre
    narrow, wide = radii(real, (precision_neighbours, coverage_neighbours))
    own = radii(samples, (precision_neighbours,))[0]
    precise, balls = np.zeros(len(samples), bool), 0
    recalled, covered = [], []
    for start, squares in _square_distances(real, samples):
        part = slice(start, start + len(squares))
        precise |= (squares <= narrow[part, np.newaxis]).any(axis=0)
        recalled.append((squares <= own).any(axis=1))
        inside = squares <= wide[part, np.newaxis]
        balls += int(inside.sum())
        covered.append(inside.any(axis=1))
    return {
        "precision": float(precise.mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": balls / (coverage_neighbours * len(samples)),
        "coverage": float(np.concatenate(covered).mean()),
    }


def radii(features: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Squared distances to the k-th nearest other feature, shape (len(ks), N)."""
    found = np.empty((len(ks), len(features)))
    for start, squares in _square_distances(features, features):
        squares.partition(ks, axis=1)  # the zeroth is the feature itself
        found[:, start : start + len(squares)] = squares[:, ks].T
    return found


def _square_distances(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Tiles of squared distances, each with the number of its first row."""
    norms = np.square(columns).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        squares = some @ columns.T
        squares *= -2
        squares += np.square(some).sum(axis=1)[:, np.newaxis]
        squares += norms
        yield start, np.maximum(squares, 0, out=squares)
