"""How closely the forces of other codes agree with this package's, factors between the definitions applied.

The factors are in a table of docs/flows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import coulombfield as cf
from coulombfield import periodic

from ..rows import Difference
from .peers import Lammps, Rebound, TreeGravity, largest_difference

BODIES = 500
SOFTENING, MIXING, POWER = 0.02, 0.5, 2
"""ε, and LAMMPS' λ and n."""


def differences(modules: set[str]) -> Iterator[Difference]:
    """Largest relative differences of forces, each relative to its own size, and of energies."""
    rng = np.random.default_rng(0)
    positions, masses = rng.random((BODIES, 3)), rng.uniform(0.5, 1.5, BODIES) / BODIES
    signs = np.resize([1.0, -1.0], BODIES)
    if "rebound" in modules:
        yield from _rebound(positions, masses)
    if "pytreegrav" in modules:
        yield from _treegrav(positions, masses)
    if "lammps" in modules:
        yield from _lammps(positions, masses * signs)


def _sums(positions: np.ndarray, weights: np.ndarray, softening: float) -> tuple[np.ndarray, float]:
    """Forces q E and the energy without own terms, of a unit coupling."""
    kernel = cf.Plummer(1.0, softening) if softening else cf.Coulomb(1.0)
    potential, field = cf.potential_and_field(positions, cf.Charges(positions, weights), kernel, exclude_self=True)
    return weights[:, None] * field, 0.5 * float(weights @ potential)


def _rebound(positions: np.ndarray, masses: np.ndarray) -> Iterator[Difference]:
    for softening in (0.0, SOFTENING):
        name = f"REBOUND basic, softening {softening:g}"
        peer = Rebound(positions, masses, softening)
        bare = _sums(positions, masses, 0.0)[1]  # its energy has no softening
        yield Difference(name, "energy, unsoftened", abs(peer.energy() / -bare - 1))
        forces = -_sums(positions, masses, softening)[0]
        yield Difference(name, "forces", largest_difference(masses[:, None] * peer.accelerations(), forces))


def _treegrav(positions: np.ndarray, masses: np.ndarray) -> Iterator[Difference]:
    found = masses[:, None] * TreeGravity(positions, masses, 0.0, parallel=False).accelerations()
    yield Difference(
        "pytreegrav brute force, softening 0", "forces", largest_difference(found, -_sums(positions, masses, 0.0)[0])
    )


def _lammps(positions: np.ndarray, charges: np.ndarray) -> Iterator[Difference]:
    alpha = (SOFTENING / (1 - MIXING)) ** 2
    soft = f"coul/cut/soft {POWER} {alpha!r}", repr(MIXING)
    for units in ("lj", "real", "metal"):
        for (style, coefficients), softening, factor in (
            (soft, SOFTENING, MIXING**POWER),
            (("coul/cut", ""), 0.0, 1.0),
        ):
            peer = Lammps(positions, charges, style, coefficients, units=units)
            forces, energy = _sums(positions, charges, softening)
            factor *= peer.constant
            name = f"LAMMPS {style.split()[0]}, units {units}"
            yield Difference(name, "energy", abs(peer.energy() / (factor * energy) - 1))
            yield Difference(name, "forces", largest_difference(peer.forces(), factor * forces))
    yield from _lammps_nearest(positions, charges, *soft[:2])


def _lammps_nearest(positions: np.ndarray, charges: np.ndarray, style: str, coefficients: str) -> Iterator[Difference]:
    """A cube that repeats, with its cutoff at half of the side: pairs at the nearest image."""
    peer = Lammps(positions, charges, style, coefficients, cutoff=0.5, periodic=True)
    field, kernel, box = periodic.minimum_image_field, cf.Plummer(1.0, SOFTENING), periodic.Box((1.0,) * 3)
    found = field(positions, cf.Charges(positions, charges), kernel, box, cutoff=0.5)
    forces = MIXING**POWER * charges[:, None] * found
    yield Difference("LAMMPS coul/cut/soft, cut at half of a box", "forces", largest_difference(peer.forces(), forces))
