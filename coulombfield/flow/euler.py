"""Euler's method, and with noise Euler and Maruyama's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .integrator import first_order, span
from .noise import check_seed
from .parameters import store_number
from .snapshot import Snapshot


@dataclass(frozen=True)
class Euler:
    r"""First-order flow by explicit Euler steps; with a temperature, overdamped Langevin dynamics.

    .. math:: x_i \leftarrow x_i + h\, \kappa \operatorname{sign}(q_i) E(x_i) + \sqrt{2 h T}\, \xi_i

    Parameters
    ----------
    step : float
        Step h > 0 [time].
    temperature : float
        T ≥ 0 per unit of charge [energy / charge]: in equilibrium a fixed field holds particles with a density
        ∝ exp(−κ sign(q) Φ / T).
    seed : int
        Of the noise ξ, which is standard normal.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of range.

    Notes
    -----
    Order 1. One field a step. The noise does not depend on the positions, so that its strong order is 1 as well.
    """

    step: float
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        store_number(self, "step")
        store_number(self, "temperature", zero=True)
        check_seed(self.seed)

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
        motion, (h, end) = start.motion, span(start, self.step, until)
        positions = start.positions + h * motion.velocities(start.sums)
        if self.temperature:
            strength = math.sqrt(2 * h * self.temperature)
            positions = positions + strength * motion.normals(self.seed, start.step, positions)
        return Snapshot(motion, start.step + 1, end, motion.inside(positions), kept=start.sums.kept)
