"""The classical Runge-Kutta method."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arrays import Array
from .integrator import first_order, span
from .parameters import store_number
from .snapshot import Snapshot


@dataclass(frozen=True)
class RungeKutta:
    """First-order flow by Kutta's classical method.

    Parameters
    ----------
    step : float
        Step h > 0 [time].

    Raises
    ------
    TypeError, ValueError
        If the step is no number or not positive.

    Notes
    -----
    Order 4. Four fields a step. W. Kutta, Zeitschrift für Mathematik und Physik 46, 1901.
    """

    step: float

    def __post_init__(self) -> None:
        store_number(self, "step")

    @property
    def needs_energies(self) -> bool:
        """No energies."""
        return False

    @property
    def inertia(self) -> bool:
        """No velocities."""
        return False

    def advance(self, start: Snapshot, until: float = math.inf) -> Snapshot:
        """One step, which goes no further than a time."""
        first_order(start)
        motion, x, time = start.motion, start.positions, start.time
        h, end = span(start, self.step, until)

        sums = start.sums

        def velocity(positions: Array, at: float) -> Array:
            nonlocal sums
            sums = motion.evaluate(positions, at, energies=False, kept=sums.kept)
            return motion.velocities(sums)

        first = motion.velocities(sums)
        second = velocity(x + (h / 2) * first, time + h / 2)
        third = velocity(x + (h / 2) * second, time + h / 2)
        fourth = velocity(x + h * third, time + h)
        x = x + (h / 6) * (first + 2 * (second + third) + fourth)
        return Snapshot(motion, start.step + 1, end, motion.inside(x), kept=sums.kept)
