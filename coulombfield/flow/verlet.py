"""Dynamics with inertia: velocity Verlet, which is the leapfrog by kicks and drifts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arrays import Array
from .integrator import span
from .parameters import store_number
from .snapshot import Snapshot

MEMORY = "verlet step"


@dataclass(frozen=True)
class Verlet:
    r"""Velocity Verlet, the kick-drift-kick leapfrog, for :math:`m \ddot x = f(x)`.

    .. math:: v \leftarrow v + \tfrac h2 \tfrac{f(x)}{m}, \quad x \leftarrow x + h v, \quad
        v \leftarrow v + \tfrac h2 \tfrac{f(x)}{m}

    Parameters
    ----------
    step : float
        Step h > 0 [time].
    accuracy : float, optional
        η > 0: steps then follow the accelerations a and the softening ε,

        .. math:: \tfrac12 \Bigl(\frac1{h_{n - 1/2}} + \frac1{h_{n + 1/2}}\Bigr) = \frac1{h^*(x_n)}, \qquad
            h^* = \min\Bigl(h, \eta \sqrt{\varepsilon / \max_i \|a_i\|}\Bigr).

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of range; at the first step, if there is an accuracy and the kernel has
        no softening.

    Notes
    -----
    Order 2, one field a step. Steps of one length are symplectic and reversible, and where no group is fixed they keep
    the momentum Σ m v. Steps that follow the accelerations are reversible, but not symplectic: each depends on where it
    starts and on the last, which goes along in ``State.memory``, in a way that is the same forwards and backwards
    (after T. Holder, B. Leimkuhler, S. Reich, Applied Numerical Mathematics 39, 2001), unless it would be more than
    twice, or less than half, of h*. η = 0.2 to 0.3 is usual for stars: the criterion is that of V. Springel, MNRAS 364,
    2005, whose η is half the square of this one.
    """

    step: float
    accuracy: float | None = None

    def __post_init__(self) -> None:
        store_number(self, "step")
        if self.accuracy is not None:
            store_number(self, "accuracy")

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
        motion, memory = start.motion, {}
        step = self.step
        if self.accuracy is not None:
            step = self._following(start)
            memory = {MEMORY: step}
        h, end_time = span(start, step, until)
        v: Array = motion.kick(start.sums, h / 2)
        if start.velocities is not None:
            v = start.velocities + v
        x, v = motion.drift(start.positions, v, h)
        end = Snapshot(motion, start.step + 1, end_time, x, memory=memory, kept=start.sums.kept)
        end.velocities = v + motion.kick(end.sums, h / 2)
        return end

    def _following(self, start: Snapshot) -> float:
        """Length of the step by the accelerations at its start and the last step."""
        assert self.accuracy is not None
        softening, largest = start.softening, start.motion.largest_acceleration(start.sums)
        if not softening:
            raise ValueError(f"accuracy: expected None with {start.motion.system.kernel}, which has no softening")
        here = min(self.step, self.accuracy * math.sqrt(softening / largest)) if largest else self.step
        last = start.memory.get(MEMORY, here)
        inverse = 2 / here - 1 / last
        return min(max(1 / inverse, here / 2), 2 * here) if inverse > 0 else 2 * here
