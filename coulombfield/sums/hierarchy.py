"""An adaptive tree of cubic cells over charges and targets, and the lists of cells that interact.

All cells of a level have the same size, so that what two of them do to each other depends only on the difference of
their places. Charges and targets lie in the same tree, each sorted along a space-filling (Morton) curve: a cell is a
range of either.

Source of the lists: H. Cheng, L. Greengard, V. Rokhlin, J. Comput. Phys. 155 (1999) 468, by a traversal of pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from ..arrays import jit

LEVELS = 31  # below the root, in one and two dimensions: their bits fill a key
LEVELS_3D = 20
CLUMP_LEVELS = 3  # points that share this many levels below a cell make a clump in it
SMALLEST = 1e-140  # size of a box whose squares are still normal numbers
REACH = 3  # how many cells apart the children of touching cells can be, in any axis
OFFSETS = 2 * REACH + 1


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
        levels = LEVELS if len(axes) < 3 else LEVELS_3D
        low = np.min([[cloud[:, axis].min() for axis in axes] for cloud in clouds], axis=0).astype(float)
        high = np.max([[cloud[:, axis].max() for axis in axes] for cloud in clouds], axis=0).astype(float)
        with np.errstate(over="ignore", invalid="ignore"):
            largest = float(np.max(np.maximum(np.abs(low), np.abs(high))))
            # Where all points coincide, any size does that their coordinates can resolve.
            size = max(float(np.max(high - low)), 1e-12 * largest, SMALLEST) * (1 + 2.0**-18)
            if not np.isfinite(size):
                return cls(low, np.inf, levels)
            # With sides and corners like these the coordinates of all cells are exact, like the offsets between them.
            size = 2.0 ** np.ceil(np.log2(size))
            finest = size / 2.0**levels
            return cls(np.floor(low / finest) * finest, size, levels)

    def sort(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Order of the points along the Morton curve, and their keys in this order."""
        keys = _morton_keys(points, self.corner, 2.0**self.levels / self.size, self.levels)
        order = np.argsort(keys)
        return order, keys[order]


class Lists(NamedTuple):
    """Who interacts with whom; each list in the order of its key, and of the traversal among equals."""

    far: np.ndarray
    """Shape (pairs, 2): cells (target's, charge's) of one level whose interaction goes from proxies to proxies, by
    level and offset."""
    far_groups: np.ndarray
    """Shape (groups + 1, 3): level, offset's number and first pair of each group; the last row ends the last group."""
    near: np.ndarray
    """Shape (pairs, 3): a leaf and the range of charges to be summed at its targets."""
    near_first: np.ndarray
    """First row in ``near`` of each cell, and the number of rows."""
    outgoing: np.ndarray
    """Shape (pairs, 2): a leaf and a smaller cell whose proxies are summed at the leaf's targets."""
    outgoing_first: np.ndarray
    incoming: np.ndarray
    """Shape (pairs, 3): a cell and the range of a larger leaf's charges, which are summed at the cell's proxies."""
    incoming_first: np.ndarray
    self_far: np.ndarray
    """Whether the interaction of a cell with itself goes by proxies."""


@jit(parallel=True)
def _morton_keys(points, corner, scale, levels):
    """Key of each point: the bits of its integer coordinates, of 2^levels cells an axis, interleaved."""
    count, dimension = points.shape
    keys = np.empty(count, np.uint64)
    top = 2.0**levels - 1
    for i in numba.prange(count):
        key = np.uint64(0)
        for axis in range(dimension):
            place = np.uint64(min(max((points[i, axis] - corner[axis]) * scale, 0.0), top))
            for bit in range(levels):
                key |= ((place >> np.uint64(bit)) & np.uint64(1)) << np.uint64(bit * dimension + axis)
        keys[i] = key
    return keys


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
def _grown(rows, needed):
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
            rows = _grown(rows, count + 2**dimension)
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


@jit
def _touching(places, one, other, finer):
    """Whether a cell touches or holds another that is ``finer`` levels below it."""
    for axis in range(places.shape[1]):
        low = places[one, axis] << finer
        high = low + (1 << finer) - 1
        place = places[other, axis]
        if low - place > 1 or place - high > 1:
            return False
    return True


@jit
def _axes_apart(places, one, other):
    """Number of axes in which the places of two touching cells of a level differ, or -1 if they don't touch."""
    apart = 0
    for axis in range(places.shape[1]):
        distance = abs(places[one, axis] - places[other, axis])
        if distance > 1:
            return -1
        apart += distance
    return apart


@jit
def _offset_number(places, one, other):
    number = 0
    for axis in range(places.shape[1]):
        number = number * OFFSETS + places[other, axis] - places[one, axis] + REACH
    return number


