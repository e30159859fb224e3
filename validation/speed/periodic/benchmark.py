"""Potentials of charges in a cube that repeats: the package against a plain Ewald sum, both to the same error.

The error is measured at all charges against the package's sum at a tolerance that is 1,000 times smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import coulombfield as cf
from coulombfield import periodic

from ..rows import milliseconds
from ..timing import Spread, few_turns
from . import plain_ewald

SIZES, QUICK_SIZES = (10_000, 100_000), (500,)
RTOL = 1e-6
CRYSTALS = {
    "NaCl": (-1.7475645946331822, 2.0, 1 / 4),
    "CsCl": (-1.7626747730708839, 1.0, math.sqrt(3) / 2),
    "bcc Wigner crystal": (-0.8959292556819, 1.0, (3 / (8 * math.pi)) ** (1 / 3) / 2),
}
"""Energy in its unit, side of the cube, and what makes that unit of the cube's energy."""


def run(seconds: float, *, quick: bool = False) -> list[dict[str, Any]]:
    """Time, print, and return one row for each size and each crystal.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; three calls are timed at least.
    quick : bool
        Few charges, for a look at whether all works.
    """
    rows = [_crystal(name) for name in CRYSTALS]
    return rows + [_size(count, seconds) for count in (QUICK_SIZES if quick else SIZES)]


def _crystal(name: str) -> dict[str, Any]:
    known, side, unit = CRYSTALS[name]
    corner = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    if name == "NaCl":
        charges = cf.Charges(corner, (-1.0) ** corner.sum(axis=1))
    else:
        charges = cf.Charges(corner[[0, -1]] * 0.5, np.array([1.0, -1.0 if name == "CsCl" else 1.0]))
    found = unit * periodic.energy(charges, cf.Coulomb(1), periodic.Box((side,) * 3), rtol=1e-10)
    print(f"  energy of {name:<20}{found:.12f}, known {known:.12f}, difference {found - known:.1e}", flush=True)
    return {"table": "crystals", "name": name, "energy": found, "known": known}


def _size(count: int, seconds: float) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    positions, weights = rng.random((count, 3)), np.resize([1.0, -1.0], count)
    charges, box, kernel = cf.Charges(positions, weights), periodic.Box((1.0,) * 3), cf.Coulomb(1)

    def ours(rtol: float = RTOL) -> np.ndarray:
        return periodic.potential(positions, charges, kernel, box, exclude_self=True, rtol=rtol)

    exact, digits = ours(RTOL / 1000), -math.log(RTOL)
    size = float(np.sqrt(np.mean(exact**2)))
    errors: dict[str, float] = {"ours": _error(ours(), exact, size)}
    # The plain sum's parameters give about the error that ours has, and not more digits than it needs.
    while (error := _error(plain_ewald.potential(positions, weights, 1.0, digits), exact, size)) < errors["ours"]:
        errors["plain Ewald"], digits = error, digits - 1
    digits += 1 if "plain Ewald" in errors else 0
    errors.setdefault("plain Ewald", error)
    calls: dict[str, Callable[[], object]] = {
        "ours": ours,
        "plain Ewald": lambda: plain_ewald.potential(positions, weights, 1.0, digits),
    }
    spreads: dict[str, Spread] = few_turns(calls, seconds)
    ratio = spreads["plain Ewald"].median / spreads["ours"].median
    for name, spread in spreads.items():
        print(f"  {count:>9,} charges  {name:<12}{milliseconds(spread):>32} ms, error {errors[name]:.1e}", flush=True)
    print(f"  {'':>9}          ours is {ratio:.2f}x as fast", flush=True)
    return {
        "table": "potentials",
        "charges": count,
        "rtol": RTOL,
        "ratio": ratio,
        **{f"{name}_s": list(spread) for name, spread in spreads.items()},
        **{f"{name}_error": error for name, error in errors.items()},
    }


def _error(found: np.ndarray, exact: np.ndarray, size: float) -> float:
    """Root mean square, relative to that of the potential itself."""
    return float(np.sqrt(np.mean((found - exact) ** 2))) / size
