r"""Fast sums of smooth kernels in up to three dimensions by non-uniform Fourier transforms.

The kernel is made periodic beyond the box of the points, and its Fourier series applied between a transform of the
charges and one to the targets (:mod:`.fourier.periodic`). The cost is linear in the number of points, and
grows with box / ε to the power m: about (ln(1/tol)/π)(2L/ε + 4) modes for each axis of length L.

Sums over few pairs are left to an exact engine, which is faster than a sample: there k(a, a) is exact to the last bit,
and the field of a coincident pair exactly 0. Results do not depend on the number of threads.

Memory: about 150 bytes a point, and at most 1.2 GiB for the modes and the transforms' grids.
"""

from __future__ import annotations

import math

import numba

from ...arrays import library
from ..costs import table
from ..request import OutOfReachError, Request, Result
from . import transforms
from .periodic import constant, sums
from .planning import Plan, plan

MAX_DIMENSION = 3
SMALL = 2**22  # pairs: simd sums them in the milliseconds that preparations take here


def refusal(request: Request) -> str:
    """Why this engine can't serve the arrays or the kernel, or an empty string if it can."""
    name = library(type(request.targets))
    if name not in transforms.PACKAGES:
        return "it takes NumPy and CuPy arrays only"
    dimension = request.targets.shape[1]
    if dimension > MAX_DIMENSION:
        return f"it takes at most {MAX_DIMENSION} dimensions, not {dimension}"
    if request.profile.smooth_length is None:
        return "it takes kernels that are known to be smooth at distance 0 only"
    return transforms.missing(name)


def needless(request: Request) -> str:
    """Why all pairs are summed instead, or an empty string."""
    return f"all pairs are faster up to {SMALL:,}" if request.pairs <= SMALL else ""


def seconds(request: Request) -> float:
    """Time by the numbers of points, modes and threads, at the request's tolerance; inf if it can't be done."""
    found = _plan(request, request.rtol / 4 if request.rtol else 1e-12, rough=True)
    if found is None:
        return math.inf
    points = request.targets.shape[0] + request.positions.shape[0]
    return seconds_of(found, points * request.targets.shape[1], numba.get_num_threads())


def seconds_of(found: Plan, coordinates: int, threads: int) -> float:
    """Time by a plan, for so many coordinates of targets and charges in sum."""
    modes, costs = math.prod(found.layout.shape), table()
    rest = costs.nufft_call + costs.nufft_coordinate * coordinates + costs.nufft_mode * modes
    return rest + found.transforms / threads


def approximate(request: Request, tolerance: float) -> Result:
    """The sums; NaN if a number is not finite.

    Raises
    ------
    OutOfReachError
        If they would take too many modes.
    """
    found = _plan(request, tolerance)
    if found is None:
        if request.finite:
            raise OutOfReachError("would take too many modes")
        return constant(request.targets, math.nan, math.nan, request.potential, request.field)
    return sums(
        request.targets,
        request.positions,
        request.weights,
        found.radial,
        found.layout,
        found.budget,
        request.potential,
        request.field,
        exclude_self=request.exclude_self,
    )


def _plan(request: Request, tolerance: float, *, rough: bool = False) -> Plan | None:
    length = request.profile.smooth_length
    assert length is not None
    return plan(request, length, tolerance, rough=rough)
