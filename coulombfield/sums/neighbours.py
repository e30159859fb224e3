"""Sums over pairs of near charges and targets, and over proxies where only one side has them, for a tree code.

The charges that a leaf needs are copied side by side, with a leaf's own centre as the origin: the loop over them is
then one dot product long, and coordinates in float32 lose nothing to a distant origin. Every target belongs to one
leaf and adds its charges in a fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from ..arrays import jit
from ..profiles import slope_at, value_at
from .expansions import SUMS, scatter_both, scatter_potential

# In what follows ``axes`` is a tuple of m zeros, m ≤ 3. Its length is part of its type and hence known to the compiler.


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
        if len(axes) > 2:
            difference = place[2] - sources[2, j]
            s += difference * difference
        total += sources[last, j] * value_at(profile, np, s)
    return total


@jit(fastmath=SUMS)
def _both_at(profile, axes, place, sources, begin, end):
    """Sums of the potential and, axis by axis, of f′(s) (a − b) at a place."""
    zero = sources.dtype.type(0)
    last = len(axes)
    total = x = y = z = zero
    dy = dz = zero
    for j in range(begin, end):
        dx = place[0] - sources[0, j]
        s = dx * dx
        if len(axes) > 1:
            dy = place[1] - sources[1, j]
            s += dy * dy
        if len(axes) > 2:
            dz = place[2] - sources[2, j]
            s += dz * dz
        total += sources[last, j] * value_at(profile, np, s)
        slope = sources[last, j] * slope_at(profile, np, s)
        x += slope * dx
        if len(axes) > 1:
            y += slope * dy
        if len(axes) > 2:
            z += slope * dz
    return total, x, y, z


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
def _sources_of(leaf, origin, points, weights, charges, near, near_first, outgoing, outgoing_first, proxies, multipoles,
                centers, half_widths):  # fmt: skip
    """All that is summed directly at a leaf's targets, and what to add to a charge's index to find it among them."""
    dimension, count = proxies.shape
    total = (outgoing_first[leaf + 1] - outgoing_first[leaf]) * count
    for row in range(near_first[leaf], near_first[leaf + 1]):
        total += near[row, 2] - near[row, 1]
    sources = np.empty((dimension + 1, total), points.dtype)
    filled, own_shift = 0, -points.shape[1]
    for row in range(near_first[leaf], near_first[leaf + 1]):
        if near[row, 1] == charges[leaf, 0] and near[row, 2] == charges[leaf, 1]:
            own_shift = filled - near[row, 1]
        filled = _copy_charges(points, weights, near[row, 1], near[row, 2], origin, sources, filled)
    for row in range(outgoing_first[leaf], outgoing_first[leaf + 1]):
        cell = outgoing[row, 1]
        for axis in range(dimension):
            shift = centers[cell, axis] - origin[axis]
            for a in range(count):
                sources[axis, filled + a] = shift + half_widths[cell] * proxies[axis, a]
        for a in range(count):
            sources[dimension, filled + a] = multipoles[cell, a]
        filled += count
    return sources, own_shift


@jit
def _place(points, i, origin, axes):
    """Coordinates of a point from the origin, three of them."""
    x = y = z = points[0, i] - origin[0]
    if len(axes) > 1:
        y = points[1, i] - origin[1]
    if len(axes) > 2:
        z = points[2, i] - origin[2]
    return x, y, z


@jit
def _origin(center, dtype_of):
    """A cell's centre, rounded so that subtracting it from a coordinate in that type is as exact as can be."""
    origin = np.empty(center.shape[0], dtype_of.dtype)
    origin[:] = center
    return origin


