"""What a kernel's value costs a processor, for the estimates by which an engine is chosen."""

from __future__ import annotations

from typing import Any

from ..profiles import InversePower

SECONDS_AN_OPERATION = {4: 1.6e-11, 8: 3.8e-11}
"""By the bytes of a number, for one pair on one core, as measured."""
OF_A_ROOT, OF_A_POWER, OF_AN_EXPONENTIAL = 10.0, {4: 70.0, 8: 130.0}, {4: 36.0, 8: 48.0}
OF_ANOTHER_ROOT, OF_A_QUICK_POWER = 4.0, 33.0


def operations_of(profile: Any, itemsize: int, *, quick: bool = False) -> float:
    """Operations on vectors that a profile takes, for numbers of that many bytes; quick in the formulas of `quick`."""
    if isinstance(profile, InversePower):
        exponent, quick = 2 * profile.half_exponent, quick and profile.shift > 0
        if exponent.is_integer():
            return OF_A_ROOT
        if quick and (2 * exponent).is_integer():
            return OF_A_ROOT + OF_ANOTHER_ROOT
        return OF_A_QUICK_POWER if quick else OF_A_POWER[itemsize]
    inner = sum(operations_of(part, itemsize, quick=quick) for part in profile if isinstance(part, tuple))
    return inner + 2.0 if inner else OF_AN_EXPONENTIAL[itemsize]
