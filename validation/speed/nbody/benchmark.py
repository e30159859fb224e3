"""Leapfrog steps of bodies that attract each other: this package against REBOUND, pytreegrav and LAMMPS.

All pairs in float64 on one thread, and on all for those that can; and fast sums against pytreegrav's tree, whose
opening angle is chosen so that its error is just above the one measured here. Each error is that against sums over all
pairs by the code's own definition, for pytreegrav's softening is another (:mod:`.agreement`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numba
import numpy as np

from ..rows import OURS, compared, milliseconds
from ..timing import Spread
from .agreement import differences
from .peers import INSTALL, Lammps, Ours, Rebound, TreeGravity, largest_difference, missing, relative_error

SOFTENING = 0.01  # of the unit cube
BODIES, QUICK_BODIES = 10_000, 500
MANY, QUICK_MANY = 1_000_000, 3_000
RTOL = 1e-4
SAMPLE = 1024  # bodies at which errors are measured
BOUND = 1e-12  # of relative differences of forces
FEWEST = 3  # steps of each


class Side(Protocol):
    """What is timed."""

    def step_seconds(self) -> float:
        """Time of a step [s]."""


def run(seconds: float, *, quick: bool = False, only: str | None = None) -> list[dict[str, Any]]:
    """Time, print, and return the rows.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; three steps are timed at least.
    quick : bool
        Few bodies, for a look at whether all works.
    only : str, optional
        One part alone: agreement, pairs or tree.
    """
    modules = set()
    for module in INSTALL:
        if reason := missing(module):
            print(f"no {module}: {reason}")
        else:
            modules.add(module)
    rows: list[dict[str, Any]] = []
    if only in (None, "agreement"):
        print("largest relative differences of forces and energies, factors between the definitions applied:")
        rows += [row._asdict() for row in compared(differences(modules), bound=BOUND)]
    if only in (None, "pairs"):
        threads = numba.get_num_threads()
        try:
            for count in sorted({1, threads}):
                numba.set_num_threads(count)
                rows += _pairs(QUICK_BODIES if quick else BODIES, modules, count, seconds)
        finally:
            numba.set_num_threads(threads)
    if only in (None, "tree"):
        rows += _tree(QUICK_MANY if quick else MANY, modules, seconds)
    return rows


def _bodies(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(0).random((count, 3)), np.full(count, 1 / count)


def _pairs(count: int, modules: set[str], threads: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Steps by all pairs; peers that have one thread only are timed beside one."""
    positions, masses = _bodies(count)
    print(f"a leapfrog step of {count:,} bodies, all pairs, float64, softening {SOFTENING}, {threads} thread(s):")
    sides: dict[str, Side] = {OURS: Ours(positions, masses, SOFTENING)}
    apart: dict[str, float] = {}
    if threads == 1 and "rebound" in modules:
        sides["REBOUND basic"] = Rebound(positions, masses, SOFTENING)
        found = Rebound(positions, masses, SOFTENING).accelerations()
        apart["REBOUND basic"] = largest_difference(found, Ours(positions, masses, SOFTENING).accelerations())
    if "pytreegrav" in modules:
        name = "pytreegrav brute force"
        sides[name] = TreeGravity(positions, masses, SOFTENING, parallel=threads > 1)
        found = TreeGravity(positions, masses, 0.0, parallel=threads > 1).accelerations()
        apart[name] = largest_difference(found, Ours(positions, masses, 0.0).accelerations())
    if threads == 1 and "lammps" in modules:
        name = "LAMMPS coul/cut/soft"
        lammps = sides[name] = Lammps(positions, masses, f"coul/cut/soft 0 {4 * SOFTENING**2!r}", "0.5")
        forces = -masses[:, None] * Ours(positions, masses, SOFTENING).accelerations()
        apart[name] = largest_difference(lammps.forces(), forces)
    for row in _timed(sides, seconds):
        difference = apart.get(row["name"])
        if difference is not None:
            print(f"  {'':<30}forces differ by at most {difference:.1e} of their size")
        yield {"table": "pairs", "bodies": count, "threads": threads, **row, "difference": difference}


def _tree(count: int, modules: set[str], seconds: float) -> Iterator[dict[str, Any]]:
    """Steps by fast sums, and by pytreegrav's tree with and without quadrupoles at about the same error."""
    positions, masses = _bodies(count)
    print(
        f"a leapfrog step of {count:,} bodies, softening {SOFTENING}, rtol={RTOL:g}, {numba.get_num_threads()} threads:"
    )
    ours = Ours(positions, masses, SOFTENING, RTOL)
    sides: dict[str, Side] = {OURS: ours}
    rows = np.random.default_rng(1).choice(count, min(SAMPLE, count), replace=False)
    angles: dict[str, float] = {}
    if "pytreegrav" in modules:
        peer = TreeGravity(positions, masses, SOFTENING)
        rows, exact = peer.sample(SAMPLE)
    errors = {OURS: relative_error(ours.accelerations()[rows], ours.exact(rows))}
    if "pytreegrav" in modules:
        for quadrupole in (False, True):
            name = f"pytreegrav tree{', quadrupoles' if quadrupole else ''}"
            angles[name] = theta = peer.opening_angle(rows, exact, errors[OURS], quadrupole=quadrupole)
            side = TreeGravity(positions, masses, SOFTENING, theta=theta, quadrupole=quadrupole)
            errors[name] = relative_error(side.accelerations()[rows], exact)
            sides[name] = side
    for row in _timed(sides, seconds):
        name = row["name"]
        angle = f", opening angle {angles[name]:.3f}" if name in angles else ""
        print(f"  {'':<30}error {errors[name]:.2e} of the forces' root mean square{angle}")
        yield {"table": "tree", "bodies": count, **row, "error": errors[name], "opening_angle": angles.get(name)}


def _timed(sides: Mapping[str, Side], seconds: float) -> Iterator[dict[str, Any]]:
    """Steps of all sides in turns, after one of each; printed."""
    for side in sides.values():
        side.step_seconds()
    times: dict[str, list[float]] = {name: [] for name in sides}
    start = time.perf_counter()
    while len(times[OURS]) < FEWEST or time.perf_counter() - start < seconds * len(sides):
        for name, side in sides.items():
            times[name].append(side.step_seconds())
    spreads = {name: Spread.of(taken) for name, taken in times.items()}
    for name, spread in spreads.items():
        ratio = spread.median / spreads[OURS].median
        print(f"  {name:<30}{milliseconds(spread):>32} ms, {ratio:.2f} times ours", flush=True)
        yield {
            "name": name,
            "min_s": spread.minimum,
            "median_s": spread.median,
            "max_s": spread.maximum,
            "ratio": ratio,
        }
