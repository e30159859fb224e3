"""Choosing the unit of length, so that no squared distance and no parameter leaves the range of the arrays' dtype.

Points and kernel are stretched by a power of 2, which is exact. Potentials stay as they are; a field is then by that
factor too small, and a Laplacian by its square. Where no unit will do, such as for points too many softenings apart,
the sums are made in float64 and rounded.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..arrays import Array, namespace, number_in
from ..profiles import Laplacian, numbers_of
from .pairs.tiles import largest
from .request import Request, Result

_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_LENGTH = 10  # lengths stay between 2^-10 and 2^10, so that their powers and those of the distances have room
_ROOM = 2.0**2  # that sums and products with small numbers leave below the largest float32
_VALUE_ORDERS, _ORDERS = 120.0, 150.0  # binary: how far f, and what is wanted of f, f′ and f″, may fall with distance


def rescaled(request: Request, derivatives: int = 0, reach: float | None = None) -> tuple[Request, float]:
    """The request in a unit of length, or in float64, that suits it, and the factor that points were stretched by.

    Parameters
    ----------
    request : Request
        The sums; those of a Laplacian are taken as those of the kernel inside it.
    derivatives : int
        How many derivatives by s their terms need.
    reach : float, optional
        The largest finite coordinate in size, where it is not that of the request's own points.

    Raises
    ------
    ValueError
        If a number of the kernel, such as ε^(−d), leaves the range of float32 all the same.
    """
    if not is_single(request):
        return request, 1.0
    if reach is None:
        reach = reach_of(request)
    laplacian = isinstance(request.profile, Laplacian)
    kernel = request.profile.profile if laplacian else request.profile
    factor = _factor(kernel)
    if factor is None:  # a bare inverse power: its only lengths are the distances themselves
        usual = reach == 0 or 2.0**-_LENGTH <= reach <= 2.0**_LENGTH
        factor = 1.0 if usual else 2.0 ** -math.frexp(reach)[1]
        if not _all_single(_stretched(kernel, 1.0).stretched(factor)):
            return in_double(request), 1.0
    kernel = _stretched(kernel, factor)
    if reach and not _fits(kernel, math.frexp(reach * factor)[1], request.targets.shape[1], derivatives):
        return in_double(request), 1.0
    if factor == 1.0:
        return request, 1.0
    positions = request.positions * factor
    targets = positions if request.targets is request.positions else request.targets * factor
    profile = request.profile._replace(profile=kernel) if laplacian else kernel
    return request._replace(targets=targets, positions=positions, profile=profile), factor


def in_double(request: Request) -> Request:
    """The request in float64, in which a Laplacian is summed without the part of its terms that cancels."""
    profile = request.profile
    if isinstance(profile, Laplacian):
        profile = profile.profile.laplacian(request.targets.shape[1])
    return request.in_double()._replace(profile=profile)


def in_old_unit(result: Result, request: Request, factor: float) -> Result:
    """Sums of a request as :func:`rescaled` gave it, as those of the request that it was given."""
    if factor == 1.0:
        return like(result, request)
    potential, field = result
    with np.errstate(over="ignore"):  # what float32 can't hold is inf
        if potential is not None and isinstance(request.profile, Laplacian):
            potential = potential * factor * factor
        return Result(potential, None if field is None else field * factor)


def like(result: Result, request: Request) -> Result:
    """The result in the request's dtype."""
    dtype = request.targets.dtype
    if all(x is None or x.dtype == dtype for x in result):
        return result
    xp = namespace(request.targets)
    with np.errstate(over="ignore"):
        return Result(*(None if x is None else xp.astype(x, dtype, copy=False) for x in result))


def is_single(request: Request) -> bool:
    """Whether the request's arrays are float32."""
    targets = request.targets
    if isinstance(targets, np.ndarray):
        return targets.dtype == np.float32
    return bool(targets.dtype == namespace(targets).float32)


