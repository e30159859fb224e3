"""Sums over pairs of near charges and targets, and over proxies where only one side has them, for a tree code.

The charges that a leaf needs are copied side by side, with an origin near the leaf: the loop over them is
then one dot product long, and coordinates in float32 lose nothing to a distant origin. Every target belongs to one
leaf and adds its charges in a fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import jit
from ..profiles import slope_at, value_at
from .expansions import SUMS, scatter_both, scatter_potential


class Particles(NamedTuple):
    """Sorted charges and targets; coordinates have one row an axis."""

    charges: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    own: np.ndarray
    """Index of the charge that each target is and must leave out; empty if no term is left out."""


# In what follows ``axes`` is a tuple of m zeros, m ≤ 2. Its length is part of its type and hence known to the compiler.


@jit(fastmath=SUMS)
def _potential_at(profile, axes, place, sources, begin, end):
    """Sum of the potential of some sources at a place; a source's row has its coordinates and its charge."""
    zero = sources.dtype.type(0)
    last = len(axes)
    total = zero
    for j in range(begin, end):
        difference = place[0] - sources[0, j]
        s = difference * difference
        if len(axes) > 1:
            difference = place[1] - sources[1, j]
            s += difference * difference
        total += sources[last, j] * value_at(profile, np, s)
    return total


@jit(fastmath=SUMS)
def _both_at(profile, axes, place, sources, begin, end):
    """Sums of the potential and, axis by axis, of f′(s) (a − b) at a place."""
    zero = sources.dtype.type(0)
    last = len(axes)
    total = x = y = dy = zero
    for j in range(begin, end):
        dx = place[0] - sources[0, j]
        s = dx * dx
        if len(axes) > 1:
            dy = place[1] - sources[1, j]
            s += dy * dy
        total += sources[last, j] * value_at(profile, np, s)
        slope = sources[last, j] * slope_at(profile, np, s)
        x += slope * dx
        if len(axes) > 1:
            y += slope * dy
    return total, x, y


@jit
def _copy_charges(points, weights, begin, end, origin, sources, filled):
    """Append a range of charges to the sources."""
    dimension = points.shape[0]
    for axis in range(dimension):
        for i in range(end - begin):
            sources[axis, filled + i] = points[axis, begin + i] - origin[axis]
    for i in range(end - begin):
        sources[dimension, filled + i] = weights[begin + i]
    return filled + end - begin


@jit
def _origin(center, half_width, points):
    """An origin for the points near a cell from which their coordinates are as exact as can be.

    Near 0 they may be much smaller than the cell, and are best left as they are; elsewhere they share their leading
    bits with the cell's centre.
    """
    origin = np.zeros(center.shape[0], points.dtype)
    for axis in range(center.shape[0]):
        if abs(center[axis]) > 4 * half_width:
            origin[axis] = center[axis]
    return origin


@jit
def _sources_of(leaf, origin, particles, tree, lists, proxies):
    """All that is summed directly at a leaf's targets, and what to add to a charge's index to find it among them."""
    dimension, count = proxies.scaled.shape
    near, outgoing = lists.near, lists.outgoing
    total = (lists.outgoing_first[leaf + 1] - lists.outgoing_first[leaf]) * count
    for row in range(lists.near_first[leaf], lists.near_first[leaf + 1]):
        total += near[row, 2] - near[row, 1]
    sources = np.empty((dimension + 1, total), particles.charges.dtype)
    filled, own_shift = 0, -particles.charges.shape[1]
    for row in range(lists.near_first[leaf], lists.near_first[leaf + 1]):
        if near[row, 1] == tree.charges[leaf, 0] and near[row, 2] == tree.charges[leaf, 1]:
            own_shift = filled - near[row, 1]
        filled = _copy_charges(
            particles.charges, particles.weights, near[row, 1], near[row, 2], origin, sources, filled
        )
    for row in range(lists.outgoing_first[leaf], lists.outgoing_first[leaf + 1]):
        cell = outgoing[row, 1]
        for axis in range(dimension):
            shift = tree.centers[cell, axis] - origin[axis]
            for a in range(count):
                sources[axis, filled + a] = shift + tree.half_widths[cell] * proxies.scaled[axis, a]
        for a in range(count):
            sources[dimension, filled + a] = proxies.charges[cell, a]
        filled += count
    return sources, own_shift


