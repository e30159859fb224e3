r"""Where to split a kernel, and the modes and tolerances of its smooth part, by what should be fastest.

Errors are allowed relative to the root mean square over the targets of the sums of the terms' magnitudes, as a sample
of pairs tells them; how many neighbours there are for a range r_c, a sample of points.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...arrays import namespace
from ...rng import Streams
from ..costs import Costs, table
from ..fourier.error_scale import Sample, mean_of_axes, sample, taken
from ..fourier.periodic import Budget, Layout, box_of, layout
from ..fourier.planning import Facts
from ..request import OutOfReachError, Request
from . import cuda_cells, neighbour_cells
from .splitting import Split, split

MOST_GRID_POINTS = 2**25  # 512 MiB

# Shares of the tolerance, calibrated: what the parts' errors come to is a little less in sum.
SERIES, FIRST, SECOND = 1.5, 0.5, 1.0
EXTRA_DIGITS = 0.5  # of β over the series' digits: the split's own error is then below that of the series

REACHES = 2.0 ** (np.arange(-72, 1) / 6)  # tried for r_c, as parts of the longest side of the box
NEIGHBOURHOOD = {1: 2.2, 2: 4.6, 3: 9.0}  # pairs that are looked at for each in the same cell of size r_c
STRIDE = 4  # between ranges whose neighbours are counted first
DOUBT = 0.5  # of what is counted, for a count at a longer range that should be larger
CENSUS = 2**12  # points sampled for the number of neighbours


class Scene(NamedTuple):
    """What holds for any range r_c; weights are divided by the largest."""

    targets: int
    charges: int
    """How many there are."""
    low: np.ndarray
    centre: np.ndarray
    extents: np.ndarray
    largest: float
    pairs: Sample
    total: float
    """Σ |w|."""
    own: float
    """Root mean square of w."""
    potential: float
    """Root mean square of the sums of the terms' magnitudes."""
    field: float
    """The same of the gradients' magnitudes."""
    drawn: tuple[np.ndarray, np.ndarray]
    """Some targets and some charges, relative to ``low``, for counting neighbours."""


class Plan(NamedTuple):
    """Both parts of the sums."""

    split: Split
    beta: float
    """Shape β of the split's bump."""
    peak: float
    """The largest size of the smooth part."""
    layout: Layout
    budget: Budget
    grid: neighbour_cells.Grid
    """The cells of neighbours, over all points."""

    def radial(self, s: np.ndarray) -> np.ndarray:
        """The smooth part in units of its peak, so that single precision holds it."""
        return self.split.smooth(s) / self.peak


def costs_of(request: Request) -> Costs:
    """The table of costs that holds where a request's arrays are."""
    return table() if isinstance(request.targets, np.ndarray) else cuda_cells.costs(request.targets)


def scene(request: Request, room: float = 1.0) -> Scene | None:
    """The scene of a request, in a box ``room`` times as large as that of its points.

    None if something is not finite, or there are no weights, no distances or no kernel but 0.
    """
    targets, positions, weights = request.targets, request.positions, request.weights
    xp = namespace(targets)
    centre, extents = box_of(targets, positions)
    extents = room * extents
    largest = float(xp.max(xp.abs(weights))) if weights.shape[0] else 0.0
    if not can_be_told(request, centre, extents, largest):
        return None
    # A charge's term with itself is too rare in a sample and too large to be left to chance.
    same = targets is positions
    pairs = sample(request._replace(exclude_self=request.exclude_self or same), largest)
    own = math.sqrt(float(xp.mean(xp.square(xp.astype(weights, xp.float64, copy=False))))) / largest
    total = float(xp.sum(xp.abs(weights), dtype=xp.float64)) / largest
    low = centre - extents / 2
    stream = Streams(seed=0).stream("cells")
    drawn = [taken(x, stream.integers(x.shape[0], size=CENSUS)) - low for x in (targets, positions)]
    facts = Facts(targets.shape[0], positions.shape[0], centre, extents, largest, own, total, pairs)
    return scene_of(request, facts, same, (drawn[0], drawn[1]))


def can_be_told(wanted: Request, centre: np.ndarray, extents: np.ndarray, largest: float) -> bool:
    """Whether all is finite, and there are weights, distances and a kernel other than 0."""
    if not np.isfinite([*centre, *extents, largest]).all() or largest == 0 or not np.max(extents) > 0:
        return False
    # There may be none, such as in the Laplacian of 1/r where m = 3.
    return any(term.factor for term in wanted.profile.inverse_powers() or ())