def overflown(result: Result, request: Request) -> bool:
    """Whether a float32 sum is not finite though its numbers are: a product on the way to it may have left the range.

    Such as f″ for s f″, or a power of the distance in a unit that suits others. False while arrays can't be read.
    """
    if not is_single(request) or (_finite(result.potential) and _finite(result.field)):
        return False
    bare = any(power.shift == 0 for power in request.profile.power_parts())
    if bare and request.targets is request.positions and not request.exclude_self:
        return False  # each charge is at its own place
    return request.finite


def _finite(values: Array | None) -> bool:
    """Whether all numbers are finite, or there are none, or they can't be read."""
    if values is None:
        return True
    if isinstance(values, np.ndarray) and values.flags.c_contiguous:
        return largest(values) < math.inf
    xp = namespace(values)
    return bool(number_in(xp.all(xp.isfinite(values)), untold=1.0))


@functools.lru_cache
def _factor(profile: Any) -> float | None:
    """What to stretch lengths by so that the profile's comes into range; None if it has none."""
    length = profile.length
    if length is None or 2.0**-_LENGTH <= length <= 2.0**_LENGTH:
        return length and 1.0
    # To the end of the range, not to 1: a short length leaves more room for points that are far apart.
    return 2.0 ** (math.copysign(_LENGTH, math.log2(length)) - math.frexp(length)[1])


@functools.lru_cache
def _stretched(profile: Any, factor: float) -> Any:
    """The profile in the new unit; raises if float32 can't hold it."""
    profile = profile.stretched(factor)
    if not _all_single(profile):
        raise ValueError("kernel: a power of its parameters leaves the range of float32")
    return profile


def _all_single(profile: Any) -> bool:
    """Whether float32 holds all numbers of a profile."""
    return all(number == 0 or _SMALLEST <= abs(number) <= _LARGEST for number in numbers_of(profile))


@functools.lru_cache
def _fits(profile: Any, power: int, dimension: int, derivatives: int) -> bool:
    """Whether float32 holds the terms for coordinates of a size below 2^power, however an engine computes them."""
    farthest = np.float64(dimension * 4.0 ** (power + 1))
    return bool(farthest * _ROOM < _LARGEST) and all(
        _falls_in_range(x, farthest, derivatives) for x in profile.power_parts()
    )


def _falls_in_range(profile: Any, farthest: np.float64, derivatives: int) -> bool:
    """Whether an inverse power and its derivatives are normal numbers from s = 0 up to the farthest s."""
    functions = (profile.value, profile.slope, profile.curvature)[: derivatives + 1]
    if not all(abs(function(np, farthest)) >= _SMALLEST for function in functions):
        return False
    if profile.shift == 0:  # any distance may be the nearest: what overflows is seen afterwards
        return True
    orders = math.log2(farthest / profile.shift + 1)
    return (
        all(abs(function(np, np.float64(0))) * _ROOM <= _LARGEST for function in functions)
        and orders * max(1.0, profile.half_exponent) <= _VALUE_ORDERS  # also of ε² / (s + ε²) itself
        and orders * (profile.half_exponent + derivatives) <= _ORDERS
    )


def reach_of(request: Request) -> float:
    """The largest finite coordinate in size of a request's points."""
    reach = _reach(request.positions)
    return reach if request.targets is request.positions else max(reach, _reach(request.targets))


def _reach(points: Array) -> float:
    """The largest finite coordinate in size; 0 if there is none, or it can't be known."""
    if not points.shape[0]:
        return 0.0
    if isinstance(points, np.ndarray) and points.flags.c_contiguous:
        found = largest(points)
    else:
        xp = namespace(points)
        found = number_in(xp.max(xp.abs(points)), untold=0.0)
    if math.isfinite(found):
        return found
    xp = namespace(points)
    return number_in(xp.max(xp.abs(xp.where(xp.isfinite(points), points, xp.zeros_like(points)))), untold=0.0)
