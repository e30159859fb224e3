"""Dynamics with inertia: velocity Verlet, and with friction and noise BAOAB."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .noise import check_seed, normals
from .parameters import store_number
from .snapshot import Snapshot


@dataclass(frozen=True)
class Verlet:
    r"""Velocity Verlet for :math:`m \ddot x = \kappa\, q E(x)`; with friction, Langevin dynamics by the BAOAB scheme.

    .. math:: v \leftarrow v + \tfrac h2 \tfrac{\kappa q}{m} E(x), \quad x \leftarrow x + h v, \quad
        v \leftarrow v + \tfrac h2 \tfrac{\kappa q}{m} E(x)

    With friction the drift of x is in two halves, and between them

    .. math:: v \leftarrow e^{-\gamma h} v + \sqrt{(1 - e^{-2 \gamma h})\, T |q| / m}\; \xi.

    Parameters
    ----------
    step : float
        Step h > 0 [time].
    friction : float
        Rate γ ≥ 0 at which velocities are forgotten [1 / time].
    temperature : float
        T ≥ 0 per unit of charge [charge · kernel]: in equilibrium ⟨m v²⟩ is T ``abs(q)`` along each axis. Without
        friction there is no noise, and it must be 0.
    seed : int
        Of the noise ξ, which is standard normal.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of range, or there is a temperature but no friction.

    Notes
    -----
    Order 2, one field a step. Without friction it is symplectic and reversible, and where no group is fixed it keeps
    the momentum Σ m v. BAOAB: B. Leimkuhler, C. Matthews, Applied Mathematics Research eXpress 2013.
    """

    step: float
    friction: float = 0.0
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        store_number(self, "step")
        store_number(self, "friction", zero=True)
        store_number(self, "temperature", zero=True)
        check_seed(self.seed)
        if self.temperature and not self.friction:
            raise ValueError(f"friction: expected a positive number with temperature={self.temperature:g}, got 0")

    @property
    def needs_energies(self) -> bool:
        """No energies."""
        return False

    @property
    def inertia(self) -> bool:
        """Velocities, from rest if none are given."""
        return True

    def advance(self, start: Snapshot) -> Snapshot:
        """One step."""
        motion, h, x = start.motion, self.step, start.positions
        kick = (h / 2) * motion.push
        v = kick * start.field
        if start.velocities is not None:
            v = start.velocities + v
        if self.friction:
            x = x + (h / 2) * v
            v = math.exp(-self.friction * h) * v
            if self.temperature:
                strength = math.sqrt(-math.expm1(-2 * self.friction * h) * self.temperature)
                v = v + (strength * motion.xp.sqrt(motion.warmth)) * normals(self.seed, start.step, v)
            x = x + (h / 2) * v
        else:
            x = x + h * v
        end = Snapshot(motion, start.step + 1, start.time + h, x)
        end.velocities = v + kick * end.field
        return end
