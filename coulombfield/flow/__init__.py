"""Charges that move: flows along the field, dynamics with inertia, noise, annealing.

A :class:`State` is groups of particles by name, a :class:`System` the law by which they move. In the paper's case,
:meth:`State.of`, generated samples, which are negative charges, move along +∇Φ; the data are fixed, or move along −∇Φ
(Eq 2 and 3).

Examples
--------
Masses that attract each other, and samples that the data attract:

>>> import numpy as np
>>> import coulombfield as cf
>>> from coulombfield.flow import Euler, Group, State, Stop, System, Verlet, run
>>> stars = State(Group(np.random.default_rng(0).normal(size=(100, 3))))
>>> end, reason = run(stars, System(cf.Plummer(1, 0.1), coupling=-1), Verlet(step=0.1), until=Stop(time=2))
>>> bool(end["particles"].positions.var() < 0.9 * stars["particles"].positions.var())
True
>>> start = State.of(generated=np.asarray([[2.0, 0.0]]), real=np.zeros((1, 2)))
>>> end, reason = run(start, System(cf.Plummer()), Euler(step=0.1), until=Stop(force=1e-6))
>>> reason, bool(np.abs(end["generated"].positions).max() < 1e-5)
('force', True)
"""

from .adaptive import Adaptive
from .annealing import Annealing
from .descent import Descent
from .euler import Euler
from .external import External, ExternalField, HarmonicTrap, UniformField
from .group import Group
from .integrator import Integrator
from .langevin import Langevin
from .members import Members
from .motion import Motion, Schedule
from .run import Outcome, run
from .runge_kutta import RungeKutta
from .snapshot import Snapshot
from .state import State
from .stopping import Stop
from .system import System
from .verlet import Verlet
from .walls import Walls
from .yoshida import Yoshida

__all__ = [
    "Adaptive",
    "Annealing",
    "Descent",
    "Euler",
    "External",
    "ExternalField",
    "Group",
    "HarmonicTrap",
    "Integrator",
    "Langevin",
    "Members",
    "Motion",
    "Outcome",
    "RungeKutta",
    "Schedule",
    "Snapshot",
    "State",
    "Stop",
    "System",
    "UniformField",
    "Verlet",
    "Walls",
    "Yoshida",
    "run",
]
