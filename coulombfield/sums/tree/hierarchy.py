"""An adaptive tree of cubic cells over charges and targets.

All cells of a level have the same size, so that what two of them do to each other depends only on the difference of
their places. Charges and targets lie in the same tree, each sorted along a space-filling (Morton) curve: a cell is a
range of either.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...threads import share

LEVELS = 31  # below the root, at most
KEY_BITS = 63  # of which each level takes one an axis
CLUMP_LEVELS = 3  # points that share this many levels below a cell make a clump in it
BLOCK = 2**14  # points whose keys are made at a time, in the cache
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
        keys, blocks = np.empty(points.shape[0], np.uint64), -(-points.shape[0] // BLOCK)

        def work(begin: int, end: int) -> None:
            for first in range(begin * BLOCK, min(end * BLOCK, keys.size), BLOCK):
                keys[first : first + BLOCK] = self._morton_keys(points[first : first + BLOCK])

        share(work, blocks)
        order = np.argsort(keys)
        return order, keys[order]

    def _morton_keys(self, points: np.ndarray) -> np.ndarray:
        """Key of each point: the bits of its integer coordinates, of 2^levels cells an axis, interleaved."""
        dimension, scale = points.shape[1], 2.0**self.levels / self.size
        keys = np.zeros(points.shape[0], np.uint64)
        for axis in range(dimension):
            places = np.clip((points[:, axis].astype(np.float64) - self.corner[axis]) * scale, 0, 2.0**self.levels - 1)
            keys |= _spread(places.astype(np.uint64), dimension) << np.uint64(axis)
        return keys


def _spread(places: np.ndarray, dimension: int) -> np.ndarray:
    """Whole numbers below 2^32 with their bits ``dimension`` apart, by halving groups of bits that stay together."""
    for width in (16, 8, 4, 2, 1):
        group = sum(((1 << width) - 1) << start for start in range(0, 64, dimension * width)) % 2**64
        places = (places | (places << np.uint64((dimension - 1) * width))) & np.uint64(group)
    return places


# The tree and its lists are made by array operations, level by level: compiling loops for them took longer than most
# sums do, and the estimate of the tree's time needs them also where another engine is chosen.


def build(charge_keys: np.ndarray, target_keys: np.ndarray, box: Box, depth: int, leaf: int) -> Tree:
    """Tree whose leaves hold at most ``leaf`` charges and as many targets, or lie ``depth`` levels below the root."""
    dimension = box.corner.size
    clouds = charge_keys, target_keys
    levels = np.ones(depth + 2, np.int64)
    levels[0] = 0
    codes, places = np.zeros(1, np.uint64), np.zeros((1, dimension), np.int64)
    ranges = [np.array([[0, keys.shape[0]]]) for keys in clouds]
    rows = [[places, np.zeros(1, np.int64), *ranges]]
    children = []
    for level in range(depth + 1):
        sizes = np.maximum(*(held[:, 1] - held[:, 0] for held in ranges))
        divided = np.flatnonzero((sizes > leaf) & (level < depth))
        if not divided.size:
            children.append(np.full((sizes.size, 2), levels[level + 1]))
            break
        # Shape (cells, 2^m) from here on; a child's charges and targets begin where those of the one before end.
        inner = (codes[divided, None] << np.uint64(dimension)) + np.arange(2**dimension, dtype=np.uint64)
        shift = np.uint64(dimension * max(0, box.levels - level - 1))
        bounds = [
            np.column_stack([held[divided, 0], np.searchsorted(keys, inner[:, 1:] << shift), held[divided, 1]])
            for held, keys in zip(ranges, clouds, strict=True)
        ]
        there = np.any([bound[:, 1:] > bound[:, :-1] for bound in bounds], axis=0)
        counts = np.zeros(sizes.size, np.int64)
        counts[divided] = np.sum(there, axis=1)
        ends = levels[level + 1] + np.cumsum(counts)
        children.append(np.column_stack([ends - counts, ends]))
        which, child = np.nonzero(there)
        codes = inner[which, child]
        places = 2 * places[divided[which]] + ((child[:, None] >> np.arange(dimension)) & 1)
        ranges = [np.column_stack([bound[which, child], bound[which, child + 1]]) for bound in bounds]
        rows.append([places, levels[level] + divided[which], *ranges])
        levels[level + 2 :] = levels[level + 1] + codes.size
    places, parent, charges, targets = (np.concatenate(part) for part in zip(*rows, strict=True))
    level_of = np.repeat(np.arange(depth + 1), np.diff(levels))
    half_widths = box.size / 2 * 0.5**level_of
    first, end = charges.T
    occupied = first < end
    differ = np.zeros(first.size, np.uint64)
    differ[occupied] = charge_keys[first[occupied]] ^ charge_keys[end[occupied] - 1]
    below = np.minimum(level_of + CLUMP_LEVELS, box.levels)
    clumped = differ >> (box.corner.size * (box.levels - below)).astype(np.uint64) == 0
    centers = box.corner + (2 * places + 1) * half_widths[:, None]
    return Tree(levels, places, parent, np.concatenate(children), charges, targets, centers, half_widths, clumped)
