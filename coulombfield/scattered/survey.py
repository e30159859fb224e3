"""What a plan has to know of points, in one pass over them: their box, the sums of their charges, and a sample.

The sample has the points with the smallest hashes (:mod:`.hashes`), each once and with the number of its copies. For
a known number of points nearly all are passed over after a glance at their hash.
"""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np

from ..arrays import jit
from ..rng import Streams
from ..sums.pairs.tiles import plain
from ..threads import share
from .exact_sums import empty_sum, parts_of, value_of
from .hashes import bits_of, hash_of, hashes_of
from .points import Block, Points
from .team import Team

SAMPLED = 2**12  # different points
GLANCED = 4 * SAMPLED  # that are expected to pass the first glance
WIDER = 64  # times as many pass the next one, where copies left too few different ones
PIECE = 2**17  # points of a thread's turn
EVERY = 2**64


class Survey(NamedTuple):
    """What is known of all points of a team."""

    points: int
    """How many there are."""
    low: np.ndarray
    high: np.ndarray
    """Their box, shape (m,) [length]; infinite and empty if there are none."""
    finite: bool
    """Whether all numbers are."""
    largest: float
    """Largest size of a charge [charge]."""
    strongest: np.ndarray
    """Where that is, shape (m,); NaN without charges."""
    total: float
    """Σ q, but for one rounding."""
    sizes: float
    """Σ |q|."""
    squares: float
    """Σ q²."""
    places: np.ndarray
    """Some points, shape (n, m), float64, in the order of their hashes, each once."""
    weights: np.ndarray
    """Their charges, shape (n,); 0 for targets."""
    copies: np.ndarray
    """How many points are like each, shape (n,)."""

    def drawn(self, wanted: int, purpose: str) -> tuple[np.ndarray, np.ndarray]:
        """Places and charges of so many points, or of all if there are fewer; with copies each as often as it is."""
        every = int(self.copies.sum()) == self.points
        if every and self.points <= wanted:
            rows = np.repeat(np.arange(len(self.copies)), self.copies)
        elif np.all(self.copies == 1):
            rows = np.arange(min(wanted, len(self.copies)))
        else:
            chances = self.copies / self.copies.sum()
            rows = Streams(seed=0).stream(purpose).choice(len(self.copies), wanted, p=chances)
        return self.places[rows], self.weights[rows]

    def stretched(self, factor: float) -> Survey:
        """That of the same points in another unit of length."""
        if factor == 1.0:
            return self
        places = {name: getattr(self, name) * factor for name in ("low", "high", "strongest", "places")}
        return self._replace(**places)


