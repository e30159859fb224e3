"""An adaptive tree of cubic cells over charges and targets.

All cells of a level have the same size, so that what two of them do to each other depends only on the difference of
their places. Charges and targets lie in the same tree, each sorted along a space-filling (Morton) curve: a cell is a
range of either.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import jit
from ..threads import share

LEVELS = 31  # below the root, at most
KEY_BITS = 63  # of which each level takes one an axis
CLUMP_LEVELS = 3  # points that share this many levels below a cell make a clump in it
SMALLEST = 1e-140  # size of a box whose squares are still normal numbers


class Tree(NamedTuple):
    """Cells level by level, from the root; each level along the Morton curve."""

    levels: np.ndarray
    """Index of the first cell of each level, and the number of cells."""
    places: np.ndarray
    """Shape (cells, m): integer coordinates of a cell, in its own size."""
    parent: np.ndarray
    children: np.ndarray
    """Shape (cells, 2): range of the children's indices, empty for a leaf."""
    charges: np.ndarray
    """Shape (cells, 2): range of the charges."""
    targets: np.ndarray
    """Shape (cells, 2): range of the targets."""
    centers: np.ndarray
    """Shape (cells, m) [length]."""
    half_widths: np.ndarray
    """Shape (cells,) [length]."""
    clumped: np.ndarray
    """Whether a cell's charges all lie in a small part of it, or in one point."""


