r"""Fast sums of smooth kernels in up to three dimensions by non-uniform Fourier transforms.

The kernel is made periodic beyond the box of the points, and its Fourier series applied between a transform of the
charges and one to the targets (:mod:`coulombfield.sums.periodic`). The cost is linear in the number of points, and
grows with box / ε to the power m: about (ln(1/tol)/π)(2L/ε + 4) modes for each axis of length L.

The errors of three parts are kept apart, each relative to the root mean square A of Σ_j |q_j f| (or, for the field,
:math:`\sum_j |q_j| 2 |f'| r`), and set against a sample of pairs:

- the series' error has the kernel's shape cut off at the fastest modes K, so its sum over charges is about that of
  q_j cos(K·(a − b_j)), which cancels for unrelated charges;
- the first transform's error is q_j f times a number that varies with b_j as fast as its grid, twice K;
- the second transform's error is relative to the sums themselves.

Sums over few pairs are left to an exact engine, which is faster than a sample: there k(a, a) is exact to the last bit,
and the field of a coincident pair exactly 0. Results do not depend on the number of threads.

Memory: the modes' grid twice, at most 1 GiB, and about 150 bytes a point.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import array_api_compat
import numba
import numpy as np

from ..arrays import library
from ..profiles import Added, InversePower, Laplacian, Scaled, SquaredExponential
from . import direct, simd, transforms
from .periodic import Budget, Layout, box_of, constant, fastest, layout, sums
from .request import ExactEngine, Request, Result
from .series import Radial
from .sizes import sample

MAX_DIMENSION = 3
SMALL = 2**22  # pairs: simd sums them in the milliseconds that preparations take here
MOST_GRID_POINTS = 2**25  # 512 MiB
KERNEL_SHARE, FIRST_SHARE, SECOND_SHARE = 3.0, 0.5, 2.0
SMALLEST = 1e-200
SECONDS_A_COORDINATE, SECONDS_A_MODE = 1e-8, 8e-8


def shortest_length(profile: Any) -> float | None:
    """Length on which a profile is smooth, such that its Fourier transform falls at least like exp(−k · length).

    None if there is no such length: where the value or a derivative jumps or has a pole at r = 0.
    """
    match profile:
        case Laplacian() | Scaled():
            return shortest_length(profile.profile)
        case Added():
            lengths = shortest_length(profile.left), shortest_length(profile.right)
            return None if None in lengths else min(lengths)  # type: ignore[type-var]
        case InversePower() | SquaredExponential():
            return profile.length
        case _:
            return None


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the kernel, or an empty string if it can."""
    name = library(type(request.targets))
    if name not in transforms.PACKAGES:
        return "it takes NumPy and CuPy arrays only"
    dimension = request.targets.shape[1]
    if dimension > MAX_DIMENSION:
        return f"it takes at most {MAX_DIMENSION} dimensions, not {dimension}"
    if shortest_length(request.profile) is None:
        return "it takes kernels that are smooth at distance 0 only"
    return transforms.missing(name)


def seconds(request: Request) -> float:
    """Time by the numbers of points, modes and threads, at the request's tolerance; inf if it can't be done."""
    if request.pairs <= SMALL:
        return _exact(request).seconds(request)
    plan = _plan(request, request.rtol / 4 if request.rtol else 1e-12)
    if plan is None:
        return math.inf
    points = request.targets.shape[0] + request.positions.shape[0]
    modes = math.prod(plan.layout.shape)
    rest = 0.01 + SECONDS_A_COORDINATE * points * request.targets.shape[1] + SECONDS_A_MODE * modes
    return rest + plan.transforms / numba.get_num_threads()


def approximate(request: Request, tolerance: float) -> Result:
    """The sums; NaN where they take too many modes, and at a target that is not finite, or at all if a charge isn't."""
    if request.pairs <= SMALL:
        return _exact(request).evaluate(request)
    targets, positions, weights, _, exclude_self, potential, field, _ = request
    plan = _plan(request, tolerance)
    if plan is None:
        return constant(targets, math.nan, math.nan, potential, field)
    result = sums(targets, positions, weights, plan.radial, plan.layout, plan.budget, potential, field)
    if potential and exclude_self:
        # F(0) is the series' own value there.
        result.potential[:] -= float(plan.radial(np.zeros(1))[0]) * weights[: targets.shape[0]]
    return result