def scene_of(wanted: Request, facts: Facts, same: bool, drawn: tuple[np.ndarray, np.ndarray]) -> Scene | None:
    """A scene from what is known of all points; None if there is no size that errors could be relative to.

    Parameters
    ----------
    wanted : Request
        Of which the kernel and what is wanted are looked at, not the arrays.
    facts : Facts
        Whose pairs leave out terms of charges with themselves.
    same : bool
        Whether the targets are the charges' own places.
    drawn
        As in :class:`Scene`.
    """
    profile, exclude_self, pairs = wanted.profile, wanted.exclude_self, facts.pairs
    potential = field = math.inf
    apart = pairs.s > 0
    s = np.where(apart, pairs.s, 1.0)
    if wanted.potential:
        at_zero = 0.0 if exclude_self else float(profile.value(np, np.zeros(1))[0])
        potential = pairs.magnitude(pairs.weights * np.where(apart, profile.value(np, s), at_zero))
        potential = math.hypot(potential, facts.own * at_zero) if same else potential
    if wanted.field:
        field = pairs.magnitude(np.where(apart, pairs.weights * 2 * profile.slope(np, s) * np.sqrt(s), 0.0))
    if not 0 < min(potential, field) < math.inf:
        return None
    low = facts.centre - facts.extents / 2
    counts = facts.targets, facts.charges
    box = low, facts.centre, facts.extents
    return Scene(*counts, *box, facts.largest, pairs, facts.total, facts.own, potential, field, drawn)


def planned(wanted: Request, scene: Scene, tolerance: float) -> Plan:
    """The plan that should be fastest.

    Raises
    ------
    OutOfReachError
        If it would take too many modes.
    """
    reach, time = best_reach(wanted, scene, tolerance)
    if math.isinf(time):
        raise OutOfReachError("would take too many modes")
    return plan_for(wanted, scene, reach, tolerance)


def best_reach(wanted: Request, scene: Scene, tolerance: float) -> tuple[float, float]:
    """The range r_c that should be fastest, and the time it should take; inf if none will do."""
    dimension, costs = len(scene.extents), costs_of(wanted)
    reaches = REACHES * float(np.max(scene.extents))
    transforms_made = 1 + (wanted.potential + dimension * wanted.field + 1) // 2
    fixed = costs.split_call + costs.split_point * (scene.targets + scene.charges)
    times = np.full(len(reaches), math.inf)  # but for the neighbours
    for number, reach in enumerate(reaches):
        digits, length = _digits(wanted, scene, reach, tolerance)
        sizes = 4 * (digits / (math.pi * length) * (scene.extents + 1.5 * length) + 1)
        grid_points = math.prod(sizes[scene.extents > 0])
        if grid_points <= MOST_GRID_POINTS:
            times[number] = fixed + costs.split_grid_point * grid_points * transforms_made
    pairs = costs.split_neighbour * NEIGHBOURHOOD[dimension] * (scene.targets * scene.charges)
    best, least = (0.0, math.inf), 0.0
    if not np.isfinite(times).any():
        return best
    # A longer range has more neighbours: between two that are tried, few are worth a count.
    first, counted = int(np.argmax(times < math.inf)), {}
    for number in range(first, len(reaches), STRIDE):
        counted[number] = least = pairs * share_in_cells(scene.drawn, reaches[number])
        best = min(best, (float(reaches[number]), float(times[number] + least)), key=lambda pair: pair[1])
        if least > best[1]:
            break
    for number in range(first, len(reaches)):
        if number in counted:
            least = counted[number]
        elif times[number] + DOUBT * least < best[1]:
            time = float(times[number] + pairs * share_in_cells(scene.drawn, reaches[number]))
            best = min(best, (float(reaches[number]), time), key=lambda pair: pair[1])
    return best


def share_in_cells(drawn: tuple[np.ndarray, np.ndarray], side: float) -> float:
    """The share of all pairs of a target and a charge that are in the same cell of that size."""
    keys = []
    for points in drawn:
        numbers = np.floor(points / side).astype(np.int64)
        # There are fewer than 2^13 cells along each axis.
        keys.append(np.sort(np.ravel(numbers @ (8192 ** np.arange(points.shape[1])))))
    found = np.searchsorted(keys[1], keys[0], "right") - np.searchsorted(keys[1], keys[0], "left")
    return float(np.mean(found)) / len(keys[1])


