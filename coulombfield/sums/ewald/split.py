r"""Fast sums of inverse powers in up to three dimensions, also for ε far below the size of the box: Ewald's way.

The kernel is split (:mod:`.ewald.splitting`) into a smooth part, summed by non-uniform Fourier transforms
(:mod:`.fourier.periodic`), and a part that ends at a range r_c, summed over pairs of neighbours
(:mod:`.ewald.neighbour_cells`, and for CuPy arrays on their GPU, :mod:`.ewald.cuda_cells`). Any r_c gives the same
sums; the one taken is that for which both parts together should be fastest. The time does not depend on ε, and grows
with the density where charges cluster.

Sums over few pairs are left to an exact engine, which is faster than these preparations: there k(a, a) is exact to the
last bit, and the field of a coincident pair exactly 0. Elsewhere both hold up to the error of the smooth part at
distance 0. Results do not depend on the number of threads.

Memory: about 200 bytes a point, and the transforms' grid twice, at most 1 GiB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property, partial

import numpy as np

from ...arrays import library, namespace, to_numpy
from ..costs import table
from ..fourier import transforms
from ..fourier.periodic import Coefficients, constant, plan_numbers, plan_of_numbers, sums
from ..request import OutOfReachError, Request, Result
from . import cuda_cells, neighbour_cells, planning

MAX_DIMENSION = 3
SMALL = 2**22  # pairs: simd sums them in the milliseconds that preparations take here


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the kernel, or an empty string if it can."""
    name = library(type(request.targets))
    if name not in transforms.PACKAGES:
        return "it takes NumPy and CuPy arrays only"
    if (dimension := request.targets.shape[1]) > MAX_DIMENSION:
        return f"it takes at most {MAX_DIMENSION} dimensions, not {dimension}"
    terms = request.profile.inverse_powers()
    if not terms:
        return "it takes inverse powers and their sums only"
    if not request.exclude_self and any(term.shift == 0 for term in terms):
        return "it takes a bare inverse power with exclude_self only"
    return transforms.missing(name)


def needless(request: Request) -> str:
    """Why all pairs are summed instead, or an empty string."""
    return f"all pairs are faster up to {SMALL:,}" if request.pairs <= SMALL else ""


def least(request: Request) -> float:
    """Time of the points alone [s]."""
    costs = planning.costs_of(request)
    return costs.split_call + costs.split_point * (request.targets.shape[0] + request.positions.shape[0])


def seconds(request: Request) -> float:
    """Time by the numbers of points, modes and neighbours, at the request's tolerance; inf if it can't be done."""
    found = plan(request, request.rtol / 4 if request.rtol else 1e-12)
    return math.inf if found is None else found.seconds


class Plan:
    """A range r_c, and the two parts of the sums for it, which are made when sums first need them.

    Parameters
    ----------
    reach : float
        r_c [length].
    make : callable
        What makes the parts; it may raise OutOfReachError.
    seconds : float
        Time of the sums, planning included [s].
    """

    def __init__(self, reach: float, make: Callable[[], planning.Plan], seconds: float = math.nan):
        self.reach, self.seconds, self._make = reach, seconds, make

    @property
    def left(self) -> float:
        """The same, of which the range itself takes a small part [s]."""
        return self.seconds

    @property
    def again(self) -> float:
        """Time of sums that keep to the plan [s]."""
        return self.seconds - table().split_call

    @cached_property
    def parts(self) -> planning.Plan:
        """Both parts."""
        return self._make()

    @cached_property
    def kernel(self) -> Coefficients:
        """Series of the smooth part."""
        return Coefficients.of(self.parts.radial, self.parts.layout)


def plan(request: Request, tolerance: float, room: float = 1.0) -> Plan | None:
    """The range that should be fastest; None if none will do, or sizes can't be told."""
    scene = planning.scene(request, room)
    if scene is None:
        return None
    reach, time = planning.best_reach(request, scene, tolerance)
    return None if math.isinf(time) else Plan(reach, partial(planning.plan_for, request, scene, reach, tolerance), time)


