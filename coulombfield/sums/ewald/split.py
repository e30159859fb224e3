r"""Fast sums of inverse powers in up to three dimensions, also for ε far below the size of the box: Ewald's way.

The kernel is split (:mod:`.ewald.splitting`) into a smooth part, summed by non-uniform Fourier transforms
(:mod:`.fourier.periodic`), and a part that ends at a range r_c, summed over pairs of neighbours
(:mod:`.ewald.neighbour_cells`). Any r_c gives the same sums; the one taken is that for which both parts together
should be fastest. The time does not depend on ε, and grows with the density where charges cluster.

Sums over few pairs are left to an exact engine, which is faster than these preparations: there k(a, a) is exact to the
last bit, and the field of a coincident pair exactly 0. Elsewhere both hold up to the error of the smooth part at
distance 0. Results do not depend on the number of threads.

Memory: about 200 bytes a point, and the transforms' grid twice, at most 1 GiB.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...rng import Streams
from ..costs import table
from ..fourier import transforms
from ..fourier.error_scale import Sample, sample
from ..fourier.periodic import Budget, Layout, box_of, constant, layout, sums
from ..fourier.planning import Facts
from ..pairs.tiles import unfit
from ..request import OutOfReachError, Request, Result
from . import neighbour_cells
from .splitting import Split, split

MAX_DIMENSION = 3
SMALL = 2**22  # pairs: simd sums them in the milliseconds that preparations take here
MOST_GRID_POINTS = 2**25  # 512 MiB

# Shares of the tolerance, calibrated: what the parts' errors come to is a little less in sum.
SERIES, FIRST, SECOND = 1.5, 0.5, 1.0
EXTRA_DIGITS = 0.5  # of β over the series' digits: the split's own error is then below that of the series

REACHES = 2.0 ** (np.arange(-72, 1) / 6)  # tried for r_c, as parts of the longest side of the box
NEIGHBOURHOOD = {1: 2.2, 2: 4.6, 3: 9.0}  # pairs that are looked at for each in the same cell of size r_c
CENSUS = 2**12  # points sampled for the number of neighbours


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the kernel, or an empty string if it can."""
    if reason := unfit(request.targets, MAX_DIMENSION):
        return reason
    terms = request.profile.inverse_powers()
    if not terms:
        return "it takes inverse powers and their sums only"
    if not request.exclude_self and any(term.shift == 0 for term in terms):
        return "it takes a bare inverse power with exclude_self only"
    return transforms.missing("numpy")


def needless(request: Request) -> str:
    """Why all pairs are summed instead, or an empty string."""
    return f"all pairs are faster up to {SMALL:,}" if request.pairs <= SMALL else ""


def seconds(request: Request) -> float:
    """Time by the numbers of points, modes and neighbours, at the request's tolerance; inf if it can't be done."""
    scene = _scene(request)
    return math.inf if scene is None else best_reach(request, scene, request.rtol / 4 if request.rtol else 1e-12)[1]


def approximate(request: Request, tolerance: float) -> Result:
    """The sums; NaN at a target that is not finite, and everywhere if a charge isn't.

    Raises
    ------
    OutOfReachError
        If they would take too many modes, or their sizes are 0 or leave the range of a double.
    """
    targets, positions, weights = request.targets, request.positions, request.weights
    nothing = constant(targets, math.nan, math.nan, request.potential, request.field)
    finite = np.isfinite(targets).all(axis=1)
    if not finite.all():
        if targets is positions or request.exclude_self or not finite.any():
            return nothing
        part = approximate(request._replace(targets=targets[finite]), tolerance)
        for whole, values in zip(nothing, part, strict=True):
            if whole is not None:
                whole[finite] = values
        return nothing
    if not (np.any(weights) and any(np.any(x != positions[0]) for x in (targets, positions))):
        return _at_one_place(request)
    scene = _scene(request)
    if scene is None:
        if request.finite:
            raise OutOfReachError("can't tell the size of the sums")
        return nothing
    plan = planned(request, scene, tolerance)
    near = neighbour_cells.short_sums(
        targets, positions, weights, plan.split, plan.grid, request.exclude_self, request.potential, request.field
    )
    far = sums(
        targets,
        positions,
        weights,
        plan.radial,
        plan.layout,
        plan.budget,
        request.potential,
        request.field,
        exclude_self=request.exclude_self,
    )
    for whole, one, other in zip(nothing, near, far, strict=True):
        if whole is not None:
            whole[...] = one + plan.peak * other.astype(np.float64)
    return nothing


