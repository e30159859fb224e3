"""Drawing targets at which a fast sum is measured: uniformly, by what each contributes, and by how near charges are.

Some are drawn uniformly. What a target contributes to the sums' squares is told by the fast sums themselves, which are
there for all targets. But terms of both signs may cancel in them, and the field of a charge is weak where it is near,
while errors are not: so some targets are drawn at each order of magnitude of the distance from a few charges.
"""

from __future__ import annotations

import array_api_compat
import numpy as np

from ..arrays import Array, jit, namespace, to_numpy
from ..rng import Streams
from .pairs.tiles import plain
from .request import Request, Result

SAMPLE = 48  # targets: they tell the root mean square of the errors to a tenth or so, and cost little
UNIFORM, NEAR = 0.4, 0.4  # parts of the sample; the rest is drawn by what targets contribute
CHARGES = 4  # that distances are taken from: the largest, one drawn by size, and some that were not
CANDIDATES = 512  # of which those are drawn by size
OCTAVES = 1024  # of distances that doubles can hold, but for the last
SHIFT = 53  # bits of a double, read as a whole number, that leave the octave of its root


def draw(request: Request, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of some targets, none twice, and how many targets each stands for.

    Those that would be drawn for certain go first, and stand for themselves only.
    """
    total = request.targets.shape[0]
    if total <= SAMPLE:
        return np.arange(total), np.ones(total)
    stream = Streams(seed=0).stream("targets")
    shares = _shares(request, result, stream)
    certain = np.flatnonzero(shares * SAMPLE >= 1)
    certain = certain[np.argsort(-shares[certain], kind="stable")]
    shares[certain] = 0.0
    others, weights = _by_share(shares, SAMPLE - len(certain), stream)
    return np.concatenate([certain, others]), np.concatenate([np.ones(len(certain)), weights])


def _by_share(shares: np.ndarray, count: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows drawn in proportion to their shares, in no order, and how many rows each stands for."""
    sums = np.cumsum(shares)
    # One from each of equal parts: no part is missed by chance, and no order of the targets is met in step.
    marks = (np.arange(count) + stream.random(count)) * (sums[-1] / count)
    drawn = np.minimum(np.searchsorted(sums, marks, side="right"), len(shares) - 1)
    rows, times = np.unique(drawn, return_counts=True)
    chances = shares[rows] * (count / sums[-1])
    order = stream.permutation(len(rows))
    return rows[order], (times / chances)[order]


def _shares(request: Request, result: Result, stream: np.random.Generator) -> np.ndarray:
    """Each target's chance of being drawn, of sum 1."""
    count = request.targets.shape[0]
    guides = [_rows(values) for values in result if values is not None]
    told = [(rows, total) for rows in guides if 0 < (total := _sum_of_squares(rows)) < np.inf]
    shares = np.full(count, (UNIFORM if told else 1.0 - NEAR) / count)
    for rows, total in told:
        _add_squares(shares, rows, (1.0 - UNIFORM - NEAR) / (len(told) * total))
    # What is near the largest charge must not hide among what is near to any.
    targets, places = _rows(request.targets), _places(request, stream)
    for part in (places[:1], places[1:]):
        _add_octaves(shares, targets, part, NEAR / 2)
    return shares


def _rows(values: Array) -> np.ndarray:
    return np.reshape(plain(to_numpy(values)), (values.shape[0], -1))


def _places(request: Request, stream: np.random.Generator) -> np.ndarray:
    """Where some charges are, the largest first, shape (charges, m), float64."""
    xp, device = namespace(request.targets), array_api_compat.device(request.targets)
    drawn = stream.integers(request.positions.shape[0], size=CANDIDATES)
    drawn[0] = int(xp.argmax(xp.abs(request.weights)))
    sizes = np.abs(to_numpy(xp.take(request.weights, xp.asarray(drawn, device=device), axis=0)).astype(np.float64))
    total = float(np.sum(sizes))
    large = stream.choice(CANDIDATES, CHARGES // 2 - 1, p=sizes / total if 0 < total < np.inf else None)
    chosen = np.concatenate([drawn[: CHARGES // 2 + 1], drawn[large]])
    return to_numpy(xp.take(request.positions, xp.asarray(chosen, device=device), axis=0)).astype(np.float64)


# What is not finite counts as 0 here: a NaN in the data must not keep the other targets from being looked at.


@jit(fastmath={"reassoc"})  # so that LLVM adds in vectors
def _sum_of_squares(values):
    total = 0.0
    for i in range(values.shape[0]):
        for axis in range(values.shape[1]):
            square = np.float64(values[i, axis]) * np.float64(values[i, axis])
            total += square if square < np.inf else 0.0
    return total


@jit
def _add_squares(shares, values, factor):
    for i in range(values.shape[0]):
        total = 0.0
        for axis in range(values.shape[1]):
            square = np.float64(values[i, axis]) * np.float64(values[i, axis])
            total += square if square < np.inf else 0.0
        shares[i] += factor * total


def _add_octaves(shares: np.ndarray, targets: np.ndarray, places: np.ndarray, part: float) -> None:
    """Add equal parts for each octave of the distance from the nearest place, to be shared by the targets in it."""
    octaves = octaves_of(targets, places)
    counts = np.bincount(octaves, minlength=OCTAVES)
    with np.errstate(divide="ignore"):
        of_octave = part / np.count_nonzero(counts) / counts
    shares += of_octave[octaves]


def octaves_of(targets: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Numbers of the octaves of the targets' distances from the nearest of some places, from 0 to ``OCTAVES`` − 1."""
    nearest = np.empty(targets.shape[0])
    _nearest_squares(targets, places, nearest)
    return nearest.view(np.int64) >> SHIFT


@jit
def _nearest_squares(targets, places, nearest):
    """Squared distance of each target from the nearest place; inf where none is a number."""
    for i in range(targets.shape[0]):
        nearest[i] = np.inf
    for j in range(places.shape[0]):
        for i in range(targets.shape[0]):
            s = 0.0
            for axis in range(targets.shape[1]):
                difference = np.float64(targets[i, axis]) - places[j, axis]
                s += difference * difference
            nearest[i] = s if s < nearest[i] else nearest[i]
