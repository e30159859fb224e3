"""Steps that never raise the energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array, to_numpy
from .integrator import first_order, span
from .motion import Motion
from .parameters import store_number
from .snapshot import Snapshot

MEMORY = "descent step"
SHORTEST = 2.0**-60  # of the first step: shorter ones don't move a particle in float64


@dataclass(frozen=True)
class Descent:
    r"""First-order flow by Euler steps of a length for which the energy falls (Armijo's rule).

    .. math:: F(x + h v) \le F(x) - c\, h \sum_i |q_i|\, \|v_i\|^2, \qquad v_i = \kappa \operatorname{sign}(q_i) E(x_i)

    The sum is −dF/dt along the flow. Each step begins with twice the last one's h, and halves it until the rule holds.

    Parameters
    ----------
    step : float
        The h that the first step tries [time].
    sufficient : float
        c, the part of the flow's own descent that a step must bring, 0 < c < 1.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of range.

    Notes
    -----
    Energies are compared as computed: in float32, or with fast sums, the run stalls where the descent of a step is
    less than their error. It ends with the reason 'stalled' then, as at rest. One sum of field and potential for each
    h that is tried; the last h goes along in ``State.memory``. L. Armijo, Pacific Journal of Mathematics 16, 1966.
    """

    step: float
    sufficient: float = 1e-4

    def __post_init__(self) -> None:
        store_number(self, "step")
        store_number(self, "sufficient")
        if self.sufficient >= 1:
            raise ValueError(f"sufficient: expected a number less than 1, got {self.sufficient:g}")

    @property
    def needs_energies(self) -> bool:
        """Energies along with every field."""
        return True

    @property
    def inertia(self) -> bool:
        """No velocities."""
        return False

    def advance(self, start: Snapshot, until: float = math.inf) -> Snapshot | None:
        """One step, which goes no further than a time; None where none that moves a particle lowers the energy."""
        first_order(start, walls=False)
        motion = start.motion
        motion.check(start.field, f"as field at step {start.step}")
        velocities = motion.velocities(start.sums)
        energy, descent = start.moving_energy, _descent(motion, velocities)
        h = 2 * start.memory[MEMORY] if MEMORY in start.memory else self.step
        h, end = span(start, h, until)
        while descent and h >= SHORTEST * self.step:
            positions = start.positions + h * velocities
            sums = motion.evaluate(positions, start.time, energies=True, kept=start.sums.kept)
            assert sums.energy is not None
            if sums.energy <= energy - self.sufficient * h * descent:
                _, time = span(start, h, end)
                same = motion.softening(time) == motion.softening(start.time)
                kept = sums if same else None
                return Snapshot(motion, start.step + 1, time, positions, memory={MEMORY: h}, sums=kept, kept=sums.kept)
            h /= 2
        return None


def _descent(motion: Motion, velocities: Array) -> float:
    """Σ_i |q_i| ‖v_i‖² in float64."""
    host = to_numpy(velocities).astype(float)
    weights = np.abs(to_numpy(motion.weights)).astype(float)
    return motion.processes.product(weights, np.sum(host * host, axis=1))
