"""What an integrator is."""

from __future__ import annotations

import math
from typing import Protocol

from .snapshot import Snapshot


class Integrator(Protocol):
    """One way to go on from a moment to the next."""

    @property
    def needs_energies(self) -> bool:
        """Whether every field has to come with potential and energy."""

    @property
    def inertia(self) -> bool:
        """Whether particles have velocities; a state without them is then at rest."""

    def advance(self, start: Snapshot, until: float = math.inf) -> Snapshot | None:
        """The moment after one step, as a new one; None where no step can be taken any more.

        A step that would go beyond the time ``until`` is shortened, and ends there exactly. All depends on what
        ``start.state`` saves, on ``until`` and on the integrator's parameters, on nothing else.
        """


def span(start: Snapshot, step: float, until: float) -> tuple[float, float]:
    """Length of a step that goes no further than a time, and when it ends.

    A step whose end misses that time by no more than a sum of steps does is taken as it is, so that whole numbers of
    steps stay whole.
    """
    end = start.time + step
    if end <= until or math.isclose(end, until):
        return step, end
    return until - start.time, until


def first_order(start: Snapshot, *, walls: bool = True) -> None:
    """Raise if there are velocities, which a first-order flow has no use for, or walls that the integrator can't keep.

    Raises
    ------
    ValueError
        It says what to do.
    """
    if start.velocities is not None:
        raise ValueError(
            "integrator: a first-order flow has no velocities, but the state does; use Verlet, or give its groups "
            "without them"
        )
    if start.motion.system.walls is not None and not walls:
        raise ValueError("integrator: expected one that knows walls, such as Euler or Verlet")
