"""Choosing the unit of length, so that no squared distance and no parameter leaves the range of the arrays' dtype.

Points and kernel are stretched by a power of 2, which is exact. Potentials stay as they are; a field is then by that
factor too small, and a Laplacian by its square.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import array_api_compat
import numpy as np

from ..arrays import Array, number_in
from ..profiles import numbers_of
from .request import Request

_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_LENGTH = 10  # lengths stay between 2^-10 and 2^10, so that their powers and those of the distances have room


def in_range(request: Request) -> tuple[Request, float]:
    """The request in a unit of length that suits its dtype, and the factor that points were stretched by.

    Raises
    ------
    ValueError
        If a number of the kernel, such as ε^(−d), leaves the range of float32 all the same.
    """
    if request.targets.dtype != array_api_compat.array_namespace(request.targets).float32:
        return request, 1.0
    factor = _factor(request.profile)
    if factor is None:  # a bare inverse power: its only lengths are the distances themselves
        reach = max(_largest(request.targets), _largest(request.positions))
        usual = reach == 0 or not math.isfinite(reach) or 2.0**-_LENGTH <= reach <= 2.0**_LENGTH
        factor = 1.0 if usual else 2.0 ** -math.frexp(reach)[1]
    profile = _stretched(request.profile, factor)
    if factor == 1.0:
        return request, 1.0
    positions = request.positions * factor
    targets = positions if request.targets is request.positions else request.targets * factor
    return request._replace(targets=targets, positions=positions, profile=profile), factor


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
    for number in numbers_of(profile):
        if number != 0 and not _SMALLEST <= abs(number) <= _LARGEST:
            raise ValueError("kernel: a power of its parameters leaves the range of float32")
    return profile


def _largest(points: Array) -> float:
    """The largest coordinate in size; 0 if there is none, and inf while it can't be known."""
    xp = array_api_compat.array_namespace(points)
    return number_in(xp.max(xp.abs(points)), untold=math.inf) if points.shape[0] else 0.0