class _Plan(NamedTuple):
    radial: Radial
    layout: Layout
    budget: Budget
    transforms: float
    """Time of the transforms on one core [s]."""


def _plan(request: Request, tolerance: float) -> _Plan | None:
    """Modes and tolerances of the parts; None if the modes are too many or something is not finite."""
    xp = array_api_compat.array_namespace(request.targets)
    profile, weights = request.profile, request.weights
    centre, extents = box_of(request.targets, request.positions)
    largest = float(xp.max(xp.abs(weights)))
    if not np.isfinite([*extents, largest]).all() or largest == 0:
        return None
    length = shortest_length(profile)
    assert length is not None

    def radial(s: np.ndarray) -> np.ndarray:
        return profile.value(np, s)

    reach = np.linspace(0, 1, 9) * float(np.max(extents))
    values = np.abs(radial(reach**2))
    peak = float(np.max(values))
    if peak == 0:
        return None
    far = float(np.max(values[4:])) / peak
    pairs = sample(request, largest)
    own = math.sqrt(float(xp.mean(xp.square(weights / largest))))
    total = float(xp.sum(xp.abs(weights / largest), dtype=xp.float64))

    # What the series leaks, by the fastest modes along each axis, narrow across it as its transform there.
    cutoff = math.log(1 / min(0.1, tolerance)) / length
    across = pairs.s[..., None] - np.square(pairs.difference)
    ripple = np.mean(np.cos(cutoff * pairs.difference) * np.exp(-across * (cutoff / (2 * length))), axis=-1)
    noise = max(pairs.sum_of(pairs.weights * ripple), SMALLEST)
    kernel = edge = math.inf
    if request.potential:
        terms = pairs.weights * (radial(pairs.s) / peak)
        potential = max(pairs.magnitude(terms), SMALLEST)
        kernel = potential / noise
        edge = potential / max(total * far, SMALLEST)
    if request.field:
        slopes = pairs.weights * (2 * profile.slope(np, pairs.s) / peak)
        pulls = slopes * np.sqrt(pairs.s)
        field = max(pairs.magnitude(pulls), SMALLEST)
        kernel = min(kernel, field / (noise * cutoff))
        edge = min(edge, field * reach[-1] / max(4 * total * far, SMALLEST))
    found = layout(centre, extents, radial, length, KERNEL_SHARE * tolerance * kernel, tolerance * edge)
    if found is None:
        return None

    # The first transform mistakes waves beyond twice the fastest modes' for the modes themselves.
    grids = [
        np.cos(1.5 * axis.wave_numbers[-1] * pairs.places[:, number])
        for number, axis in zip(found.used, found.axes, strict=True)
    ]
    leaks = [1.0, *grids]
    first, local = math.inf, 0.0
    if request.potential:
        still, *moving = [math.hypot(own, pairs.sum_of(terms * leak)) / potential for leak in leaks]
        first, local = 1 / max(moving, default=1.0), still
    if request.field:
        # Errors don't share the symmetry by which the field of a near charge is weak.
        near = pairs.weights * (radial(pairs.s) / (peak * length) * np.exp(-pairs.s / length**2))
        still, *moving = [
            math.hypot(own / length, pairs.sum_of(pulls * leak), pairs.sum_of(near * leak)) / field for leak in leaks
        ]
        parts = [pairs.sum_of(slopes * pairs.difference[..., axis]) / field for axis in found.used]
        first = min(first, 1 / max(moving, default=1.0))
        local = math.hypot(local, own / (length * field), pairs.sum_of(near) / field, *parts)
    second = SECOND_SHARE * tolerance
    scale = second * largest * peak
    budget = Budget(
        FIRST_SHARE * tolerance * first,
        second / local,
        scale * potential if request.potential else math.inf,
        scale * field if request.field else math.inf,
    )
    outputs = request.potential + request.field * len(found.axes)
    found, time = fastest(found, budget, request.targets.shape[0], request.positions.shape[0], outputs)
    return None if found.grid_points > MOST_GRID_POINTS else _Plan(radial, found, budget, time)


def _exact(request: Request) -> ExactEngine:
    return direct if simd.refusal(request) else simd