def numbers(plan: Plan) -> dict[str, float]:
    """A plan as numbers by names."""
    parts, cells = plan.parts, plan.parts.grid
    own = {"reach": plan.reach, "beta": parts.beta, "peak": parts.peak, "side": cells.side}
    own |= {f"low {axis}": float(low) for axis, low in enumerate(cells.low)}
    own |= {f"cells {axis}": float(count) for axis, count in enumerate(cells.shape)}
    return own | plan_numbers(parts.layout, parts.budget)


def restored(numbers: Mapping[str, float], request: Request) -> Plan | None:
    """The plan of some numbers for a request's kernel; None if they are of none."""
    dimension = request.targets.shape[1]
    series = plan_of_numbers(numbers, request)
    try:
        low = np.array([numbers[f"low {axis}"] for axis in range(dimension)])
        shape = int(numbers["cells 0"]), int(numbers["cells 1"]), int(numbers["cells 2"])
        reach, beta, peak, side = (numbers[name] for name in ("reach", "beta", "peak", "side"))
    except KeyError:
        return None
    if series is None or min(reach, beta, peak, side, *shape) <= 0:
        return None
    grid = neighbour_cells.Grid(low, side, shape)

    def make() -> planning.Plan:
        return planning.Plan(planning.parted(request.profile, reach, beta), beta, peak, *series, grid)

    return Plan(reach, make)


def approximate(request: Request, tolerance: float, known: Plan | None = None) -> Result:
    """The sums; NaN at a target that is not finite, and everywhere if a charge isn't.

    Raises
    ------
    OutOfReachError
        If they would take too many modes, or their sizes are 0 or leave the range of a double.
    """
    targets, positions, weights = request.targets, request.positions, request.weights
    xp = namespace(targets)
    nothing = constant(targets, math.nan, math.nan, request.potential, request.field)
    finite = xp.all(xp.isfinite(targets), axis=1)
    if not bool(xp.all(finite)):
        if targets is positions or request.exclude_self or not bool(xp.any(finite)):
            return nothing
        rows = np.flatnonzero(to_numpy(finite))
        part = approximate(request.at(rows), tolerance)
        for whole, values in zip(nothing, part, strict=True):
            if whole is not None:
                whole[xp.asarray(rows)] = values
        return nothing
    if not (bool(xp.any(weights != 0)) and any(bool(xp.any(x != positions[:1, :])) for x in (targets, positions))):
        return _at_one_place(request)
    if known is None:
        scene = planning.scene(request)
        if scene is None:
            if request.finite:
                raise OutOfReachError("can't tell the size of the sums")
            return nothing
        found = planning.planned(request, scene, tolerance)
        kernel = Coefficients.of(found.radial, found.layout)
    else:
        found, kernel = known.parts, known.kernel
    near = (neighbour_cells if isinstance(targets, np.ndarray) else cuda_cells).short_sums(
        targets, positions, weights, found.split, found.grid, request.exclude_self, request.potential, request.field
    )
    far = sums(
        targets,
        positions,
        weights,
        kernel,
        found.layout,
        found.budget,
        request.potential,
        request.field,
        exclude_self=request.exclude_self,
    )
    for whole, one, other in zip(nothing, near, far, strict=True):
        if whole is not None:
            whole[...] = one + found.peak * xp.astype(other, xp.float64)
    return nothing


def _at_one_place(request: Request) -> Result:
    """The sums where all points are the same, or all charges 0; NaN reaches them from either."""
    xp, at_zero = namespace(request.weights), float(request.profile.value(np, np.zeros(1))[0])
    total = float(xp.sum(request.weights, dtype=xp.float64)) + 0.0 * float(xp.sum(request.positions[0, :]))
    result = constant(request.targets, at_zero * total, 0.0 * total, request.potential, request.field)
    if request.potential and request.exclude_self:
        own = xp.astype(request.weights[: request.targets.shape[0]], xp.float64)
        result.potential[:] = at_zero * (total - own)
    return result
