r"""How many different images a generator can make, by the birthday paradox (Arora & Zhang 2017).

Of a support of N equally likely images, a batch of s has no two that are the same with probability
:math:`e^{-s(s-1)/2N}` nearly. The share p of batches with a duplicate thus estimates

.. math:: N = -\frac{s(s-1)}{2 \ln(1 - p)}.

Where images are not equally likely, this is the number of equally likely ones that would collide as often,
:math:`1 / \sum_i p_i^2`, at most the size of the support.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from .neighbours import square_distances

CONFIDENCE = 0.95


class Support(NamedTuple):
    """An estimated number of images, and its interval of confidence."""

    size: float
    """Infinite where no batch had a duplicate."""
    lowest: float
    highest: float


class Pair(NamedTuple):
    """The most similar pair of a batch."""

    first: int
    second: int
    difference: float
    """Root mean square difference of the pixels [8-bit levels]."""


def support_size(batches: int, with_duplicate: int, size: int, confidence: float = CONFIDENCE) -> Support:
    """Estimate of the number of images, with the exact interval of Clopper and Pearson (1934) for the share of batches.

    Parameters
    ----------
    batches : int
        How many have been looked at.
    with_duplicate : int
        How many of them had one.
    size : int
        Images of a batch, at least 2.
    confidence : float
        Probability with which the interval covers the number, at least.

    Raises
    ------
    ValueError
        If the numbers contradict each other.
    """
    if not 0 <= with_duplicate <= batches or batches < 1:
        raise ValueError(f"with_duplicate: expected from 0 to batches = {batches}, got {with_duplicate}")
    if size < 2:
        raise ValueError(f"size: expected at least 2, got {size}")
    tail, found, others = (1 - confidence) / 2, with_duplicate, batches - with_duplicate
    least = float(beta.ppf(tail, found, others + 1)) if found else 0.0
    most = float(beta.ppf(1 - tail, found + 1, others)) if others else 1.0
    return Support(*(_size_of(share, size) for share in (found / batches, most, least)))


def _size_of(share: float, size: int) -> float:
    if share == 0:
        return math.inf
    return 1.0 if share == 1 else max(1.0, -size * (size - 1) / (2 * math.log1p(-share)))


def closest_pair(images: np.ndarray) -> Pair:
    """The most similar pair of a batch.

    Parameters
    ----------
    images : array of uint8, shape (N, ...)
        At least two.
    """
    points = images.reshape(len(images), -1)
    squares = square_distances(points)
    squares[np.tril_indices(len(points))] = np.inf
    first, second = np.unravel_index(np.argmin(squares), squares.shape)
    return Pair(int(first), int(second), math.sqrt(squares[first, second] / points.shape[1]))
