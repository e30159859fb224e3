r"""Sums over the images of a periodic box, for particles that move.

Particles keep the places that they have come to: where they are in the box is looked at for each sum alone, so that
paths have no jumps, and a flow that goes on from a file has the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import periodic
from ..arrays import Array, library
from ..charges import Charges
from ..kernels import RadialKernel, value_at_zero
from .system import System


def check_arrays(system: System, positions: Array) -> None:
    """Raise unless the box can hold these particles."""
    assert system.box is not None
    if library(type(positions)) != "numpy":
        raise TypeError(f"box: expected None but for NumPy arrays, got one with {type(positions)}")
    if system.box.dimension != positions.shape[1]:
        raise ValueError(f"box: expected {positions.shape[1]} axes like the particles, got {system.box.dimension}")


def potential_and_field(
    targets: Array, charges: Charges, kernel: RadialKernel, system: System, *, potential: bool, own: bool
) -> tuple[Any, Array]:
    """Potential, if wanted, and field; ``own`` says that the targets are the charges.

    NaN at all targets if one's place is not finite, as such a place spoils all others in a next step.
    """
    count = len(targets)
    if not np.isfinite(targets).all():
        return np.full(count, np.nan, targets.dtype) if potential else None, np.full_like(targets, np.nan)
    exclude = own and system.exclude_self
    if not own and not np.isfinite(value_at_zero(kernel)):
        # A bare kernel's sum wants to leave each charge out at its own place: the targets become charges of 0.
        places = np.concatenate([targets, charges.positions])
        charges = Charges(places, np.concatenate([np.zeros(count, targets.dtype), charges.weights]))
        targets, exclude = places, True
    options: dict[str, Any] = {"exclude_self": exclude, "rtol": system.rtol}
    assert system.box is not None
    if not potential:
        return None, periodic.field(targets, charges, kernel, system.box, **options)[:count]
    values, fields = periodic.potential_and_field(targets, charges, kernel, system.box, **options)
    return values[:count], fields[:count]


def energy(charges: Charges, kernel: RadialKernel, system: System) -> float:
    """Energy of one box, without the coupling."""
    assert system.box is not None
    options: dict[str, Any] = {"exclude_self": system.exclude_self, "rtol": system.rtol}
    return periodic.energy(charges, kernel, system.box, **options)


def virial(charges: Charges, kernel: RadialKernel, system: System) -> float:
    """Virial of one box with the coupling [energy]."""
    assert system.box is not None
    return system.coupling * periodic.virial(charges, kernel, system.box, rtol=system.rtol)
