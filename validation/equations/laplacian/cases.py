"""What the checks of the Laplacian share: the package's values, the paper's formulas and the cases to compare."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

import coulombfield as cf
from validation.context import Context

from .oracle import unit

SPACING = float(np.finfo(float).eps)
RATIOS = (0.0, 1e-5, 0.1, 0.7, 1.0, 2.0, 10.0, 1e3, 1e6)
"""Distances in units of ε, from inside the softened core to far outside."""
DISTANCES = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 121)])
"""Distances in units of ε, to look for a sign or a trend on."""
EXPONENTS = (0.3, 1.0, 2.5, 3.0, 7.0)

ROOT = 1e-9
"""Relative error of a root of the package's values: their rounding over their slope, 1e-13 with d near a limit."""

Values = Callable[[Context, "Case", Any], np.ndarray]
"""What the package has at distances r for a case, such as :func:`laplacian`."""


class Case(NamedTuple):
    """A kernel in a space.

    Attributes
    ----------
    m : int
        Dimension of the space.
    d : float
        Exponent of the kernel.
    softening : float
        ε [length].
    """

    m: int
    d: float
    softening: float


def all_cases(context: Context) -> list[Case]:
    """Kernels in spaces of 1 to 20 dimensions: fixed exponents, and those near the limits m − 4, m − 3 and m − 2."""
    dimensions = context.pick(range(1, 21), (1, 2, 5, 20))
    softenings = context.pick((1e-6, 1e-2, 1.0, 1e4), (1e-2, 100.0))
    exponents = context.pick(EXPONENTS, EXPONENTS[::2])
    return [
        Case(m, d, softening)
        for m in dimensions
        for d in sorted({*exponents, *(float(m - less) for less in (4, 3, 2) if m > less)})
        for softening in softenings
    ]


def theorem_cases(context: Context, *, most: float = 2.0, least: float = math.inf) -> list[Case]:
    """Kernels with m − least < d ≤ m − most; by default all that Theorem 1 speaks of, d ≤ m − 2."""
    dimensions = context.pick(range(3, 21), (3, 4, 6, 20))
    softenings = context.pick((1e-4, 1.0, 300.0), (0.01,))
    exponents = {m: {*EXPONENTS, *(m - less for less in (4.5, 4.0, 3.75, 3.0, 2.25, 2.0))} for m in dimensions}
    return [
        Case(m, d, softening)
        for m in dimensions
        for d in sorted(exponents[m])
        for softening in softenings
        if d > 0 and m - least < d <= m - most
    ]


def with_ratios(cases: list[Case], ratios: tuple[float, ...] = RATIOS) -> list[tuple[int, float, float, float]]:
    """Cases for the oracle: (m, d, ε, r)."""
    return [(*case, ratio * case.softening) for case, ratio in itertools.product(cases, ratios)]


def laplacian(context: Context, case: Case, r: Any, method: str = "direct") -> np.ndarray:
    """∇²k from the package at distances r along the first axis from a unit charge at the origin."""
    return _at_distances(context, case.m, cf.Plummer(case.d, case.softening), r, method)


def relative_laplacian(context: Context, case: Case, ratios: np.ndarray) -> np.ndarray:
    """∇²k over the size of its terms, at distances in units of ε."""
    r = ratios * case.softening
    return laplacian(context, case, r) / unit(*case, r)


def softening_rate(context: Context, case: Case, r: Any) -> np.ndarray:
    """∂∇²k/∂ε from the package: the Laplacian of its kernel ∂k/∂ε."""
    return _at_distances(context, case.m, cf.Plummer(case.d, case.softening).softening_derivative(), r, "direct")


def printed(m: int, d: Any, softening: Any, r: Any) -> Any:
    """Eq 14."""
    return d * (-(softening**2) * m + (2 + d - m) * r**2) * (softening**2 + r**2) ** (-2 - d / 2)


def printed_by_distance(m: int, d: Any, softening: Any, r: Any) -> Any:
    """Eq 17."""
    inner = softening**2 * (2 + m) + (-2 - d + m) * r**2
    return d * (2 + d) * r * inner * (softening**2 + r**2) ** (-3 - d / 2)


def printed_by_softening(m: int, d: Any, softening: Any, r: Any) -> Any:
    """Eq 18."""
    inner = softening**2 * m + (-4 - d + m) * r**2
    return d * (2 + d) * softening * inner * (softening**2 + r**2) ** (-3 - d / 2)


def sign_change(function: Callable[[float], float], *, least: float = 1e-3, most: float = 1e5) -> float:
    """Positive number between two bounds at which a function changes its sign, searched for in its logarithm."""
    # as exact as a double: what is left is the function's own rounding
    return math.exp(brentq(lambda log: function(math.exp(log)), math.log(least), math.log(most), xtol=SPACING))


def worst_root(context: Context, function: Values, roots: list[tuple[Case, float]]) -> float:
    """Largest relative difference between places of changes of sign and where they should be."""
    worst = 0.0
    for case, expected in roots:

        def value(ratio: float, case: Case = case) -> float:
            return float(function(context, case, ratio * case.softening)[0])

        worst = np.maximum(worst, abs(sign_change(value) * case.softening / expected - 1))
    return worst


def farthest(values: Iterable[float], target: float) -> float:
    """The value farthest from a target; NaN if there is one."""
    found = np.asarray(list(values), dtype=float)
    return float(found[np.argmax(np.abs(found - target))])


def smallest_rise(values: np.ndarray) -> float:
    """Smallest step from a value to the next, relative to the larger of both."""
    return float(np.min(np.diff(values) / np.maximum(np.abs(values[1:]), np.abs(values[:-1]))))


def _at_distances(context: Context, m: int, kernel: cf.RadialKernel, r: Any, method: str) -> np.ndarray:
    r = np.atleast_1d(np.asarray(r, dtype=float))
    targets = np.zeros((len(r), m))
    targets[:, 0] = r
    charge = cf.Charges(context.put(np.zeros((1, m))), context.put(np.ones(1)))
    return context.host(cf.laplacian(context.put(targets), charge, kernel, method=method))