@jit
def interactions(levels, places, children, charges, targets, clumped, smooth, proxies, few):
    """Pairs for the lists, unsorted.

    Parameters
    ----------
    levels, places, children, charges, targets, clumped
        Of the :class:`Tree`.
    smooth : bool array, shape (levels, m + 1)
        Whether proxies may stand for cells that touch, by level and the number of axes in which their places differ.
    proxies : int
        Number of proxies of a cell.
    few : float
        Number of pairs whose direct sum costs as much as one interaction from proxies to proxies.

    Returns
    -------
    far, near, outgoing, incoming : int arrays
        As in :class:`Lists`, with the level and the offset's number after each pair of ``far``.
    """
    far, far_count = np.empty((1024, 4), np.int64), 0
    near, near_count = np.empty((1024, 3), np.int64), 0
    outgoing, outgoing_count = np.empty((64, 2), np.int64), 0
    incoming, incoming_count = np.empty((64, 3), np.int64), 0
    stack = np.empty((8 * (LEVELS + 1), 2), np.int64)
    # A row is: the target's cell, the charge's, and how many levels above the other the latter is.
    current, current_count = np.zeros((1, 3), np.int64), 1
    following = np.empty((1024, 3), np.int64)
    for level in range(levels.shape[0] - 1):
        following_count = 0
        for pair in range(current_count):
            a, b, above = current[pair]
            a_count, b_count = targets[a, 1] - targets[a, 0], charges[b, 1] - charges[b, 0]
            if a_count == 0 or b_count == 0:
                continue
            a_leaf, b_leaf = children[a, 0] == children[a, 1], children[b, 0] == children[b, 1]
            cheap = a_leaf and a_count * b_count <= few
            apart = _axes_apart(places, a, b) if above == 0 else 0
            # Proxies know nothing of distances that are small for a cell, least of all that they may be 0.
            too_close = cheap or (a == b and clumped[a])
            if above == 0 and not too_close and (apart < 0 or smooth[level, apart]):
                far = _grown(far, far_count + 1)
                far[far_count, 0], far[far_count, 1] = a, b
                far[far_count, 2], far[far_count, 3] = level, _offset_number(places, a, b)
                far_count += 1
            elif above > 0 and a_count > proxies and not _touching(places, b, a, above):
                incoming = _grown(incoming, incoming_count + 1)
                incoming[incoming_count, 0] = a
                incoming[incoming_count, 1], incoming[incoming_count, 2] = charges[b]
                incoming_count += 1
            elif a_leaf:
                height, stack[0, 0], stack[0, 1] = 1, b, -above
                while height > 0:
                    height -= 1
                    c, finer = stack[height]
                    c_count = charges[c, 1] - charges[c, 0]
                    if finer > 0 and c_count > proxies and not _touching(places, a, c, finer):
                        outgoing = _grown(outgoing, outgoing_count + 1)
                        outgoing[outgoing_count, 0], outgoing[outgoing_count, 1] = a, c
                        outgoing_count += 1
                    elif children[c, 0] == children[c, 1] or c_count <= proxies or cheap:
                        near = _grown(near, near_count + 1)
                        near[near_count, 0] = a
                        near[near_count, 1], near[near_count, 2] = charges[c]
                        near_count += 1
                    else:
                        for child in range(children[c, 0], children[c, 1]):
                            if charges[child, 1] > charges[child, 0]:
                                stack[height, 0], stack[height, 1] = child, finer + 1
                                height += 1
            else:
                for a_child in range(children[a, 0], children[a, 1]):
                    following = _grown(following, following_count + 8)
                    if b_leaf:
                        following[following_count, 0], following[following_count, 1] = a_child, b
                        following[following_count, 2] = above + 1
                        following_count += 1
                    else:
                        for b_child in range(children[b, 0], children[b, 1]):
                            following[following_count, 0], following[following_count, 1] = a_child, b_child
                            following[following_count, 2] = 0
                            following_count += 1
        current, following = following, current
        current_count = following_count
    return far[:far_count], near[:near_count], outgoing[:outgoing_count], incoming[:incoming_count]


@jit
def _by_key(rows, keys, count):
    """Rows in the order of their keys, which are below ``count``, and the first row of each key."""
    first = np.zeros(count + 1, np.int64)
    for i in range(keys.shape[0]):
        first[keys[i] + 1] += 1
    for key in range(count):
        first[key + 1] += first[key]
    free = first.copy()
    out = np.empty(rows.shape, rows.dtype)
    for i in range(keys.shape[0]):
        out[free[keys[i]]] = rows[i]
        free[keys[i]] += 1
    return out, first


def lists(tree: Tree, smooth: np.ndarray, proxies: int, few: float) -> Lists:
    """All interactions of the tree; see :func:`interactions` for the parameters."""
    cells, dimension = tree.places.shape
    far, near, outgoing, incoming = interactions(
        tree.levels, tree.places, tree.children, tree.charges, tree.targets, tree.clumped, smooth, proxies, few
    )
    numbers = OFFSETS**dimension
    levels = tree.levels.shape[0] - 1
    self_far = np.zeros(cells, bool)
    self_far[far[far[:, 0] == far[:, 1], 0]] = True
    far, first = _by_key(far, far[:, 2] * numbers + far[:, 3], levels * numbers)
    groups = np.flatnonzero(first[1:] > first[:-1])
    group_rows = np.stack([groups // numbers, groups % numbers, first[groups]], axis=1)
    group_rows = np.concatenate([group_rows, [[0, 0, far.shape[0]]]])
    near, near_first = _by_key(near, near[:, 0], cells)
    outgoing, outgoing_first = _by_key(outgoing, outgoing[:, 0], cells)
    incoming, incoming_first = _by_key(incoming, incoming[:, 0], cells)
    pairs = np.ascontiguousarray(far[:, :2])
    return Lists(pairs, group_rows, near, near_first, outgoing, outgoing_first, incoming, incoming_first, self_far)
