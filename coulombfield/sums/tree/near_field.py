"""Sums over pairs of near charges and targets, and over proxies where only one side has them, for a tree code.

The charges that a leaf needs are copied side by side, with an origin near the leaf: the loop over them is
then one dot product long, and coordinates in float32 lose nothing to a distant origin. Every target belongs to one
leaf and adds its charges in a fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arrays import jit
from ...profiles import slope_at, value_at
from .expansions import SUMS


class Particles(NamedTuple):
    """Sorted charges and targets; coordinates have one row an axis."""

    charges: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    own: np.ndarray
    """Index of the charge that each target is and must leave out; empty if no term is left out."""


# In what follows ``axes`` is the static size m ≤ 2.
# Arrays go into these loops one by one: a named tuple of them takes Numba many times as long. Where a sum begins with
# the first source, 0 is written out: knowing that no index is negative, LLVM fills the vector registers. What is copied
# by functions that have one caller or two is inlined by Numba, so that LLVM works through it once.


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _potential_at(profile, axes, place_x, place_y, sources, begin, end):
    """Sum of the potential of some sources at a place; a source's row has its coordinates and its charge."""
    zero = sources.dtype.type(0)
    last = len(axes)
    total = zero
    for j in range(begin, end):
        difference = place_x - sources[0, j]
        s = difference * difference
        if len(axes) > 1:
            difference = place_y - sources[1, j]
            s += difference * difference
        total += sources[last, j] * value_at(profile, np, s)
    return total


@jit(fastmath=SUMS, no_cpython_wrapper=True)
def _both_at(profile, axes, place_x, place_y, sources, begin, end):
    """Sums of the potential and, axis by axis, of f′(s) (a − b) at a place."""
    zero = sources.dtype.type(0)
    last = len(axes)
    total = x = y = dy = zero
    for j in range(begin, end):
        dx = place_x - sources[0, j]
        s = dx * dx
        if len(axes) > 1:
            dy = place_y - sources[1, j]
            s += dy * dy
        total += sources[last, j] * value_at(profile, np, s)
        slope = sources[last, j] * slope_at(profile, np, s)
        x += slope * dx
        if len(axes) > 1:
            y += slope * dy
    return total, x, y


@jit(inline="always")
def _copy_charges(points, weights, begin, end, origin, sources, filled):
    """Append a range of charges to the sources."""
    dimension = points.shape[0]
    for axis in range(dimension):
        for i in range(end - begin):
            sources[axis, filled + i] = points[axis, begin + i] - origin[axis]
    for i in range(end - begin):
        sources[dimension, filled + i] = weights[begin + i]


@jit(inline="always")
def _put_origin(centers, half_widths, cell, origin):
    """An origin for the points near a cell from which their coordinates are as exact as can be.

    Near 0 they may be much smaller than the cell, and are best left as they are; elsewhere they share their leading
    bits with the cell's centre.
    """
    for axis in range(centers.shape[1]):
        center = centers[cell, axis]
        origin[axis] = center if abs(center) > 4 * half_widths[cell] else 0.0


@jit(inline="always")
def _sources_of(
    leaf, origin, charges, weights, ranges, centers, half_widths, near, near_first, outgoing, outgoing_first, scaled,
    proxy_charges,
):  # fmt: skip
    """All that is summed directly at a leaf's targets, and what to add to a charge's index to find it among them."""
    dimension, count = scaled.shape
    near_begin, near_end = near_first[leaf], near_first[leaf + 1]
    total = (outgoing_first[leaf + 1] - outgoing_first[leaf]) * count
    for row in range(near_begin, near_end):
        total += near[row, 2] - near[row, 1]
    # rows of coordinates, and one of charges, of near charges and then of proxies
    sources = np.empty((dimension + 1, total), charges.dtype)
    filled, own_shift = 0, -charges.shape[1]
    for row in range(near_begin, near_end):
        begin, end = near[row, 1], near[row, 2]
        if begin == ranges[leaf, 0] and end == ranges[leaf, 1]:
            own_shift = filled - begin  # the leaf's own charges are among them
        _copy_charges(charges, weights, begin, end, origin, sources, filled)
        filled += end - begin
    for row in range(outgoing_first[leaf], outgoing_first[leaf + 1]):
        cell = outgoing[row, 1]
        for axis in range(dimension):
            shift = centers[cell, axis] - origin[axis]
            for a in range(count):
                sources[axis, filled + a] = shift + half_widths[cell] * scaled[axis, a]
        for a in range(count):
            sources[dimension, filled + a] = proxy_charges[cell, a]
        filled += count
    return sources, own_shift