def _digits(wanted: Request, scene: Scene, reach: float, tolerance: float) -> tuple[float, float]:
    noise = scene.own * math.sqrt(scene.charges)
    return digits_of(wanted.profile, reach, tolerance, noise, scene.potential, scene.field)


def digits_of(
    profile: Any, reach: float, tolerance: float, noise: float, potential: float, field: float
) -> tuple[float, float]:
    """Natural logarithm of 1 / (error allowed of the series, relative to its peak), and the length R.

    Parameters
    ----------
    profile : profile
        What :meth:`~coulombfield.profiles.Profile.inverse_powers` makes a sum of inverse powers.
    reach : float
        Range r_c of the short part [length].
    tolerance : float
        Error allowed of the sums.
    noise : float
        Root of Σ w².
    potential, field : float
        Sizes that errors are relative to, as in :class:`Scene`.
    """
    peak, length = 0.0, math.inf
    terms = profile.inverse_powers()
    assert terms, "refused before"
    for factor, numerator, shift, d in terms:
        square = reach * reach + shift
        peak += abs(factor) * (numerator / square) ** (d / 2) * (4 * (1 + d / 2)) ** (d / 4)
        length = min(length, math.sqrt(square))
    allowed = tolerance * min(potential, field * length / 12) / (peak * noise)
    return math.log(1 / min(0.1, max(allowed, 1e-15))), length


def parted(profile: Any, reach: float, beta: float) -> Split:
    """The split for a range r_c and a shape β."""
    return split(profile, reach, beta, 0.1 * math.exp(-beta))


def plan_for(wanted: Request, scene: Scene, reach: float, tolerance: float) -> Plan:
    """The split, the modes and the transforms' tolerances for a range r_c.

    Raises
    ------
    OutOfReachError
        If the modes are too many.
    """
    pairs = scene.pairs
    digits, length = _digits(wanted, scene, reach, tolerance)
    beta = digits + EXTRA_DIGITS
    parts = parted(wanted.profile, reach, beta)
    spots = np.linspace(0, 1, 9) * float(np.max(scene.extents))
    values = np.abs(parts.smooth(spots**2))
    peak = float(np.max(values))
    far = float(np.max(values[4:])) / peak

    # What the series leaks, by the fastest modes along each axis, narrow across it as its transform there.
    cutoff = digits / length
    across = pairs.s[..., None] - np.square(pairs.difference)
    ripple = mean_of_axes(np.cos(cutoff * pairs.difference) * np.exp(-across * (cutoff / (2 * length))))
    noise = math.hypot(_spread(pairs, pairs.weights * ripple), scene.own)
    potential, field = scene.potential / peak, scene.field / peak
    kernel = min(potential, field / cutoff) / noise
    edge = min(potential, field * spots[-1] / 4) / (scene.total * far)
    found = layout(
        scene.centre, scene.extents, parts.smooth, length * digits / beta, SERIES * tolerance * kernel, tolerance * edge
    )
    if found is None or found.grid_points > MOST_GRID_POINTS:
        raise OutOfReachError("would take too many modes")

    # The first transform's error differs from charge to charge; that of the second is in proportion to the sums.
    terms = pairs.weights * (parts.smooth(pairs.s) / peak)
    first, local = potential / math.hypot(scene.own, _spread(pairs, terms)), pairs.sum_of(terms) / potential
    if wanted.field:
        slopes = pairs.weights * (2 * parts.smooth_slope(pairs.s) / peak)
        wave = math.sqrt(digits) / length
        # Errors don't share the symmetry by which the field of a near charge is weak.
        close = wave * terms * np.exp(-pairs.s / length**2)
        pulls = [scene.own * wave, _spread(pairs, close), _spread(pairs, slopes * np.sqrt(pairs.s))]
        first = min(first, field / math.hypot(*pulls))
        parts_of_field = [pairs.sum_of(slopes * pairs.difference[..., axis]) for axis in found.used]
        local = max(local, math.hypot(pulls[0], *parts_of_field) / field)
    second = SECOND * tolerance
    scale = second * scene.largest
    budget = Budget(FIRST * tolerance * first, second / max(local, second), scale * potential, scale * field)
    points = max(scene.targets, scene.charges)
    grid = neighbour_cells.Grid.over(scene.low, scene.low + scene.extents, reach, points)
    return Plan(parts, beta, peak, found, budget, grid)


def _spread(pairs: Sample, terms: np.ndarray) -> float:
    """Root mean square over the targets of the whole sums of the terms with signs of their own."""
    return math.sqrt(pairs.share * float(np.mean(np.sum(np.square(terms), axis=1))))
