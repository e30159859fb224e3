"""Runs that are written to a trajectory, and what a file holds."""

from __future__ import annotations

import h5py
import numpy as np

import coulombfield as cf
from coulombfield.flow import Euler, State, Stop, System, run
from coulombfield.trajectory import Writer

STEP = Euler(step=0.05)


def start(dtype="float64", dimension=2, generated=6, real=5, velocities=False, seed=0, moving="generated"):
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((count, dimension)).astype(dtype) for count in (generated, real))
    return State.of(generated=x, real=y, moving=moving, generated_velocities=np.zeros_like(x) if velocities else None)


def system(**options):
    return System(cf.Plummer(1.0, 0.5), method="direct", **options)


def write(path, state, steps, *, integrator=STEP, which=None, **options):
    with Writer(path, **options) as writer:
        return run(state, which or system(), integrator, until=Stop(steps=steps), callbacks=[writer])


def content(path):
    """Every dataset of a file with its bits, and every attribute."""
    found = {}

    def collect(name, item):
        value = item[()].tolist() if isinstance(item, h5py.Dataset) else None
        found[name] = value, {key: np.asarray(attribute).tolist() for key, attribute in item.attrs.items()}

    with h5py.File(path, "r") as file:
        file.visititems(collect)
    return found