@jit
def finish_potential(
    begin_leaf, end_leaf, leaves, profile, axes, charges, weights, places, own, target_ranges, ranges, centers,
    half_widths, near, near_first, outgoing, outgoing_first, self_far, scaled, proxy_charges, potential,
):  # fmt: skip
    """Potential of near charges at the targets of some of the listed leaves."""
    at_zero = value_at(profile, np, potential.dtype.type(0))
    origin = np.empty(len(axes), charges.dtype)
    for number in range(begin_leaf, end_leaf):
        leaf = leaves[number]
        _put_origin(centers, half_widths, leaf, origin)
        sources, own_shift = _sources_of(
            leaf, origin, charges, weights, ranges, centers, half_widths, near, near_first, outgoing, outgoing_first,
            scaled, proxy_charges,
        )  # fmt: skip
        count = sources.shape[1]
        for i in range(target_ranges[leaf, 0], target_ranges[leaf, 1]):
            x = places[0, i] - origin[0]
            y = places[1, i] - origin[1] if len(axes) > 1 else x
            # a target's own charge: skipped where it is summed as such, or what it adds through proxies taken off
            mine = own[i] if own.shape[0] else -1
            left_out = ranges[leaf, 0] <= mine < ranges[leaf, 1]
            apart = left_out and not self_far[leaf]
            middle = mine + own_shift if apart else count
            total = _potential_at(profile, axes, x, y, sources, 0, middle)
            if apart:
                total += _potential_at(profile, axes, x, y, sources, middle + 1, count)
            elif left_out:
                total -= weights[mine] * at_zero
            potential[i] = total


@jit
def finish_both(
    begin_leaf, end_leaf, leaves, profile, axes, charges, weights, places, own, target_ranges, ranges, centers,
    half_widths, near, near_first, outgoing, outgoing_first, self_far, scaled, proxy_charges, potential, field,
):  # fmt: skip
    """Potential and field of near charges at the targets of some of the listed leaves."""
    at_zero = value_at(profile, np, potential.dtype.type(0))
    origin = np.empty(len(axes), charges.dtype)
    for number in range(begin_leaf, end_leaf):
        leaf = leaves[number]
        _put_origin(centers, half_widths, leaf, origin)
        sources, own_shift = _sources_of(
            leaf, origin, charges, weights, ranges, centers, half_widths, near, near_first, outgoing, outgoing_first,
            scaled, proxy_charges,
        )  # fmt: skip
        count = sources.shape[1]
        for i in range(target_ranges[leaf, 0], target_ranges[leaf, 1]):
            x = places[0, i] - origin[0]
            y = places[1, i] - origin[1] if len(axes) > 1 else x
            # a target's own charge: skipped where it is summed as such, or what it adds through proxies taken off
            mine = own[i] if own.shape[0] else -1
            left_out = ranges[leaf, 0] <= mine < ranges[leaf, 1]
            apart = left_out and not self_far[leaf]
            middle = mine + own_shift if apart else count
            total, pull_x, pull_y = _both_at(profile, axes, x, y, sources, 0, middle)
            if apart:
                rest, rest_x, rest_y = _both_at(profile, axes, x, y, sources, middle + 1, count)
                total, pull_x, pull_y = total + rest, pull_x + rest_x, pull_y + rest_y
            elif left_out:
                total -= weights[mine] * at_zero
            potential[i] = total
            field[0, i] = -2 * pull_x
            if len(axes) > 1:
                field[1, i] = -2 * pull_y


@jit
def receive(
    begin_cell, end_cell, cells, profile, axes, charges, weights, centers, half_widths, incoming, incoming_first,
    scaled, potential,
):  # fmt: skip
    """Add the potential of larger leaves' charges to that at the proxies of some of the listed cells."""
    count = scaled.shape[1]
    origin = np.empty(len(axes), charges.dtype)
    places = np.empty((len(axes), count), charges.dtype)
    for number in range(begin_cell, end_cell):
        cell = cells[number]
        _put_origin(centers, half_widths, cell, origin)
        for axis in range(len(axes)):
            shift = centers[cell, axis] - origin[axis]
            for a in range(count):
                places[axis, a] = shift + half_widths[cell] * scaled[axis, a]
        for row in range(incoming_first[cell], incoming_first[cell + 1]):
            begin, end = incoming[row, 1], incoming[row, 2]
            sources = np.empty((len(axes) + 1, end - begin), charges.dtype)
            _copy_charges(charges, weights, begin, end, origin, sources, np.int64(0))
            for a in range(count):
                x, y = places[0, a], places[len(axes) - 1, a]
                potential[cell, a] += _potential_at(profile, axes, x, y, sources, 0, end - begin)
