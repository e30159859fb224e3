r"""One derivative along one direction, against central differences over a ladder of steps.

A case is a function of one number t, f(t) = F(x + t v), with the derivative at t = 0 that the package gives. Where
F is a polynomial of degree 2 at most along the line, a central difference has no truncation error: one long step shows
the derivative up to rounding. Elsewhere the error falls as h² until rounding takes over,

.. math:: e(h) \le \frac{c}{D} \left(\frac{S\,\epsilon}{h^n} + C h^2\right)

with the size S of the terms that make up f, the size D of those that make up the derivative, its order n, and C as
the long steps show it. Errors are relative to D; the step at which the derivative is judged is the one that makes the
bound smallest. A wrong derivative has an error that does not fall: the order shows 0, and at the best step, some
hundred times shorter than the long ones, the error is far above a bound that counts on its falling.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from coulombfield.calculus import (
    directional_derivative,
    machine_epsilon,
    observed_order,
    second_directional_derivative,
)

ORDER = 2
"""Order of central differences."""
ORDER_TOLERANCE = 0.1  # the next term of the Taylor series, h² times 1/20 of the ratio of derivatives, is below 1e-2
LONG = tuple(2.0**-k for k in range(6, 10))
"""Steps where truncation rules, for functions that vary over lengths of 1."""
SHORT = tuple(2.0**-k for k in range(11, 22))
"""Steps among which one balances truncation and rounding."""
EPSILON = machine_epsilon("float64")
SAFETY = 8.0  # for sums of rounding errors, as coulombfield.calculus.difference_tolerance has it
TRIES = 200
SHORTER = (1.0, 0.5, 0.25, 0.125, 0.0625)
"""Parts of a direction that are tried until no kink lies within the longest step; errors still fall as they should."""


@dataclass(frozen=True)
class Case:
    """A function of one number, and its derivative at 0 as the package gives it.

    Attributes
    ----------
    label : str
        What was drawn, for a failure's message.
    function : callable
        f(t), a float or a float64 array on the host; it varies over lengths of about 1.
    exact : float or array
        f′(0), or f″(0), of the shape of what ``function`` returns.
    size : float or array
        S: the terms of f before they cancel, as a sum of magnitudes.
    scale : float or array
        D: the same of the derivative, and what errors are relative to.
    derivative : int
        1 or 2.
    polynomial : bool
        Whether f is a polynomial of degree 2 at most.
    branches : callable, optional
        For a function with kinks: t to the signs on which its pieces depend.
    """

    label: str
    function: Callable[[float], Any]
    exact: Any
    size: Any
    scale: Any
    derivative: int = 1
    polynomial: bool = False
    branches: Callable[[float], np.ndarray] | None = None


@dataclass(frozen=True)
class Outcome:
    """What the cases of a row show.

    Attributes
    ----------
    cases : int
        How many there were.
    error, bound : float
        Relative error and its bound, of the case that comes closest to its bound or exceeds it most.
    order : float or None
        Observed order over all cases; None where all are polynomials, for which differences are exact.
    label : str
        The case that ``error`` and ``bound`` belong to.
    """

    cases: int
    error: float
    bound: float
    order: float | None
    label: str

    @property
    def passed(self) -> bool:
        """Whether the error is finite and within its bound, and the order is that of central differences."""
        as_ordered = self.order is None or abs(self.order - ORDER) <= ORDER_TOLERANCE
        return math.isfinite(self.error) and self.error <= self.bound and as_ordered


def magnitude(*sizes: Any) -> float:
    """Sum of the magnitudes of numbers and arrays."""
    return math.fsum(float(np.sum(np.abs(size))) for size in sizes)


def measure(cases: Iterable[Case]) -> Outcome:
    """Errors of all cases, and their order."""
    judged, curves = [], []
    for case in cases:
        if case.polynomial:
            error, bound = errors(case, LONG[:1])[0], _bound(case, LONG[0], 0.0)
        else:
            long = errors(case, LONG)
            curves.append(long)
            # the largest, since the first two terms of the truncation error may cancel at one step
            curvature = float(np.max(long / np.square(LONG)))
            bound, step = min((_bound(case, h, curvature), h) for h in SHORT)
            error = errors(case, (step,))[0]
        judged.append((_excess(error, bound), error, bound, case.label))
    if not judged:
        raise ValueError("cases: expected at least one, got none")
    _, error, bound, label = max(judged)
    return Outcome(len(judged), error, bound, _order(curves), label)


def errors(case: Case, steps: Iterable[float]) -> np.ndarray:
    """Largest relative error of the central difference at each step."""
    difference = directional_derivative if case.derivative == 1 else second_directional_derivative

    def along(t: float) -> np.ndarray:
        return np.asarray(case.function(t), dtype=float)

    found = [difference(along, 0.0, 1.0, step) for step in steps]
    with np.errstate(divide="ignore", invalid="ignore"):  # 0/0 is a NaN, and a NaN fails
        return np.asarray([np.max(np.abs(value - case.exact) / case.scale) for value in found])


def off_kinks(draw: Callable[[], Case]) -> Case:
    """Draw cases until one, or a part of it, has the same branches over all steps: no difference steps over a kink."""
    for _ in range(TRIES):
        case = draw()
        if case.branches is None:
            return case
        here = case.branches(0.0)
        for part in SHORTER:
            if all(np.array_equal(case.branches(sign * part * step), here) for step in LONG for sign in (1, -1)):
                return _shortened(case, part)
    raise RuntimeError(f"no case off the kinks in {TRIES} draws")


def _shortened(case: Case, part: float) -> Case:
    """The same case along a part of its direction."""
    factor = part**case.derivative
    return dataclasses.replace(
        case, function=lambda t: case.function(part * t), exact=factor * case.exact, scale=factor * case.scale
    )


def _bound(case: Case, step: float, curvature: float) -> float:
    """The bound of the module's docstring, with C / D given; one without a size D gets none for its rounding."""
    rounding = float(np.max(case.size * EPSILON / step**case.derivative / case.scale)) if np.all(case.scale) else 0.0
    return SAFETY * (rounding + curvature * step**2)


def _excess(error: float, bound: float) -> float:
    return error / bound if bound > 0 and math.isfinite(error) else math.inf


def _order(curves: list[np.ndarray]) -> float | None:
    """Order of the root mean square over cases, in none of which all terms of the error vanish by chance."""
    if not curves:
        return None
    together = np.sqrt(np.mean(np.square(curves), axis=0))
    if not np.all(np.isfinite(together)) or not np.all(together > 0):
        return math.nan
    return observed_order(LONG, together)
