r"""Kernel inception distance (Bińkowski et al. 2018), a squared maximum mean discrepancy between features.

The kernel is

.. math:: k(x, y) = \left(\frac{x \cdot y}{D} + 1\right)^3,

and the estimate is without bias, so that it may be negative, and with its standard error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np

from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .feature_metric import INCEPTION, FeatureConfig, HeldOutMetric
from .metric import DEVIATION, Column

BLOCK = 500  # features of each set in a tile


@dataclass(frozen=True, kw_only=True)
class Config(FeatureConfig):
    """Distance of samples from as many held-out images: all pairs of them, rather than those of random subsets."""

    features: str = INCEPTION

    def build(self, data: DataSet, streams: Streams) -> KID:
        """The metric on this data."""
        return KID(self, data, streams)


class KID(HeldOutMetric):
    """KID of samples."""

    plain_columns: ClassVar = {
        "kid": Column(
            "Kernel inception distance between samples and held-out images, without bias; zero is perfect.",
            "",
            "symlog",
            noise="kid_error",
        ),
        "kid_error": Column("Standard error of that distance.", axis=""),
    }
    plain_headline = ("kid",)

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """The distance and its error."""
        found = polynomial_mmd(self.features(samples), self.held_out_features)
        return self.named(kid=found.square, kid_error=found.error)

    @cached_property
    def reference(self) -> Mapping[str, float]:
        """See the base class; the deviation of the distance by chance is its standard error."""
        found = super().reference
        kid, error = self.named(kid=0, kid_error=0)
        return {**found, kid + DEVIATION: found[error]}


class MMD(NamedTuple):
    """A squared discrepancy."""

    square: float
    error: float
    """Its standard error."""


def polynomial_mmd(x: np.ndarray, y: np.ndarray) -> MMD:
    r"""Unbiased squared discrepancy of two sets of features under KID's kernel.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} \bigl(k(x_i, x_j) + k(y_i, y_j)\bigr)
        - \frac{2}{n^2} \sum_{ij} k(x_i, y_j)

    The standard error is that of the same sum without its terms i = j, a U-statistic with
    :math:`h_{ij} = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)` (Hoeffding 1948):

    .. math:: \operatorname{Var} = \frac{4(n-2)}{n(n-1)} \zeta_1 + \frac{2}{n(n-1)} \zeta_2, \qquad
        \zeta_1 = \operatorname{Var}_i \operatorname{E}_j h_{ij}, \quad \zeta_2 = \operatorname{Var} h_{ij}.

    Parameters
    ----------
    x, y : array of float64, shape (n, D)
        As many of both, at least 3.

    Raises
    ------
    ValueError
        If shapes differ or there are fewer.

    Notes
    -----
    The second term matters where both sets are of one distribution, for which the first is zero. Memory is that of the
    features and some tiles of 1000 × 1000.
    """
    if x.shape != y.shape:
        raise ValueError(f"y: expected the shape of x, {x.shape}, got {y.shape}")
    count, dimension = x.shape
    if count < 3:
        raise ValueError(f"x: expected at least 3 features, got {count}")
    rows, squares, own, cross = np.zeros(count), 0.0, 0.0, 0.0  # sums of h and h², and of both parts of the estimate
    for i in range(0, count, BLOCK):
        first = np.concatenate([x[i : i + BLOCK], y[i : i + BLOCK]])
        height = len(first) // 2
        for j in range(i, count, BLOCK):
            second = np.concatenate([x[j : j + BLOCK], y[j : j + BLOCK]])
            width = len(second) // 2
            tile = (first @ second.T / dimension + 1) ** 3
            same = tile[:height, :width] + tile[height:, width:]
            other = tile[:height, width:] + tile[height:, :width]
            if i == j:
                np.fill_diagonal(same, 0)
                cross += float(other.sum())
                np.fill_diagonal(other, 0)
            else:
                cross += 2 * float(other.sum())
            h = same - other
            twice = 1 if i == j else 2  # a tile off the diagonal stands for its mirror image as well
            own += twice * float(same.sum())
            squares += twice * float(np.square(h).sum())
            rows[i : i + height] += h.sum(axis=1)
            if i != j:
                rows[j : j + width] += h.sum(axis=0)
    pairs = count * (count - 1)
    mean = math.fsum(rows) / pairs
    zeta_2 = squares / pairs - mean**2
    # Means over the others of a row vary by chance as well, by about zeta_2 / (n - 1).
    zeta_1 = max(0.0, float(np.var(rows / (count - 1), ddof=1)) - zeta_2 / (count - 1))
    variance = (4 * (count - 2) * zeta_1 + 2 * zeta_2) / pairs
    return MMD(own / pairs - cross / count**2, math.sqrt(variance))
