"""Which cells of a tree interact, and how: every pair of a charge and a target is in one place of one list.

Source: H. Cheng, L. Greengard, V. Rokhlin, J. Comput. Phys. 155 (1999) 468, here by a traversal of pairs of cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import jit
from .hierarchy import LEVELS, Tree

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


@jit(no_cpython_wrapper=True)
def _touching(places, one, other, finer):
    """Whether a cell touches or holds another that is ``finer`` levels below it."""
    for axis in range(places.shape[1]):
        low = places[one, axis] << finer
        high = low + (1 << finer) - 1
        place = places[other, axis]
        if low - place > 1 or place - high > 1:
            return False
    return True


@jit(no_cpython_wrapper=True)
def _axes_apart(places, one, other):
    """Number of axes in which the places of two touching cells of a level differ, or -1 if they don't touch."""
    apart = 0
    for axis in range(places.shape[1]):
        distance = abs(places[one, axis] - places[other, axis])
        if distance > 1:
            return -1
        apart += distance
    return apart


@jit(no_cpython_wrapper=True)
def _offset_number(places, one, other):
    number = 0
    for axis in range(places.shape[1]):
        number = number * OFFSETS + places[other, axis] - places[one, axis] + REACH
    return number


def _interactions(tree: Tree, smooth: np.ndarray, proxies: float, few: float) -> list[np.ndarray]:
    """Pairs for the lists far, near, outgoing and incoming, sorted by level only; see :func:`_of_level`."""
    # The last is for the pairs of the next level.
    rows = [np.empty((size, 3), np.int64) for size in (1024, 1024, 64, 64, 1024)]
    filled = np.zeros(len(rows), np.int64)
    stack = np.empty((8 * (LEVELS + 1), 2), np.int64)
    current = np.zeros((1, 3), np.int64)
    for level in range(tree.levels.size - 1):
        done, filled[-1] = 0, 0
        while done < len(current):
            done = _of_level(
                level, done, current, tree.places, tree.children, tree.charges, tree.targets, tree.clumped,
                smooth, float(proxies), float(few), stack, *rows, filled,
            )  # fmt: skip
            if done < len(current):
                rows = [_roomy(one, count) for one, count in zip(rows, filled, strict=True)]
        current = rows[-1][: filled[-1]].copy()
    return [one[:count] for one, count in zip(rows[:-1], filled, strict=False)]


def _roomy(rows: np.ndarray, count: np.int64) -> np.ndarray:
    """The first rows in twice the space, if they fill half of what they have."""
    if 2 * count < rows.shape[0]:
        return rows
    more = np.empty((2 * rows.shape[0], rows.shape[1]), rows.dtype)
    more[:count] = rows[:count]
    return more


# Growing arrays in here would take Numba longer to compile than all the rest: it counts references to arrays wherever
# a variable may stand for another one.


