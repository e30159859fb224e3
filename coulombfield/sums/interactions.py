"""Which cells of a tree interact, and how: every pair of a charge and a target is in one place of one list.

Source: H. Cheng, L. Greengard, V. Rokhlin, J. Comput. Phys. 155 (1999) 468, here by a traversal of pairs of cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import jit
from .hierarchy import LEVELS, Tree, grown

REACH = 3  # how many cells apart the children of touching cells can be, in any axis
OFFSETS = 2 * REACH + 1


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
    """Whether the interaction of a cell with itself goes by proxies, its own or those of a cell that holds it."""


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
    proxies : float
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
                far = grown(far, far_count + 1)
                far[far_count, 0], far[far_count, 1] = a, b
                far[far_count, 2], far[far_count, 3] = level, _offset_number(places, a, b)
                far_count += 1
            elif above > 0 and a_count > proxies and not _touching(places, b, a, above):
                incoming = grown(incoming, incoming_count + 1)
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
                        outgoing = grown(outgoing, outgoing_count + 1)
                        outgoing[outgoing_count, 0], outgoing[outgoing_count, 1] = a, c
                        outgoing_count += 1
                    elif children[c, 0] == children[c, 1] or c_count <= proxies or cheap:
                        near = grown(near, near_count + 1)
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
                    following = grown(following, following_count + 8)
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


def lists(tree: Tree, smooth: np.ndarray, proxies: float, few: float) -> Lists:
    """All interactions of the tree; see :func:`interactions` for the parameters."""
    cells, dimension = tree.places.shape
    costs = float(proxies), float(few)  # of one type, for which the loop is compiled once
    far, near, outgoing, incoming = interactions(
        tree.levels, tree.places, tree.children, tree.charges, tree.targets, tree.clumped, smooth, *costs
    )
    numbers = OFFSETS**dimension
    levels = tree.levels.shape[0] - 1
    self_far = np.zeros(cells, bool)
    self_far[far[far[:, 0] == far[:, 1], 0]] = True
    for begin, end in zip(tree.levels[1:-1], tree.levels[2:], strict=True):
        self_far[begin:end] |= self_far[tree.parent[begin:end]]
    far, first = _by_key(far, far[:, 2] * numbers + far[:, 3], levels * numbers)
    groups = np.flatnonzero(first[1:] > first[:-1])
    group_rows = np.stack([groups // numbers, groups % numbers, first[groups]], axis=1)
    group_rows = np.concatenate([group_rows, [[0, 0, far.shape[0]]]])
    near, near_first = _by_key(near, near[:, 0].copy(), cells)
    outgoing, outgoing_first = _by_key(outgoing, outgoing[:, 0].copy(), cells)
    incoming, incoming_first = _by_key(incoming, incoming[:, 0].copy(), cells)
    pairs = np.ascontiguousarray(far[:, :2])
    return Lists(pairs, group_rows, near, near_first, outgoing, outgoing_first, incoming, incoming_first, self_far)
