"""Charges that move: flows along the field, dynamics with inertia, noise, annealing.

Generated samples, which are negative charges, move along +∇Φ; the data are fixed, or move along −∇Φ (Eq 2 and 3).

Examples
--------
>>> import numpy as np
>>> import coulombfield as cf
>>> from coulombfield.flow import Euler, State, Stop, System, run
>>> start = State(generated=np.asarray([[2.0, 0.0]]), real=np.zeros((1, 2)))
>>> end, reason = run(start, System(cf.Plummer()), Euler(step=0.1), until=Stop(force=1e-6))
>>> reason, bool(np.abs(end.generated).max() < 1e-5)
('force', True)
"""

from .adaptive import Adaptive
from .annealing import Annealing
from .descent import Descent
from .euler import Euler
from .integrator import Integrator
from .motion import Motion, Schedule
from .run import Outcome, run
from .runge_kutta import RungeKutta
from .snapshot import Snapshot
from .state import State
from .stopping import Stop
from .system import System
from .verlet import Verlet

__all__ = [
    "Adaptive",
    "Annealing",
    "Descent",
    "Euler",
    "Integrator",
    "Motion",
    "Outcome",
    "RungeKutta",
    "Schedule",
    "Snapshot",
    "State",
    "Stop",
    "System",
    "Verlet",
    "run",
]
