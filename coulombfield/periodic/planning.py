r"""What a sum over the images of a box needs: the range of its short part, the modes of its smooth part, tolerances.

Errors are allowed relative to the root mean square over the targets of the sums of the terms' magnitudes, each charge
taken at its nearest image only: over all images these sums diverge for d ≤ p. They are told by a sample of pairs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy  # whose parts load when they are first used

from ..rng import Streams
from ..sums.costs import table
from ..sums.ewald.neighbour_cells import Grid
from ..sums.ewald.planning import (
    CENSUS,
    EXTRA_DIGITS,
    FIRST,
    MOST_GRID_POINTS,
    NEIGHBOURHOOD,
    REACHES,
    SECOND,
    digits_of,
    share_in_cells,
)
from ..sums.ewald.splitting import Split, split
from ..sums.fourier import transforms
from ..sums.fourier.error_scale import sample
from ..sums.fourier.periodic import Budget, Coefficients, Layout, box_of
from ..sums.fourier.series import Axis, find_axis
from ..sums.request import OutOfReachError, Request
from .box import Box
from .lattice import coefficients

STEPS_A_DIGIT = 2  # of β: that plans of steps whose sums differ a little are the same
STRETCH = 1.05  # between the extents along axes that aren't periodic, for the same reason
STRIDE = 4  # between ranges that are tried first
EDGE = 0.1  # of the error allowed: what the bend along such an axis may add


class Scene(NamedTuple):
    """What holds for any plan; charges are in units of the largest."""

    box: Box
    profile: Any
    background: bool
    targets: int
    charges: int
    centre: np.ndarray
    """Of the points' box along axes that aren't periodic and of the period along others, shape (m,) [length]."""
    extents: np.ndarray
    """Of the same, shape (m,) [length]."""
    largest: float
    noise: float
    """Root of Σ q²."""
    potential: float
    """Root mean square of the sums of the terms' magnitudes, at nearest images; inf if there is no need to know."""
    field: float
    """The same of the gradients' magnitudes."""
    drawn: tuple[np.ndarray, np.ndarray]
    """Some targets and some charges, counted from the box's lowest corner."""


class Plan(NamedTuple):
    """Both parts of the sums."""

    reach: float
    """Range of the short part [length]."""
    split: Split
    kernel: Coefficients
    layout: Layout
    budget: Budget
    grid: Grid


def scene_of(request: Request, box: Box, background: bool) -> Scene:
    """A scene of points that lie in the box along its periodic axes; there has to be a charge other than 0."""
    largest = float(np.max(np.abs(request.weights)))
    pairs = sample(request._replace(exclude_self=request.exclude_self or request.targets is request.positions), largest)
    difference = box.nearest(pairs.difference)
    s = np.einsum("tnm,tnm->tn", difference, difference)
    pairs = pairs._replace(difference=difference, s=s)
    apart = s > 0
    distances = np.where(apart, s, 1.0)
    charges = request.weights / largest
    potential = field = math.inf
    own = math.sqrt(float(np.mean(np.square(charges, dtype=np.float64))))
    if request.potential:
        potential = pairs.magnitude(np.where(apart, pairs.weights * request.profile.value(np, distances), 0.0))
        if not request.exclude_self and request.targets is request.positions:
            potential = math.hypot(potential, own * float(request.profile.value(np, np.zeros(1))[0]))
        # At nearest images none may be near: a single ion of a crystal has the others a period away.
        potential = max(potential, own * _at_a_period(request.profile.value, box))
    if request.field:
        slopes = 2 * request.profile.slope(np, distances) * np.sqrt(distances)
        field = pairs.magnitude(np.where(apart, pairs.weights * slopes, 0.0))
        side = float(np.min(box.sides))
        field = max(field, own * 2 * side * _at_a_period(request.profile.slope, box))
    centre, extents = box_of(request.targets, request.positions)
    for axis, side in zip(box.axes, box.sides, strict=True):
        centre[axis], extents[axis] = side / 2, side
    stream = Streams(seed=0).stream("cells")
    drawn = [
        points[stream.integers(points.shape[0], size=CENSUS)].astype(np.float64) - (centre - extents / 2)
        for points in (request.targets, request.positions)
    ]
    counts = request.targets.shape[0], request.positions.shape[0]
    noise = own * math.sqrt(counts[1])
    sizes = largest, noise, potential, field
    return Scene(box, request.profile, background, *counts, centre, extents, *sizes, (drawn[0], drawn[1]))