@jit
def _place(points, i, origin, axes):
    """Coordinates of a point from the origin, two of them."""
    x = y = points[0, i] - origin[0]
    if len(axes) > 1:
        y = points[1, i] - origin[1]
    return x, y


@jit
def _own_charge(i, leaf, particles, tree):
    """Index of the charge that target i must leave out, or -1."""
    if particles.own.shape[0] == 0:
        return -1
    own = particles.own[i]
    return own if tree.charges[leaf, 0] <= own < tree.charges[leaf, 1] else -1


@jit
def finish_potential(begin_leaf, end_leaf, leaves, profile, axes, particles, tree, lists, proxies, potential):
    """Potential at the targets of some of the listed leaves."""
    at_zero = value_at(profile, np, potential.dtype.type(0))
    for leaf in leaves[begin_leaf:end_leaf]:
        origin = _origin(tree.centers[leaf], tree.half_widths[leaf], particles.charges)
        sources, own_shift = _sources_of(leaf, origin, particles, tree, lists, proxies)
        count = sources.shape[1]
        begin, end = tree.targets[leaf]
        for i in range(begin, end):
            place = _place(particles.targets, i, origin, axes)
            own = _own_charge(i, leaf, particles, tree)
            own_place = own + own_shift
            if own < 0 or lists.self_far[leaf]:
                potential[i] = _potential_at(profile, axes, place, sources, 0, count)
            else:
                before = _potential_at(profile, axes, place, sources, 0, own_place)
                potential[i] = before + _potential_at(profile, axes, place, sources, own_place + 1, count)
            if own >= 0 and lists.self_far[leaf]:
                potential[i] -= particles.weights[own] * at_zero
        if proxies.known[leaf]:
            scatter_potential(leaf, particles.targets, tree, proxies, potential)


@jit
def finish_both(begin_leaf, end_leaf, leaves, profile, axes, particles, tree, lists, proxies, potential, field):
    """Potential and field at the targets of some of the listed leaves."""
    at_zero = value_at(profile, np, potential.dtype.type(0))
    for leaf in leaves[begin_leaf:end_leaf]:
        origin = _origin(tree.centers[leaf], tree.half_widths[leaf], particles.charges)
        sources, own_shift = _sources_of(leaf, origin, particles, tree, lists, proxies)
        count = sources.shape[1]
        begin, end = tree.targets[leaf]
        for i in range(begin, end):
            place = _place(particles.targets, i, origin, axes)
            own = _own_charge(i, leaf, particles, tree)
            own_place = own + own_shift
            if own < 0 or lists.self_far[leaf]:
                total, x, y = _both_at(profile, axes, place, sources, 0, count)
            else:
                total, x, y = _both_at(profile, axes, place, sources, 0, own_place)
                rest, rest_x, rest_y = _both_at(profile, axes, place, sources, own_place + 1, count)
                total, x, y = total + rest, x + rest_x, y + rest_y
            if own >= 0 and lists.self_far[leaf]:
                total -= particles.weights[own] * at_zero
            potential[i] = total
            field[0, i] = -2 * x
            if len(axes) > 1:
                field[1, i] = -2 * y
        if proxies.known[leaf]:
            scatter_both(leaf, particles.targets, tree, proxies, potential, field)


@jit
def receive(begin_cell, end_cell, cells, profile, axes, particles, tree, lists, proxies):
    """Add the potential of larger leaves' charges to that at the proxies of some of the listed cells."""
    points = particles.charges
    dimension, count = proxies.scaled.shape
    nowhere = np.zeros(dimension, points.dtype)
    places = np.empty((dimension, count), points.dtype)
    for cell in cells[begin_cell:end_cell]:
        origin = _origin(tree.centers[cell], tree.half_widths[cell], points)
        for axis in range(dimension):
            shift = tree.centers[cell, axis] - origin[axis]
            for a in range(count):
                places[axis, a] = shift + tree.half_widths[cell] * proxies.scaled[axis, a]
        for row in range(lists.incoming_first[cell], lists.incoming_first[cell + 1]):
            begin, end = lists.incoming[row, 1], lists.incoming[row, 2]
            sources = np.empty((dimension + 1, end - begin), points.dtype)
            _copy_charges(points, particles.weights, begin, end, origin, sources, 0)
            for a in range(count):
                place = _place(places, a, nowhere, axes)
                proxies.potential[cell, a] += _potential_at(profile, axes, place, sources, 0, end - begin)
