"""Dynamics with inertia, friction and noise: Langevin's equation by the BAOAB scheme."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..arrays import Array
from .integrator import span
from .noise import check_seed
from .parameters import finite_number, store_number
from .snapshot import Snapshot

PER = ("particle", "charge")


@dataclass(frozen=True)
class Langevin:
    r"""Langevin dynamics, :math:`m \ddot x = f - \gamma m \dot x + \sqrt{2 \gamma m T}\, \xi(t)`, by the BAOAB scheme.

    Velocity Verlet, whose drift of x is in two halves, and between them

    .. math:: v \leftarrow e^{-\gamma h} v + \sqrt{(1 - e^{-2 \gamma h})\, T / m}\; \xi.

    Parameters
    ----------
    step : float
        Step h > 0 [time].
    friction : float, or mapping of str to float
        Rate γ ≥ 0 at which velocities are forgotten [1 / time]; by the names of groups, 0 for those left out.
    temperature : float, or mapping of str to float
        T ≥ 0 [energy], with Boltzmann's constant 1: in equilibrium ⟨m v²⟩ is T along each axis, for particles of any
        charge and mass. By the names of groups, 0 for those left out; a group with a temperature needs friction.
    per : str
        'particle'; or 'charge', for which T is per unit of charge [energy / charge] and ⟨m v²⟩ is T ``abs(q)``, so that
        the paper's flows don't depend on the number of samples.
    seed : int
        Of the noise ξ, which is standard normal.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of range, or there is a temperature but no friction; at the first step,
        if there is no group of a name.

    Notes
    -----
    Weak order 2, one field a step; without temperature the damped motion is of order 2. B. Leimkuhler, C. Matthews,
    Applied Mathematics Research eXpress 2013. Bits go by the rows of the particles: groups in another order have other
    noise.
    """

    step: float
    friction: float | Mapping[str, float]
    temperature: float | Mapping[str, float] = 0.0
    per: Literal["particle", "charge"] = "particle"
    seed: int = 0

    def __post_init__(self) -> None:
        store_number(self, "step")
        for name in ("friction", "temperature"):
            given = getattr(self, name)
            if isinstance(given, Mapping):
                rates = {str(k): finite_number(f"{name}[{k!r}]", x, "non-negative") for k, x in given.items()}
                object.__setattr__(self, name, rates)
            else:
                store_number(self, name, zero=True)
        if self.per not in PER:
            raise ValueError(f"per: expected {' or '.join(PER)}, got {self.per!r}")
        check_seed(self.seed)
        warm = self.temperature
        for name, temperature in warm.items() if isinstance(warm, Mapping) else [("", warm)]:
            own = self.friction.get(name, 0.0) if isinstance(self.friction, Mapping) else self.friction
            # Of frictions by groups a temperature for all is for those that have some.
            rubbed = any(self.friction.values()) if isinstance(self.friction, Mapping) and not name else own
            if temperature and not rubbed:
                where = f" in {name}" if name else ""
                raise ValueError(f"friction: expected a positive number with temperature={temperature:g}{where}, got 0")

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
        v = motion.kick(start.sums, h / 2)
        if start.velocities is not None:
            v = start.velocities + v
        x, v = motion.drift(start.positions, v, h / 2)
        x, v = motion.drift(x, self._with_noise(start, v, h), h / 2)
        end = Snapshot(motion, start.step + 1, end_time, x, kept=start.sums.kept)
        end.velocities = v + motion.kick(end.sums, h / 2)
        return end

    def _with_noise(self, start: Snapshot, v: Array, h: float) -> Array:
        motion = start.motion
        friction: Any = motion.by_group("friction", self.friction)
        temperature: Any = motion.by_group("temperature", self.temperature)
        if isinstance(friction, float) and isinstance(temperature, float):
            v = math.exp(-friction * h) * v
            strength: Any = math.sqrt(-math.expm1(-2 * friction * h) * temperature)
        else:
            v = motion.put(np.exp(-friction * h)) * v
            strength = motion.put(np.sqrt(-np.expm1(-2 * friction * h) * temperature))
        # A process may have no particle of a group with a temperature, and others have some.
        if motion.processes.every(not np.any(temperature)):
            return v
        warmth = motion.warmth if self.per == "charge" else motion.inverse_masses
        return v + (strength * motion.xp.sqrt(warmth)) * motion.normals(self.seed, start.step, v)