def _at_one_place(request: Request) -> Result:
    """The sums where all points are the same, or all charges 0; NaN reaches them from either."""
    at_zero = float(request.profile.value(np, np.zeros(1))[0])
    total = float(np.sum(request.weights, dtype=np.float64)) + 0.0 * float(np.sum(request.positions[0]))
    result = constant(request.targets, at_zero * total, 0.0 * total, request.potential, request.field)
    if request.potential and request.exclude_self:
        result.potential[:] = at_zero * (total - request.weights[: request.targets.shape[0]].astype(np.float64))
    return result


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
    peak: float
    """The largest size of the smooth part."""
    layout: Layout
    budget: Budget
    grid: neighbour_cells.Grid
    """The cells of neighbours, over all points."""

    def radial(self, s: np.ndarray) -> np.ndarray:
        """The smooth part in units of its peak, so that single precision holds it."""
        return self.split.smooth(s) / self.peak


def _scene(request: Request) -> Scene | None:
    """None if something is not finite, or there are no weights, no distances or no kernel but 0."""
    targets, positions, weights = request.targets, request.positions, request.weights
    centre, extents = box_of(targets, positions)
    largest = float(np.max(np.abs(weights), initial=0.0))
    if not can_be_told(request, centre, extents, largest):
        return None
    # A charge's term with itself is too rare in a sample and too large to be left to chance.
    same = targets is positions
    pairs = sample(request._replace(exclude_self=request.exclude_self or same), largest)
    own = math.sqrt(float(np.mean(np.square(weights, dtype=np.float64)))) / largest
    total = float(np.sum(np.abs(weights), dtype=np.float64)) / largest
    low = centre - extents / 2
    stream = Streams(seed=0).stream("cells")
    drawn = [x[stream.integers(x.shape[0], size=CENSUS)].astype(np.float64) - low for x in (targets, positions)]
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
    plan = None if math.isinf(time) else _plan(wanted, scene, reach, tolerance)
    if plan is None:
        raise OutOfReachError("would take too many modes")
    return plan


def best_reach(wanted: Request, scene: Scene, tolerance: float) -> tuple[float, float]:
    """The range r_c that should be fastest, and the time it should take; inf if none will do."""
    dimension = len(scene.extents)
    points = scene.targets + scene.charges
    transforms_made = 1 + (wanted.potential + dimension * wanted.field + 1) // 2
    best, costs = (0.0, math.inf), table()
    for reach in REACHES * float(np.max(scene.extents)):
        digits, length = _digits(wanted, scene, reach, tolerance)
        sizes = 4 * (digits / (math.pi * length) * (scene.extents + 1.5 * length) + 1)
        grid_points = math.prod(sizes[scene.extents > 0])
        if grid_points > MOST_GRID_POINTS:
            continue
        evaluated = NEIGHBOURHOOD[dimension] * (scene.targets * scene.charges) * share_in_cells(scene.drawn, reach)
        if costs.split_neighbour * evaluated > best[1]:
            break
        time = (
            costs.split_call
            + costs.split_neighbour * evaluated
            + costs.split_point * points
            + costs.split_grid_point * grid_points * transforms_made
        )
        best = min(best, (float(reach), float(time)), key=lambda pair: pair[1])
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


def _plan(wanted: Request, scene: Scene, reach: float, tolerance: float) -> Plan | None:
    """The split, the modes and the transforms' tolerances; None if the modes are too many."""
    pairs = scene.pairs
    digits, length = _digits(wanted, scene, reach, tolerance)
    beta = digits + EXTRA_DIGITS
    parts = split(wanted.profile, reach, beta, 0.1 * math.exp(-beta))
    spots = np.linspace(0, 1, 9) * float(np.max(scene.extents))
    values = np.abs(parts.smooth(spots**2))
    peak = float(np.max(values))
    far = float(np.max(values[4:])) / peak

    # What the series leaks, by the fastest modes along each axis, narrow across it as its transform there.
    cutoff = digits / length
    across = pairs.s[..., None] - np.square(pairs.difference)
    ripple = np.mean(np.cos(cutoff * pairs.difference) * np.exp(-across * (cutoff / (2 * length))), axis=-1)
    noise = math.hypot(_spread(pairs, pairs.weights * ripple), scene.own)
    potential, field = scene.potential / peak, scene.field / peak
    kernel = min(potential, field / cutoff) / noise
    edge = min(potential, field * spots[-1] / 4) / (scene.total * far)
    found = layout(
        scene.centre, scene.extents, parts.smooth, length * digits / beta, SERIES * tolerance * kernel, tolerance * edge
    )
    if found is None or found.grid_points > MOST_GRID_POINTS:
        return None

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
    return Plan(parts, peak, found, budget, grid)


def _spread(pairs: Sample, terms: np.ndarray) -> float:
    """Root mean square over the targets of the whole sums of the terms with signs of their own."""
    return math.sqrt(pairs.share * float(np.mean(np.sum(np.square(terms), axis=1))))