class Looked:
    """What has been seen of a process's points so far."""

    def __init__(self, dimension: int, threshold: int):
        self.threshold = threshold
        self.low, self.high = np.full(dimension, np.inf), np.full(dimension, -np.inf)
        self.finite, self.largest = True, -1.0
        self.strongest, self._first = np.full(dimension, np.nan), EVERY
        self.sums = np.stack([empty_sum() for _ in range(3)])
        self.hashes, self.copies = np.empty(0, np.uint64), np.empty(0, np.int64)
        self.values = np.empty((0, dimension + 1))
        self._lock = threading.Lock()

    def look(self, block: Block) -> None:
        """At some more points."""
        positions = plain(block.positions)
        weights = np.empty(0, positions.dtype) if block.weights is None else plain(block.weights)
        bits = bits_of(positions), bits_of(weights)
        count = positions.shape[0]

        def look(start: int, stop: int) -> None:
            for begin in range(start * PIECE, min(stop * PIECE, count), PIECE):
                self._look(positions, weights, bits, begin, min(begin + PIECE, count))

        share(look, -(-count // PIECE))

    def _look(self, positions: np.ndarray, weights: np.ndarray, bits: tuple, start: int, stop: int) -> None:
        low, high = np.full(positions.shape[1], np.inf), np.full(positions.shape[1], -np.inf)
        sums, hashes, rows = np.zeros_like(self.sums), np.empty(stop - start, np.uint64), np.empty(stop - start, int)
        most = np.uint64(min(self.threshold, EVERY - 1))
        kept, finite, strongest = _look_at(positions, weights, *bits, start, stop, most, low, high, sums, hashes, rows)
        values = np.zeros((kept, self.values.shape[1]))
        values[:, :-1] = positions[rows[:kept]]
        if len(weights):
            values[:, -1] = weights[rows[:kept]]
        with self._lock:
            self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
            self.finite = self.finite and bool(finite)
            if strongest >= 0:
                place, weight = positions[strongest : strongest + 1], weights[strongest : strongest + 1]
                self._rank(abs(float(weight[0])), int(hashes_of(place, weight)[0]), place[0])
            self.sums += sums
            self.keep(hashes[:kept], np.ones(kept, np.int64), values)

    def _rank(self, largest: float, first: int, place: np.ndarray) -> None:
        """Take a charge for the largest if it is; of several, that with the smallest hash."""
        if (-largest, first) < (-self.largest, self._first):
            self.largest, self._first, self.strongest = largest, first, np.asarray(place, np.float64)

    def keep(self, hashes: np.ndarray, copies: np.ndarray, values: np.ndarray) -> None:
        """Add points to the sample; of too many, those with the smallest hashes stay."""
        hashes = np.concatenate([self.hashes, hashes])
        self.hashes, first, which = np.unique(hashes, return_index=True, return_inverse=True)
        copies = np.bincount(which, np.concatenate([self.copies, copies])).astype(np.int64)
        self.values = np.concatenate([self.values, values])[first][:SAMPLED]
        self.hashes, self.copies = self.hashes[:SAMPLED], copies[:SAMPLED]
        if len(self.hashes) == SAMPLED:
            self.threshold = min(self.threshold, int(self.hashes[-1]))

    def state(self) -> dict[str, np.ndarray]:
        """All of it as arrays, for other processes and for files."""
        return {
            "low": self.low,
            "high": self.high,
            "finite": np.asarray(self.finite),
            "largest": np.asarray(self.largest),
            "first": np.asarray(min(self._first, EVERY - 1), np.uint64),
            "strongest": self.strongest,
            "sums": self.sums,
            "hashes": self.hashes,
            "copies": self.copies,
            "values": self.values,
        }

    def take(self, state: dict[str, np.ndarray]) -> None:
        """Add what another has seen, or what was seen earlier."""
        self.low, self.high = np.minimum(self.low, state["low"]), np.maximum(self.high, state["high"])
        self.finite = self.finite and bool(state["finite"])
        self._rank(float(state["largest"]), int(state["first"]), state["strongest"])
        self.sums = self.sums + state["sums"]
        self.keep(state["hashes"], state["copies"], state["values"])

    def enough(self) -> bool:
        """Whether the sample has as many different points as it should, or all that there are."""
        return len(self.hashes) == SAMPLED or self.threshold >= EVERY

    def survey(self, count: int) -> Survey:
        """What it comes to."""
        total, sizes, squares = map(value_of, self.sums)
        places, weights = self.values[:, :-1], self.values[:, -1]
        box = count, self.low, self.high, self.finite, max(self.largest, 0.0), self.strongest
        return Survey(*box, total, sizes, squares, places, weights, self.copies)


def first_threshold(count: int) -> int:
    """Hashes below which a point is taken into the sample, for so many points."""
    return EVERY if count <= GLANCED else EVERY * GLANCED // count


def survey(team: Team, points: Points) -> Survey:
    """What is known of a team's points; all get the same."""
    return surveyed(team, points)[0]


def surveyed(
    team: Team, points: Points, earlier: dict[str, np.ndarray] | None = None
) -> tuple[Survey, dict[str, np.ndarray]]:
    """What is known of a team's points, and the arrays that it was made of, which may be there ``earlier``."""
    count = sum(team.told(points.count))
    threshold = first_threshold(count)
    if earlier is not None:
        whole = Looked(points.dimension, threshold)
        whole.take(earlier)
        return whole.survey(count), earlier
    while True:
        found = Looked(points.dimension, threshold)
        for block in points.blocks():
            found.look(block)
        # Each process may have lowered its threshold; what the others have below theirs is complete below the least.
        whole = Looked(points.dimension, threshold)
        for state in team.told(found.state()):
            whole.take(state)
        if whole.enough():
            return whole.survey(count), whole.state()
        threshold = min(threshold * WIDER, EVERY)


def box_of(*surveys: Survey) -> tuple[np.ndarray, np.ndarray]:
    """Centre of the box around all points of surveys and its sides; not finite where a point isn't."""
    some = [each for each in surveys if each.points]
    if not some:
        return np.zeros(len(surveys[0].low)), np.zeros(len(surveys[0].low))
    low, high = np.min([each.low for each in some], axis=0), np.max([each.high for each in some], axis=0)
    if not all(each.finite for each in some):
        high = np.full_like(high, math.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        return low / 2 + high / 2, high - low


@jit
def _look_at(
    positions, weights, position_bits, weight_bits, start, stop, threshold, low, high, sums, hashes, rows
):  # fmt: skip
    """Look at the points from ``start`` to ``stop``; how many are sampled, if all are finite, which is the largest."""
    kept, largest, strongest, first = 0, -1.0, -1, np.uint64(0)
    finite: Any = True
    of_one = np.empty(1)
    bits = of_one.view(np.int64)
    for row in range(start, stop):
        for axis in range(positions.shape[1]):
            x = np.float64(positions[row, axis])
            low[axis] = min(low[axis], x)
            high[axis] = max(high[axis], x)
            finite = finite and abs(x) < np.inf
        found = hash_of(position_bits, weight_bits, row)
        if len(weights):
            weight = np.float64(weights[row])
            size = abs(weight)
            if size < np.inf:
                if size > largest or (size == largest and found < first):
                    largest, strongest, first = size, row, found
                of_one[0] = size
                exponent, upper, lower = parts_of(bits[0])
                sign = 1 if weight > 0 else -1
                sums[0, exponent, 0] += sign * upper
                sums[0, exponent, 1] += sign * lower
                sums[1, exponent, 0] += upper
                sums[1, exponent, 1] += lower
                if size * size < np.inf:
                    of_one[0] = size * size
                    exponent, upper, lower = parts_of(bits[0])
                    sums[2, exponent, 0] += upper
                    sums[2, exponent, 1] += lower
            else:
                finite = False
        if found <= threshold:
            hashes[kept] = found
            rows[kept] = row
            kept += 1
    return kept, finite, strongest
