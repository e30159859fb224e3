"""Finite differences against an exact derivative: the order observed, and how small the error gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from coulombfield.calculus import directional_derivative, observed_order, second_directional_derivative

from .evidence import Curve, Measurement, Subject, at_most, near

ORDER = 2  # of central differences
COARSE = tuple(2.0**-k for k in range(3, 7))
"""Steps, in lengths of the function, where truncation rules and the order shows."""
FINE = tuple(2.0**-k for k in range(7, 25))
"""Steps down to where rounding rules."""


class Convergence(NamedTuple):
    """Errors of central differences over a range of steps.

    Attributes
    ----------
    steps : tuple of float
        Falling, in the unit that the caller gave.
    errors : tuple of float
        Largest error at each step, relative to the largest exact value.
    order : float
        Observed order over the coarse steps; 2 for a correct derivative, 0 for a wrong one.
    """

    steps: tuple[float, ...]
    errors: tuple[float, ...]
    order: float

    @property
    def best(self) -> float:
        """Smallest error over all steps."""
        return min(self.errors)

    def curve(self, label: str) -> Curve:
        """Error against step, for a plot with logarithmic axes."""
        return Curve(label, self.steps, self.errors, "o-")

    def measurements(self, what: str, tolerance: float, subject: Subject = Subject.PRINTED) -> list[Measurement]:
        """Order beside 2, and best error beside ``tolerance``."""
        return [
            near(f"{what}: order of central differences", self.order, ORDER, 0.1, subject),
            at_most(f"{what}: smallest relative difference", self.best, tolerance, subject),
        ]


def central_differences(
    function: Callable[[Any], Any],
    exact: Any,
    x: Any,
    direction: Any,
    *,
    length: float = 1.0,
    derivative: int = 1,
    coarse: Sequence[float] = COARSE,
    fine: Sequence[float] = FINE,
    host: Callable[[Any], np.ndarray] = np.asarray,
) -> Convergence:
    """Errors of central differences of a function along a direction.

    Parameters
    ----------
    function : callable
        From an array like ``x`` to a number or an array, in float64.
    exact : number or array
        The derivative to compare with, of the shape of the function's result.
    x, direction : array
        Point and direction.
    length : float
        Length over which the function varies, in units of ``direction``: steps are fractions of it.
    derivative : int
        1 or 2.
    coarse, fine : sequence of float
        Fractions of ``length``, falling; the order is observed over the coarse ones.
    host : callable
        Copies a result to the host.
    """
    difference = directional_derivative if derivative == 1 else second_directional_derivative
    exact = np.asarray(host(exact), dtype=float)
    scale = float(np.abs(exact).max())
    steps = tuple(length * fraction for fraction in (*coarse, *fine))
    errors = tuple(
        float(np.abs(np.asarray(host(difference(function, x, direction, step))) - exact).max()) / scale
        for step in steps
    )
    shown = tuple(max(error, np.finfo(float).tiny) for error in errors)  # an error of exactly 0 has no logarithm
    return Convergence(steps, shown, observed_order(steps[: len(coarse)], shown[: len(coarse)]))