@jit(parallel=True)
def finish_potential(profile, axes, leaves, targets, places, points, weights, own, charges, near, near_first, outgoing,
                     outgoing_first, proxies, multipoles, locals_, has_local, self_far, centers, half_widths, nodes,
                     factors, potential):  # fmt: skip
    """Potential at all targets, leaf by leaf; ``own`` holds each target's own charge, or is empty."""
    for index in numba.prange(leaves.shape[0]):
        leaf = leaves[index]
        begin, end = targets[leaf]
        origin = _origin(centers[leaf], points)
        sources, own_shift = _sources_of(leaf, origin, points, weights, charges, near, near_first, outgoing,
                                         outgoing_first, proxies, multipoles, centers, half_widths)  # fmt: skip
        count = sources.shape[1]
        at_zero = value_at(profile, np, points.dtype.type(0))
        for i in range(begin, end):
            place = _place(places, i, origin, axes)
            skipped = own[i] + own_shift if own.shape[0] > 0 else -1
            if skipped >= 0 and not self_far[leaf]:
                total = _potential_at(profile, axes, place, sources, 0, skipped)
                potential[i] = total + _potential_at(profile, axes, place, sources, skipped + 1, count)
            else:
                potential[i] = _potential_at(profile, axes, place, sources, 0, count)
            if own.shape[0] > 0 and self_far[leaf]:
                potential[i] -= weights[own[i]] * at_zero
        if has_local[leaf]:
            scatter_potential(
                places, begin, end, centers[leaf], half_widths[leaf], nodes, factors, locals_[leaf], potential
            )


@jit(parallel=True)
def finish_both(profile, axes, leaves, targets, places, points, weights, own, charges, near, near_first, outgoing,
                outgoing_first, proxies, multipoles, locals_, has_local, self_far, centers, half_widths, nodes,
                factors, potential, field):  # fmt: skip
    """Potential and field at all targets, leaf by leaf."""
    for index in numba.prange(leaves.shape[0]):
        leaf = leaves[index]
        begin, end = targets[leaf]
        origin = _origin(centers[leaf], points)
        sources, own_shift = _sources_of(leaf, origin, points, weights, charges, near, near_first, outgoing,
                                         outgoing_first, proxies, multipoles, centers, half_widths)  # fmt: skip
        count = sources.shape[1]
        at_zero = value_at(profile, np, points.dtype.type(0))
        for i in range(begin, end):
            place = _place(places, i, origin, axes)
            skipped = own[i] + own_shift if own.shape[0] > 0 else -1
            if skipped >= 0 and not self_far[leaf]:
                total, x, y, z = _both_at(profile, axes, place, sources, 0, skipped)
                rest, rest_x, rest_y, rest_z = _both_at(profile, axes, place, sources, skipped + 1, count)
                total, x, y, z = total + rest, x + rest_x, y + rest_y, z + rest_z
            else:
                total, x, y, z = _both_at(profile, axes, place, sources, 0, count)
            potential[i] = total
            if own.shape[0] > 0 and self_far[leaf]:
                potential[i] -= weights[own[i]] * at_zero
            field[0, i] = -2 * x
            if len(axes) > 1:
                field[1, i] = -2 * y
            if len(axes) > 2:
                field[2, i] = -2 * z
        if has_local[leaf]:
            scatter_both(
                places, begin, end, centers[leaf], half_widths[leaf], nodes, factors, locals_[leaf], potential, field
            )


@jit(parallel=True)
def receive(profile, axes, cells, incoming, incoming_first, points, weights, proxies, centers, half_widths, locals_):
    """Add the potential of distant leaves' charges to that at the listed cells' proxies."""
    dimension, count = proxies.shape
    for index in numba.prange(cells.shape[0]):
        cell = cells[index]
        origin = _origin(centers[cell], points)
        scaled = np.empty((dimension, count), points.dtype)
        for axis in range(dimension):
            for a in range(count):
                scaled[axis, a] = centers[cell, axis] - origin[axis] + half_widths[cell] * proxies[axis, a]
        nowhere = np.zeros(dimension, points.dtype)
        for row in range(incoming_first[cell], incoming_first[cell + 1]):
            begin, end = incoming[row, 1], incoming[row, 2]
            sources = np.empty((dimension + 1, end - begin), points.dtype)
            _copy_charges(points, weights, begin, end, origin, sources, 0)
            for a in range(count):
                place = _place(scaled, a, nowhere, axes)
                locals_[cell, a] += _potential_at(profile, axes, place, sources, 0, end - begin)
