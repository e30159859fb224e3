"""Flows of charges: the time of a step with plans kept and planned anew, and how energies stay over many steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import coulombfield as cf
from coulombfield import flow
from coulombfield.arrays import Device
from coulombfield.flow import Euler, Integrator, Motion, Snapshot, State, Stop, System, Verlet, Yoshida
from coulombfield.starts import two_bodies, uniform_ball
from experiments.data.gaussian_mixture import GaussianMixture

from ..rows import ELSEWHERE
from ..timing import CPU, few_turns, timer_of

SIZES = (1_000, 10_000, 100_000, 1_000_000)
STARS = (100_000,)
QUICK_ON_GPU = (200,)  # more need what a stand-in for a GPU has not
RTOL = 1e-3
FEWEST = 5  # steps of each size
DRIFT_STEPS, DRIFT_STEP, ECCENTRICITY = 100_000, 0.02, 0.5
TENTHS = 10


class Forgetful:
    """An integrator whose fast sums are planned anew at every step, as those of the functions are."""

    def __init__(self, integrator: Integrator):
        self._integrator = integrator
        self.needs_energies, self.inertia = integrator.needs_energies, integrator.inertia

    def advance(self, start: Snapshot, until: float = math.inf) -> Snapshot | None:
        """A step to a moment that hands nothing on but its own sums, if it has them."""
        end = self._integrator.advance(start, until)
        if end is None:
            return None
        sums = end.sums._replace(kept={}) if "sums" in vars(end) else None
        return Snapshot(end.motion, end.step, end.time, end.positions, end.velocities, sums=sums)


class Steps:
    """A flow that goes on by a step at each call."""

    def __init__(self, state: State, system: System, integrator: Integrator):
        motion = Motion(system, state, None, False, integrator=integrator)
        self._integrator, self._now = integrator, Snapshot.of(state, motion)

    def __call__(self) -> None:
        """Take one."""
        now = self._integrator.advance(self._now)
        assert now is not None
        self._now = now


def step_row(
    name: str, size: int, state: State, system: System, integrator: Integrator, seconds: float, device: Device
) -> dict[str, Any]:
    """Time steps with plans that are kept, beside the same flow planned anew at every step, in turns."""
    flows: dict[str, Callable[[], object]] = {
        "kept": Steps(state, system, integrator),
        "anew": Steps(state, system, Forgetful(integrator)),
    }
    for step in flows.values():
        for _ in range(3):  # compiles, and plans for many
            step()
    spreads = few_turns(flows, seconds, FEWEST, timer_of(device))
    kept, anew = spreads["kept"], spreads["anew"]
    ratio = anew.median / kept.median
    print(f"  N = {size:<9}{kept}, {1 / kept.median:.1f} steps/s; planned anew {anew}, {ratio:.2f} times", flush=True)
    return {
        "name": name,
        "size": size,
        "device": device.name,
        "min_s": kept.minimum,
        "median_s": kept.median,
        "max_s": kept.maximum,
        "anew_median_s": anew.median,
        "ratio": ratio,
    }


def flow_rows(seconds: float, sizes: tuple[int, ...] = SIZES, device: Device = CPU) -> list[dict[str, Any]]:
    """Time Euler's steps of N samples towards N points of the 25 Gaussians, with fast sums in float32."""
    print(f"a step of Euler, N samples and N data in 2-D, Plummer 1, softening 1, rtol={RTOL:g}, float32:")
    rows = []
    system = System(cf.Plummer(1.0, 1.0), rtol=RTOL)
    mixture, rng = GaussianMixture(), np.random.default_rng(0)
    for size in sizes:
        real = mixture.sample(size, rng).astype(np.float32)
        generated = rng.standard_normal((size, 2)).astype(np.float32)
        state = State.of(generated=device.put(generated), real=device.put(real))
        rows.append(step_row("step", size, state, system, Euler(step=1.0), seconds, device))
    return rows


def gravity_rows(seconds: float, sizes: tuple[int, ...] = STARS) -> list[dict[str, Any]]:
    """Time leapfrog steps of balls of stars with fast sums in float32, for a wide softening and a narrow one."""
    rows, rng = [], np.random.default_rng(0)
    for softening in (0.2, 0.01):
        print(f"a step of Verlet, N stars in a ball of radius 1, softening {softening}, rtol={RTOL:g}, float32:")
        system = System(cf.Plummer(1.0, softening), coupling=-1, rtol=RTOL)
        for size in sizes:
            state = State(uniform_ball(size, rng, dtype="float32"))
            name = f"stars, softening {softening}"
            rows.append(step_row(name, size, state, system, Verlet(step=0.01), seconds, CPU))
    return rows


def drift_row(integrator: Integrator, steps: int = DRIFT_STEPS) -> dict[str, Any]:
    """Largest relative error of the energy in each tenth of a run of two bodies on an eccentric Kepler orbit."""
    system = System(cf.Coulomb(1.0), coupling=-1, exclude_self=True)
    totals: list[float] = []
    flow.run(
        State(two_bodies(eccentricity=ECCENTRICITY)),
        system,
        integrator,
        until=Stop(steps=steps),
        callbacks=[lambda now: totals.append(now.energy + now.kinetic_energy)],
        energies=True,
    )
    errors = np.abs(np.array(totals) / totals[0] - 1)
    tenths = [float(part.max()) for part in np.array_split(errors, TENTHS)]
    name = type(integrator).__name__
    print(f"{name} over {steps} steps of {DRIFT_STEP}, e = {ECCENTRICITY}: largest relative energy error in each tenth")
    print("  " + " ".join(f"{error:.3e}" for error in tenths))
    return {"name": "drift", "integrator": name, "steps": steps, "largest_errors": tenths}


def run(seconds: float, *, quick: bool = False, device: Device = CPU) -> list[dict[str, Any]]:
    """Time, print, and return a row for each number of charges, and one for the drift of each integrator.

    Parameters
    ----------
    seconds : float
        Time to spend on each number of charges [s]; at least a few steps are taken.
    quick : bool
        Few charges and fewer steps.
    device : Device
        Where to compute; stars, whose engine is NumPy's, and the drift are of a CPU.
    """
    symplectic, steps = (Verlet(DRIFT_STEP), Yoshida(DRIFT_STEP)), DRIFT_STEPS // 20 if quick else DRIFT_STEPS
    if device.xp is not np:
        rows = flow_rows(seconds, QUICK_ON_GPU if quick else SIZES, device)
        print(f"stars and the drift of the energy: {ELSEWHERE}")
        return rows
    rows = flow_rows(seconds, SIZES[:2] if quick else SIZES)
    rows += gravity_rows(seconds, (2500,) if quick else STARS)
    return [*rows, *(drift_row(integrator, steps) for integrator in symplectic)]