def _at_a_period(function: Any, box: Box) -> float:
    return abs(float(function(np, np.square(np.min(box.sides, keepdims=True)))[0]))


def planned(scene: Scene, tolerance: float) -> Plan:
    """The plan that should be fastest.

    Raises
    ------
    OutOfReachError
        If it would take too many modes.
    """
    reach = _best_reach(scene, tolerance)
    digits, length = _digits(scene, reach, tolerance)
    beta = math.ceil(STEPS_A_DIGIT * (digits + EXTRA_DIGITS)) / STEPS_A_DIGIT
    free = tuple(
        float(STRETCH ** math.ceil(math.log(extent) / math.log(STRETCH))) if extent > 0 else 0.0
        for extent, periodic in zip(scene.extents, scene.box.periodic, strict=True)
        if not periodic
    )
    parts, kernel, axes, used = _series(scene.profile, scene.box, scene.background, reach, length, beta, free)
    layout = Layout(scene.centre, used, axes, 2.0)
    budget = _budget(scene, kernel, axes, tolerance)
    points = scene.targets, scene.charges
    dtype = "complex128"
    times = {
        oversampling: transforms.seconds(points[1], 1, layout.shape, budget.first, oversampling, dtype)
        + transforms.seconds(points[0], 2, layout.shape, max(budget.first, 1e-14), oversampling, dtype)
        for oversampling in transforms.OVERSAMPLINGS
    }
    layout = layout._replace(oversampling=min(times, key=lambda each: times[each]))
    low, high = scene.centre - scene.extents / 2, scene.centre + scene.extents / 2
    for axis in scene.box.axes:
        low[axis] -= reach
        high[axis] += reach
    return Plan(reach, parts, kernel, layout, budget, Grid.over(low, high, reach, max(points)))


def _best_reach(scene: Scene, tolerance: float) -> float:
    """The range that should be fastest: of some, from long to short ones, and then of those between the best three."""
    reaches = REACHES * float(np.max(scene.extents))
    times: dict[int, float] = {}

    def visit(numbers: Iterable[int]) -> int:
        for number in numbers:
            if number in times:
                continue
            times[number] = _seconds(scene, float(reaches[number]), tolerance, min(times.values(), default=math.inf))
            if math.isinf(times[number]) and any(map(math.isfinite, times.values())):
                break
        return min(times, key=lambda number: times[number])

    middle = visit(range(len(reaches) - 1, -1, -STRIDE))
    best = visit(range(min(middle + STRIDE, len(reaches)) - 1, max(middle - STRIDE, -1), -1))
    if math.isinf(times[best]):
        raise OutOfReachError("would take too many modes")
    return float(reaches[best])


def _seconds(scene: Scene, reach: float, tolerance: float, known: float) -> float:
    """Time that a range should take [s]; inf if its grid alone takes longer than is known of another, or too much."""
    digits, length = _digits(scene, reach, tolerance)
    spread = np.where(scene.box.periodic, scene.extents, 2 * scene.extents + 3 * length)
    grid_points = math.prod(2 * (digits / (math.pi * length) * spread[scene.extents > 0] + 1))
    images = math.prod(1 + 2 * reach / scene.box.sides)
    costs = table()
    for_grid = 3 * costs.split_grid_point * grid_points
    if grid_points > MOST_GRID_POINTS or for_grid > known:
        return math.inf
    # A range that is a large part of the box has neighbours in images too, which the census does not see.
    share = share_in_cells(scene.drawn, reach) * math.prod(np.maximum(reach / scene.box.sides, 1))
    neighbours = NEIGHBOURHOOD[len(scene.extents)] * scene.targets * scene.charges * share
    for_points = costs.split_point * (scene.targets + scene.charges * images)
    return float(for_grid + for_points + costs.split_neighbour * neighbours)


