r"""How large sums over charges are, and how well their terms cancel, from a sample of targets and charges.

A sum over n of S unrelated terms t_j grows like √S, one of terms that agree like S. From n sampled terms with the mean
square M of their sums over targets,

.. math:: \Bigl\langle \Bigl(\sum_{j=1}^S t_j\Bigr)^2 \Bigr\rangle \approx
    \frac{S}{n} V + \Bigl(\frac{S}{n}\Bigr)^2 (M - V), \qquad V = \Bigl\langle \sum_{j=1}^n t_j^2 \Bigr\rangle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import array_api_compat
import numpy as np

from ...arrays import Array, namespace, to_numpy
from ...rng import Streams
from ..request import Request

TARGETS, CHARGES = 48, 1536  # sampled: they tell the sizes to a tenth or so, in about 5 ms
DOUBT = 2.0  # deviations that M has by chance, up to which agreement is not believed
ROWS = 8  # targets whose terms are formed at a time, in the cache
NOISE = 0.1  # of them: how much is added, since that much agreement can't be excluded


class Sample(NamedTuple):
    """Pairs of sampled targets and charges, in float64 on the host."""

    difference: np.ndarray
    """a − b, shape (t, n, m) [length]."""
    s: np.ndarray
    """‖a − b‖², shape (t, n)."""
    places: np.ndarray
    """b, shape (n, m)."""
    weights: np.ndarray
    """Shape (t, n); 0 where target i is charge i and is left out."""
    share: float
    """S / n: how many charges each sampled one stands for."""

    def magnitude(self, terms: np.ndarray) -> float:
        """Root mean square over the targets of the whole sums of the terms' magnitudes; shape (t, n)."""
        return self.share * _rms(np.sum(np.abs(terms), axis=1))

    @property
    def few_rows(self) -> list[slice]:
        """All targets, a few at a time."""
        count = self.s.shape[0]
        return [slice(first, min(first + ROWS, count)) for first in range(0, count, ROWS)]

    def sum_of(self, terms: np.ndarray) -> float:
        """Root mean square over the targets of the whole sums of the terms, shape (t, n)."""
        return self.sums_of(lambda rows: [terms[rows]])[0]

    def sums_of(self, terms_of: Callable[[slice], Sequence[np.ndarray]], stress: float = 1.0) -> list[float]:
        """The same of several sets of terms, of which ``terms_of`` gives those at some of the targets.

        The part that agreement between terms makes counts ``stress`` times.
        """
        parts = [
            [(np.sum(terms, axis=1), np.sum(np.square(terms), axis=1)) for terms in terms_of(rows)]
            for rows in self.few_rows
        ]
        wholes = []
        for part in zip(*parts, strict=True):
            sums, squares = zip(*part, strict=True)
            wholes.append(self._whole(np.concatenate(sums), np.concatenate(squares), stress))
        return wholes

    def _whole(self, sums: np.ndarray, squares: np.ndarray, stress: float) -> float:
        variance = float(np.mean(squares))
        excess = float(np.mean(np.square(sums))) - variance
        chance = math.sqrt(2 / len(sums)) * variance if self.share > 1 else 0.0
        related = stress * stress * max(0.0, excess - DOUBT * chance) + NOISE * chance
        return math.sqrt(self.share * variance + self.share * self.share * related)


def sample(request: Request, scale: float) -> Sample:
    """A sample of a request's pairs, the same each time, with the weights divided by ``scale``."""
    stream = Streams(seed=0).stream("sizes")
    rows = _draw(stream, request.targets.shape[0], TARGETS)
    columns = _draw(stream, request.positions.shape[0], CHARGES)
    targets, places = taken(request.targets, rows), taken(request.positions, columns)
    weights = np.broadcast_to(taken(request.weights, columns) / scale, (len(rows), len(columns)))
    if request.exclude_self:
        weights = np.where(rows[:, None] == columns[None, :], 0.0, weights)
    return paired(targets, places, weights, request.positions.shape[0] / len(columns))


def paired(targets: np.ndarray, places: np.ndarray, weights: np.ndarray, share: float) -> Sample:
    """The pairs of sampled targets and charges, shapes (t, m) and (n, m); other arguments as in :class:`Sample`."""
    # Axis after axis in memory, so that loops are long.
    difference = np.moveaxis(targets.T[:, :, None] - places.T[:, None, :], 0, -1)
    s = np.square(difference[..., 0])
    for axis in range(1, targets.shape[1]):
        s += np.square(difference[..., axis])
    return Sample(difference, s, places, weights, share)


def mean_of_axes(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis, which is short and lies outermost in memory."""
    total = values[..., 0]
    for axis in range(1, values.shape[-1]):
        total = total + values[..., axis]
    return total / values.dtype.type(values.shape[-1])


def _draw(stream: np.random.Generator, total: int, wanted: int) -> np.ndarray:
    return np.arange(total) if total <= wanted else np.sort(stream.integers(total, size=wanted))


def taken(array: Array, rows: np.ndarray) -> np.ndarray:
    """Some rows of an array, in float64 on the host."""
    xp, device = namespace(array), array_api_compat.device(array)
    return to_numpy(xp.take(array, xp.asarray(rows, device=device), axis=0)).astype(np.float64)


def _rms(values: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(values))))
