"""Flows of charges: the time of a step against the number of charges, and how energies stay over many steps."""

from __future__ import annotations

from typing import Any

import numpy as np

import coulombfield as cf
from coulombfield import flow
from coulombfield.arrays import Device
from coulombfield.flow import Euler, Integrator, Snapshot, State, Stop, System, Verlet, Yoshida
from coulombfield.starts import two_bodies
from experiments.data.gaussian_mixture import GaussianMixture

from ..rows import ELSEWHERE
from ..timing import CPU, Laps, Spread

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_ON_GPU = (200,)  # more need what a stand-in for a GPU has not
RTOL = 1e-3
FEWEST = 5  # steps of each size
DRIFT_STEPS, DRIFT_STEP, ECCENTRICITY = 100_000, 0.02, 0.5
TENTHS = 10


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
        state = flow.run(state, system, Euler(step=1.0), until=Stop(steps=2)).state  # compiles, and plans once
        laps = Laps(device)

        def mark(_now: Snapshot, laps: Laps = laps) -> bool:
            laps.mark()
            return len(laps) >= FEWEST and laps.total > seconds

        flow.run(state, system, Euler(step=1.0), until=Stop(steps=10**9), callbacks=[mark])
        least, middle, most = Spread.of(laps.seconds)
        print(f"  N = {size:<9}{1e3 * least:9.2f} / {1e3 * middle:.2f} / {1e3 * most:.2f} ms, {1 / middle:.1f} steps/s")
        where = {} if device.xp is np else {"device": device.name}
        rows.append({"name": "step", "size": size, **where, "min_s": least, "median_s": middle, "max_s": most})
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
        Where to compute; the drift, whose numbers are the same everywhere, is of a CPU.
    """
    symplectic, steps = (Verlet(DRIFT_STEP), Yoshida(DRIFT_STEP)), DRIFT_STEPS // 20 if quick else DRIFT_STEPS
    if device.xp is not np:
        rows = flow_rows(seconds, QUICK_ON_GPU if quick else SIZES, device)
        print(f"drift of the energy: {ELSEWHERE}")
        return rows
    rows = flow_rows(seconds, SIZES[:2] if quick else SIZES)
    return [*rows, *(drift_row(integrator, steps) for integrator in symplectic)]
