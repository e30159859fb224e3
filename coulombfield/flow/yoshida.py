"""A symplectic method of order 4."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .integrator import span
from .parameters import store_number
from .snapshot import Snapshot

OUTER = 1 / (2 - 2 ** (1 / 3))  # w₁ of the first and the last leapfrog step, in steps
INNER = 1 - 2 * OUTER  # w₀ of the one between, which goes back


@dataclass(frozen=True)
class Yoshida:
    r"""Yoshida's fourth-order method for dynamics with inertia: three leapfrog steps, of which the second goes back.

    .. math:: h_1 = h_3 = \frac{h}{2 - 2^{1/3}}, \qquad h_2 = -2^{1/3}\, h_1

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
    Order 4, three fields a step. Fields are taken at times up to 0.36 h before and after the step, of which a schedule
    of the softening or an external field should be a smooth function. Symplectic and reversible; where no group is
    fixed it keeps the momentum Σ m v.
    H. Yoshida, Physics Letters A 150, 1990.
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
        """Velocities, from rest if none are given."""
        return True

    def advance(self, start: Snapshot, until: float = math.inf) -> Snapshot:
        """One step, which goes no further than a time."""
        motion, (h, end_time) = start.motion, span(start, self.step, until)
        sums = start.sums
        v = motion.kick(sums, OUTER * h / 2)
        if start.velocities is not None:
            v = start.velocities + v
        x, v = motion.drift(start.positions, v, OUTER * h)
        for part, passed in ((INNER, OUTER), (OUTER, OUTER + INNER)):
            # The kick that ends one leapfrog step and that which begins the next have one field.
            sums = motion.evaluate(x, start.time + passed * h, energies=False, kept=sums.kept)
            v = v + motion.kick(sums, (OUTER + INNER) * h / 2)
            x, v = motion.drift(x, v, part * h)
        end = Snapshot(motion, start.step + 1, end_time, x, kept=sums.kept)
        end.velocities = v + motion.kick(end.sums, OUTER * h / 2)
        return end
