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
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numba
import numpy as np

from ...arrays import library
from ..costs import table
from ..request import OutOfReachError, Request, Result
from . import planning, transforms
from .periodic import Budget, Coefficients, Layout, constant, plan_numbers, plan_of_numbers, sums

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


def least(request: Request) -> float:
    """Time of the points alone, by the narrowest spreading [s]."""
    points, dimension = request.targets.shape[0] + request.positions.shape[0], request.targets.shape[1]
    costs = table()
    return costs.nufft_call + points * (
        costs.nufft_coordinate * dimension + costs.transform_point(dimension) / numba.get_num_threads()
    )


def seconds(request: Request) -> float:
    """Time by the numbers of points, modes and threads, at the request's tolerance; inf if it can't be done."""
    found = plan(request, request.rtol / 4 if request.rtol else 1e-12)
    return math.inf if found is None else found.seconds


def seconds_of(found: planning.Plan, coordinates: int, threads: int) -> float:
    """Time by a plan, for so many coordinates of targets and charges in sum."""
    return _planning(found.layout) + _again(found, coordinates, threads)


def _planning(layout: Layout) -> float:
    return table().nufft_call + table().nufft_mode * math.prod(layout.shape)


def _again(found: planning.Plan, coordinates: int, threads: int) -> float:
    return table().nufft_coordinate * coordinates + found.transforms / threads


class Plan:
    """Modes and tolerances for a kernel's sums.

    Parameters
    ----------
    profile : profile
        The kernel's.
    layout, budget
        As for :func:`.fourier.periodic.sums`.
    again : float
        Time of sums that keep to the plan [s].
    """

    def __init__(self, profile: Any, layout: Layout, budget: Budget, again: float):
        self.layout, self.budget, self.again = layout, budget, again
        self._profile = profile

    @property
    def seconds(self) -> float:
        """Time of the sums, planning included [s]."""
        return self.again + _planning(self.layout)

    @property
    def left(self) -> float:
        """The same without what was spent on this plan [s]."""
        return self.seconds - table().nufft_call

    @cached_property
    def kernel(self) -> Coefficients:
        """The kernel's series, made when sums first need it."""
        return Coefficients.of(lambda s: self._profile.value(np, s), self.layout)


def plan(request: Request, tolerance: float, room: float = 1.0) -> Plan | None:
    """The plan; None if it takes too many modes, or a number is not finite."""
    length = request.profile.smooth_length
    assert length is not None, "refused before"
    found = planning.plan(request, length, tolerance, room)
    if found is None:
        return None
    coordinates = (request.targets.shape[0] + request.positions.shape[0]) * request.targets.shape[1]
    return Plan(request.profile, found.layout, found.budget, _again(found, coordinates, numba.get_num_threads()))


def numbers(plan: Plan) -> dict[str, float]:
    """A plan as numbers by names."""
    return plan_numbers(plan.layout, plan.budget)


def restored(numbers: Mapping[str, float], request: Request) -> Plan | None:
    """The plan of some numbers for a request's kernel; None if they are of none."""
    found = plan_of_numbers(numbers, request)
    return found and Plan(request.profile, *found, math.nan)


def approximate(request: Request, tolerance: float, known: Plan | None = None) -> Result:
    """The sums; NaN if a number is not finite.

    Raises
    ------
    OutOfReachError
        If they would take too many modes.
    """
    found = known or plan(request, tolerance)
    if found is None:
        if request.finite:
            raise OutOfReachError("would take too many modes")
        return constant(request.targets, math.nan, math.nan, request.potential, request.field)
    return sums(
        request.targets,
        request.positions,
        request.weights,
        found.kernel,
        found.layout,
        found.budget,
        request.potential,
        request.field,
        exclude_self=request.exclude_self,
    )