def _digits(scene: Scene, reach: float, tolerance: float) -> tuple[float, float]:
    return digits_of(scene.profile, reach, tolerance, scene.noise, scene.potential, scene.field)


@functools.lru_cache(maxsize=8)
def _series(
    profile: Any, box: Box, background: bool, reach: float, length: float, beta: float, free: tuple[float, ...]
) -> tuple[Split, Coefficients, list[Axis], np.ndarray]:
    """The split and its series over a box with these extents along the axes that aren't periodic."""
    parts = split(profile, reach, beta, 0.1 * math.exp(-beta))
    modes = [math.ceil(beta * side / (2 * math.pi * length)) + 1 for side in box.sides]
    periodic = [Axis(float(side) / 2, 0.0, count) for side, count in zip(box.sides, modes, strict=True)]
    bent = []
    for extent in free:
        if extent > 0:
            found = find_axis(extent, parts.smooth, length, math.exp(-beta), EDGE * math.exp(-beta))
            if found is None:
                raise OutOfReachError("would take too many modes")
            bent.append(found)
    if math.prod(2 * axis.size for axis in (*periodic, *bent)) > MOST_GRID_POINTS:
        raise OutOfReachError("would take too many modes")
    waves = [axis.wave_numbers[axis.modes :] for axis in periodic]
    squares = functools.reduce(np.add.outer, [axis.bent_nodes() ** 2 for axis in bent], np.zeros(()))
    series = coefficients(parts, waves, box.sides, np.sqrt(squares), background=background)
    for number, axis in enumerate(bent, start=len(periodic)):
        # As in sums/fourier/series: samples of an even function, whose outermost mode stands for both signs.
        series = scipy.fft.dct(series, 1, axis=number) / (2 * axis.modes)
        series[(slice(None),) * number + (-1,)] /= 2
    used = [*box.axes, *(axis for axis, extent in zip(_free_axes(box), free, strict=True) if extent > 0)]
    order = np.argsort(used)
    series = np.ascontiguousarray(np.transpose(series, order))
    axes = [[*periodic, *bent][number] for number in order]
    peak = float(np.sum(np.abs(series) * functools.reduce(np.multiply.outer, [_signs(axis) for axis in axes])))
    at_zero = float(parts.smooth(np.zeros(1))[0])
    return parts, Coefficients(series / peak, peak, at_zero), axes, np.sort(used)


def _free_axes(box: Box) -> list[int]:
    return [axis for axis, periodic in enumerate(box.periodic) if not periodic]


def _signs(axis: Axis) -> np.ndarray:
    """How many modes have each |k|."""
    return np.append(1.0, np.full(axis.modes, 2.0))


def _budget(scene: Scene, kernel: Coefficients, axes: list[Axis], tolerance: float) -> Budget:
    """Errors of the transforms: the first one's by mode is its tolerance times the root of Σ q²."""
    squares = np.square(kernel.series) * functools.reduce(np.multiply.outer, [_signs(axis) for axis in axes])
    waves = functools.reduce(np.add.outer, [axis.wave_numbers[axis.modes :] ** 2 for axis in axes])
    size, slope = math.sqrt(float(np.sum(squares))), math.sqrt(float(np.sum(squares * waves)))
    potential, field = scene.potential / kernel.peak, scene.field / kernel.peak
    first = FIRST * tolerance * min(potential / size, field / slope) / scene.noise
    scale = SECOND * tolerance * scene.largest
    return Budget(first, 0.1, scale * scene.potential, scale * scene.field)
