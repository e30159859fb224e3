"""Steps that SciPy chooses to meet a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
import scipy.integrate

from ..arrays import Array, namespace
from ..calculus import machine_epsilon
from .integrator import first_order, span
from .motion import Kept, Sums
from .parameters import store_number
from .snapshot import Snapshot

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
MEMORY = "adaptive step"


@dataclass(frozen=True)
class Adaptive:
    """First-order flow by a method of :func:`scipy.integrate.solve_ivp`, whose inner steps meet a tolerance.

    Parameters
    ----------
    step : float
        Time h > 0 between the states that the run sees [time]; the method takes as many steps inside as it needs.
    method : str
        'RK23', 'RK45', 'DOP853', 'Radau', 'BDF' or 'LSODA'. The last three are for stiff problems of few particles:
        they solve with matrices of size N m, and start anew at every state.
    rtol, atol : float
        Error allowed in an inner step, relative to a coordinate and absolute [length].

    Raises
    ------
    TypeError, ValueError
        If a parameter is of a wrong type or out of range; at the first step, if ``rtol`` is less than 100 units of
        rounding of the positions.

    Notes
    -----
    Coordinates are kept in float64 on the host inside a step; fields have the dtype of the state. The error estimate
    takes an error of fast sums for one of the step: ask for sums more exact than the steps. The size of the last full
    inner step goes along in ``State.memory``.
    """

    step: float
    method: str = "RK45"
    rtol: float = 1e-6
    atol: float = 1e-9

    def __post_init__(self) -> None:
        for name in ("step", "rtol", "atol"):
            store_number(self, name)
        if self.method not in METHODS:
            raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {self.method!r}")

    @property
    def needs_energies(self) -> bool:
        """No energies."""
        return False

    @property
    def inertia(self) -> bool:
        """No velocities."""
        return False

    def advance(self, start: Snapshot, until: float = math.inf) -> Snapshot:
        """Inner steps up to a time h later, or as far as a time."""
        first_order(start, walls=False)
        if self.rtol < 100 * machine_epsilon(start.positions.dtype):
            least = 100 * machine_epsilon(start.positions.dtype)
            raise ValueError(f"rtol: expected at least {least:.1e} for {start.positions.dtype}, got {self.rtol:g}")
        velocity = _Velocity(start)
        _, end = span(start, self.step, until)
        first = min(start.memory.get(MEMORY, 0.0), end - start.time)  # which rounding may make less than a step
        solver = getattr(scipy.integrate, self.method)(
            velocity, start.time, velocity.coordinates, end, rtol=self.rtol, atol=self.atol, first_step=first or None
        )
        longest = 0.0
        while solver.status == "running":
            message = solver.step()
            if solver.status == "failed":
                raise ArithmeticError(f"integrator: {self} failed at time {solver.t:g}: {message}")
            longest = max(longest, solver.step_size)
        positions, sums = velocity.positions(solver.y), velocity.sums_at(end, solver.y)
        memory = {MEMORY: longest}
        return Snapshot(start.motion, start.step + 1, end, positions, memory=memory, sums=sums, kept=velocity.kept)


class _Velocity:
    """Velocities as SciPy wants them; it begins and often ends at coordinates whose field is known or wanted."""

    def __init__(self, start: Snapshot):
        self._motion, self._like = start.motion, start.positions
        # Of all processes, each of which has SciPy take the same steps.
        self.coordinates = self._motion.gathered(start.positions).ravel()
        self._last: tuple[float, np.ndarray, Any] = start.time, self.coordinates, start.sums

    def __call__(self, time: float, coordinates: np.ndarray) -> np.ndarray:
        sums = self.sums_at(time, coordinates)
        if sums is None:
            sums = self._motion.evaluate(self.positions(coordinates), time, kept=self._last[2].kept)
            self._last = time, coordinates.copy(), sums
        # SciPy's control of the step does not end where it meets a NaN.
        self._motion.check(sums.field, f"as field at time {time:g}")
        return self._motion.gathered(self._motion.velocities(sums)).ravel()

    def sums_at(self, time: float, coordinates: np.ndarray) -> Sums | None:
        """The last sums, if they are those at this time and place."""
        last_time, last_coordinates, sums = self._last
        return sums if time == last_time and np.array_equal(coordinates, last_coordinates) else None

    @property
    def kept(self) -> Kept:
        """What further sums may keep of the last."""
        return self._last[2].kept

    def positions(self, coordinates: np.ndarray) -> Array:
        """Coordinates as an array like the state's."""
        xp, device = namespace(self._like), array_api_compat.device(self._like)
        own = self._motion.own(coordinates.reshape(-1, self._like.shape[1]))
        return xp.asarray(own, dtype=self._like.dtype, device=device)