@jit
def _of_level(
    level, first, current, places, children, charges, targets, clumped, smooth, proxies, few, stack,
    far, near, outgoing, incoming, following, filled,
):  # fmt: skip
    """Put the interactions of a level's pairs behind the rows that are filled, from the first pair on.

    Parameters
    ----------
    current : int array, shape (pairs, 3)
        The target's cell, the charge's, and how many levels above the other the latter is.
    places, children, charges, targets, clumped
        Of the :class:`Tree`.
    smooth, proxies, few
        Of :func:`lists`.
    stack : int array
        Memory to work in.
    far, near, outgoing, incoming : int arrays, shape (many, 3)
        As in :class:`Lists`, but behind each pair of ``far`` comes the level times OFFSETS^m plus the offset's number,
        and behind each pair of ``outgoing`` nothing of use.
    following : int array, shape (many, 3)
        Pairs of the next level.
    filled : int array, shape (5,)
        How many rows of each of these five are filled.

    Returns
    -------
    int
        The first pair that is not done, for which an array has too few rows.
    """
    far_count, near_count, outgoing_count, incoming_count = filled[0], filled[1], filled[2], filled[3]
    following_count = filled[4]
    numbers = OFFSETS ** places.shape[1]
    most = 4 ** places.shape[1]  # pairs of the next level for one
    for pair in range(first, current.shape[0] + 1):
        filled[0], filled[1], filled[2], filled[3] = far_count, near_count, outgoing_count, incoming_count
        filled[4] = following_count
        if (
            pair == current.shape[0]
            or far_count == far.shape[0]
            or incoming_count == incoming.shape[0]
            or following_count + most > following.shape[0]
        ):
            break
        # the target's cell, and the charges', which is a leaf if it is some levels above
        a, b, above = current[pair, 0], current[pair, 1], current[pair, 2]
        a_count, b_count = targets[a, 1] - targets[a, 0], charges[b, 1] - charges[b, 0]
        if a_count == 0 or b_count == 0:
            continue
        a_leaf, b_leaf = children[a, 0] == children[a, 1], children[b, 0] == children[b, 1]
        cheap = a_leaf and a_count * b_count <= few
        apart = _axes_apart(places, a, b) if above == 0 else 0
        # Proxies know nothing of distances that are small for a cell, least of all that they may be 0.
        too_close = cheap or (a == b and clumped[a])
        if above == 0 and not too_close and (apart < 0 or smooth[level, apart]):
            far[far_count, 0], far[far_count, 1] = a, b
            far[far_count, 2] = level * numbers + _offset_number(places, a, b)
            far_count += 1
        elif above > 0 and a_count > proxies and not _touching(places, b, a, above):
            # b is a leaf and larger than a: its charges at a's proxies, which are fewer than a's targets
            incoming[incoming_count, 0] = a
            incoming[incoming_count, 1], incoming[incoming_count, 2] = charges[b, 0], charges[b, 1]
            incoming_count += 1
        elif a_leaf:
            # below b, cells that are far enough go by their proxies, all others charge by charge
            height, stack[0, 0], stack[0, 1] = 1, b, -above
            while height > 0:
                if near_count == near.shape[0] or outgoing_count == outgoing.shape[0]:
                    return pair
                height -= 1
                c, finer = stack[height, 0], stack[height, 1]
                many = charges[c, 1] - charges[c, 0] > proxies
                if finer > 0 and many and not _touching(places, a, c, finer):
                    outgoing[outgoing_count, 0], outgoing[outgoing_count, 1] = a, c
                    outgoing_count += 1
                elif children[c, 0] == children[c, 1] or not many or cheap:
                    near[near_count, 0] = a
                    near[near_count, 1], near[near_count, 2] = charges[c, 0], charges[c, 1]
                    near_count += 1
                else:
                    for child in range(children[c, 0], children[c, 1]):
                        if charges[child, 1] > charges[child, 0]:
                            stack[height, 0], stack[height, 1] = child, finer + 1
                            height += 1
        else:
            b_first, b_last = (b, b + 1) if b_leaf else (children[b, 0], children[b, 1])
            for a_child in range(children[a, 0], children[a, 1]):
                for b_child in range(b_first, b_last):
                    following[following_count, 0], following[following_count, 1] = a_child, b_child
                    following[following_count, 2] = above + 1 if b_leaf else 0
                    following_count += 1
    return pair


def _by_key(rows: np.ndarray, keys: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of their keys, which are below ``count``, and the first row of each key."""
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=count), out=first[1:])
    return np.take(rows, np.argsort(keys, kind="stable"), axis=0), first


def lists(tree: Tree, smooth: np.ndarray, proxies: float, few: float) -> Lists:
    """All interactions of the tree: level by level, from the root with itself, down where cells are too close.

    Parameters
    ----------
    tree : Tree
        The cells.
    smooth : bool array, shape (levels, m + 1)
        Whether proxies may stand for cells that touch, by level and the number of axes in which their places differ.
    proxies : float
        Number of proxies of a cell.
    few : float
        Number of pairs whose direct sum costs as much as one interaction from proxies to proxies.
    """
    cells, dimension = tree.places.shape
    far, near, outgoing, incoming = _interactions(tree, smooth, proxies, few)
    numbers = OFFSETS**dimension
    levels = tree.levels.shape[0] - 1
    self_far = np.zeros(cells, bool)
    self_far[far[far[:, 0] == far[:, 1], 0]] = True
    for begin, end in zip(tree.levels[1:-1], tree.levels[2:], strict=True):
        self_far[begin:end] |= self_far[tree.parent[begin:end]]
    far, first = _by_key(far, far[:, 2], levels * numbers)
    groups = np.flatnonzero(first[1:] > first[:-1])
    group_rows = np.stack([groups // numbers, groups % numbers, first[groups]], axis=1)
    group_rows = np.concatenate([group_rows, [[0, 0, far.shape[0]]]])
    near, near_first = _by_key(near, near[:, 0], cells)
    outgoing, outgoing_first = _by_key(outgoing, outgoing[:, 0], cells)
    incoming, incoming_first = _by_key(incoming, incoming[:, 0], cells)
    pairs, outgoing = np.ascontiguousarray(far[:, :2]), np.ascontiguousarray(outgoing[:, :2])
    return Lists(pairs, group_rows, near, near_first, outgoing, outgoing_first, incoming, incoming_first, self_far)