class Box(NamedTuple):
    """A cube around all charges and targets: the tree's root."""

    corner: np.ndarray
    """Shape (m,): its lowest corner."""
    size: float
    levels: int
    """How many levels below it the points' keys tell apart."""

    @classmethod
    def around(cls, *clouds: np.ndarray) -> Box:
        """The box of some clouds of points, a little larger, so that no point lies on its upper faces."""
        axes = range(clouds[0].shape[1])
        levels = min(LEVELS, KEY_BITS // len(axes))
        low = np.min([[cloud[:, axis].min() for axis in axes] for cloud in clouds], axis=0).astype(float)
        high = np.max([[cloud[:, axis].max() for axis in axes] for cloud in clouds], axis=0).astype(float)
        with np.errstate(over="ignore", invalid="ignore"):
            largest = float(np.max(np.maximum(np.abs(low), np.abs(high))))
            # Where all points coincide, any size does that their coordinates can resolve.
            size = max(float(np.max(high - low)), 1e-12 * largest, SMALLEST) * (1 + 2.0**-18)
            if not np.isfinite(size):
                return cls(low, np.inf, levels)
            # With few bits in a side the coordinates of all cells are exact, like the offsets between them.
            fraction, power = np.frexp(size)
            size = float(np.ldexp(np.ceil(fraction * 256), power - 8))
            finest = size / 2.0**levels
            return cls(np.floor(low / finest) * finest, size, levels)

    def sort(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Order of the points along the Morton curve, and their keys in this order."""
        scale, keys = 2.0**self.levels / self.size, np.empty(points.shape[0], np.uint64)
        share(lambda begin, end: _morton_keys(begin, end, points, self.corner, scale, self.levels, keys), keys.size)
        order = np.argsort(keys)
        return order, keys[order]


@jit
def _morton_keys(begin, end, points, corner, scale, levels, keys):
    """Key of each point: the bits of its integer coordinates, of 2^levels cells an axis, interleaved."""
    dimension = points.shape[1]
    top = 2.0**levels - 1
    for i in range(begin, end):
        key = np.uint64(0)
        for axis in range(dimension):
            place = np.uint64(min(max((points[i, axis] - corner[axis]) * scale, 0.0), top))
            for bit in range(levels):
                key |= ((place >> np.uint64(bit)) & np.uint64(1)) << np.uint64(bit * dimension + axis)
        keys[i] = key


@jit
def _first_not_below(keys, begin, end, bound):
    """First index of the sorted keys in [begin, end) that is not below the bound."""
    while begin < end:
        middle = (begin + end) // 2
        if keys[middle] < bound:
            begin = middle + 1
        else:
            end = middle
    return begin


@jit
def grown(rows, needed):
    """The rows, with space for twice as many if those needed don't fit."""
    if needed <= rows.shape[0]:
        return rows
    more = np.empty((2 * needed, rows.shape[1]), rows.dtype)
    more[: rows.shape[0]] = rows
    return more


@jit
def _split(charge_keys, target_keys, dimension, key_levels, depth, leaf):
    """Fields of a :class:`Tree` whose leaves hold at most ``leaf`` charges and targets, or lie at ``depth``."""
    # A row is: parent, range of children, of charges and of targets, place.
    rows = np.zeros((1024, 7 + dimension), np.int64)
    rows[0, 4] = charge_keys.shape[0]
    rows[0, 6] = target_keys.shape[0]
    levels = np.ones(depth + 2, np.int64)
    levels[0] = 0
    count = 1
    for level in range(depth + 1):
        shift = np.uint64(dimension * max(0, key_levels - level - 1))
        for cell in range(levels[level], levels[level + 1]):
            rows[cell, 1] = rows[cell, 2] = count
            fits = max(rows[cell, 4] - rows[cell, 3], rows[cell, 6] - rows[cell, 5]) <= leaf
            if fits or level == depth:
                continue
            rows = grown(rows, count + 2**dimension)
            code = np.uint64(0)
            for axis in range(dimension):
                for bit in range(level):
                    code |= np.uint64((rows[cell, 7 + axis] >> bit) & 1) << np.uint64(bit * dimension + axis)
            charge, target = rows[cell, 3], rows[cell, 5]
            for child in range(2**dimension):
                bound = ((code << np.uint64(dimension)) + np.uint64(child + 1)) << shift
                last = child == 2**dimension - 1
                charge_end = rows[cell, 4] if last else _first_not_below(charge_keys, charge, rows[cell, 4], bound)
                target_end = rows[cell, 6] if last else _first_not_below(target_keys, target, rows[cell, 6], bound)
                if charge_end > charge or target_end > target:
                    rows[count, 0] = cell
                    rows[count, 3], rows[count, 4] = charge, charge_end
                    rows[count, 5], rows[count, 6] = target, target_end
                    for axis in range(dimension):
                        rows[count, 7 + axis] = 2 * rows[cell, 7 + axis] + ((child >> axis) & 1)
                    count += 1
                charge, target = charge_end, target_end
            rows[cell, 2] = count
        levels[level + 2 :] = count
    used = rows[:count]
    return (
        levels,
        used[:, 7:].copy(),
        used[:, 0].copy(),
        used[:, 1:3].copy(),
        used[:, 3:5].copy(),
        used[:, 5:7].copy(),
    )


def build(charge_keys: np.ndarray, target_keys: np.ndarray, box: Box, depth: int, leaf: int) -> Tree:
    """Tree whose leaves hold at most ``leaf`` charges and as many targets, or lie ``depth`` levels below the root."""
    levels, places, parent, children, charges, targets = _split(
        charge_keys, target_keys, box.corner.size, box.levels, depth, leaf
    )
    level = np.repeat(np.arange(depth + 1), np.diff(levels))
    half_widths = box.size / 2 * 0.5**level
    first, end = charges.T
    occupied = first < end
    differ = np.zeros(first.size, np.uint64)
    differ[occupied] = charge_keys[first[occupied]] ^ charge_keys[end[occupied] - 1]
    below = np.minimum(level + CLUMP_LEVELS, box.levels)
    clumped = differ >> (box.corner.size * (box.levels - below)).astype(np.uint64) == 0
    centers = box.corner + (2 * places + 1) * half_widths[:, None]
    return Tree(levels, places, parent, children, charges, targets, centers, half_widths, clumped)
