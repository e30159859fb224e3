"""One moment of a run: what an integrator starts a step from, and what a callback sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..arrays import Array
from ..periodic import Box
from ..sums.keeping import of_numbers, to_numbers
from .members import Members
from .motion import EMPTY, Kept, Motion, Sums
from .state import State


class Snapshot:
    """Particles at one time, and the fields and energies there, each computed when it is first asked for and then kept.

    ``snapshot["ions"]`` are the :class:`Members` of that group. The integrator's next step starts from the same field.

    Attributes
    ----------
    step, time, softening, memory
        As of :class:`State`; ``kept`` of the step's last sums goes along in the memory, for the sums here to keep.
    positions : array, shape (M, m)
        Of the particles that move, group after group [length].
    velocities : array, shape (M, m), or None
        Of the same [length / time].
    """

    def __init__(
        self,
        motion: Motion,
        step: int,
        time: float,
        positions: Array,
        velocities: Array | None = None,
        *,
        memory: Mapping[str, float] | None = None,
        sums: Sums | None = None,
        kept: Kept = EMPTY,
    ):
        self.motion, self.step, self.time = motion, step, time
        self.positions, self.velocities = positions, velocities
        restored, own = of_numbers(memory or {})
        self._kept = {**kept, **restored} if sums is None else sums.kept
        self.memory: Mapping[str, float] = own | to_numbers(self._kept)
        if sums is not None:
            self.sums = sums

    @classmethod
    def of(cls, state: State, motion: Motion) -> Snapshot:
        """Snapshot of a state; a group without velocities is at rest, if the integrator or another has inertia."""
        rows, velocities = motion.pack(state)
        return cls(motion, state.step, state.time, rows, velocities, memory=state.memory)

    def __getitem__(self, name: str) -> Members:
        if name not in self.motion.groups:
            raise KeyError(f"{name}: expected one of {', '.join(self.motion.groups)}")
        return Members(self, name)

    @cached_property
    def state(self) -> State:
        """State that is saved, and goes on bit for bit."""
        motion, groups = self.motion, dict(self.motion.groups)
        for name, positions in motion.unpack(self.positions).items():
            velocities = None if self.velocities is None else motion.part(name, self.velocities)
            groups[name] = dataclasses.replace(groups[name], positions=positions, velocities=velocities)
        return State(groups, self.step, self.time, self.softening, self.memory)

    @property
    def softening(self) -> float | None:
        """The kernel's ε now [length]; None if it has none."""
        return self.motion.softening(self.time)

    @property
    def box(self) -> Box | None:
        """The system's periodic box, as :func:`coulombfield.diagnostics.radial_distribution` takes it; None without."""
        return self.motion.system.box

    @cached_property
    def sums(self) -> Sums:
        """Field at the particles that move, and what was asked for with it."""
        return self.motion.evaluate(self.positions, self.time, kept=self._kept)

    @property
    def force(self) -> Array:
        """−∂F/∂x at the particles that move, of pairs and external fields, shape (M, m) [energy / length]."""
        return self.motion.forces(self.sums)

    @property
    def field(self) -> Array:
        """E at the particles that move, shape (M, m) [charge · kernel / length]."""
        return self.sums.field

    @cached_property
    def _with_energies(self) -> Sums:
        if self.sums.energy is not None:
            return self.sums
        return self.motion.evaluate(self.positions, self.time, energies=True)

    @property
    def potential(self) -> Array:
        """Φ at the particles that move, shape (M,) [charge · kernel]."""
        return self._with_energies.potential

    @cached_property
    def energy(self) -> float:
        """F = ½ κ Σ q Φ over all charges, and the energy of those that move in external fields [energy]."""
        return self.moving_energy + self.motion.fixed_energy(self.time)

    @property
    def moving_energy(self) -> float:
        """F without the mutual energy of fixed charges, which moves nothing [energy]."""
        energy = self._with_energies.energy
        assert energy is not None
        return energy

    @cached_property
    def external_energy(self) -> float:
        """Part of the energy that external fields have [energy]; 0 without them."""
        return self.motion.external_energy(self.positions, self.time)

    @cached_property
    def kinetic_energy(self) -> float:
        """½ Σ m v² [mass · length² / time²]; 0 without velocities."""
        return self.motion.kinetic_energy(self.velocities)

    @cached_property
    def largest_field(self) -> float:
        """Largest force on a particle that moves, per unit of its charge; 0 without particles."""
        return self.motion.largest_force(self.sums)

    @cached_property
    def at_fixed(self) -> tuple[Any, Any]:
        """Φ and E at the fixed particles, group after group: sums of their own."""
        return self.motion.at_fixed(self.positions, self.time)

    def check(self, start: Snapshot) -> None:
        """Raise if a position or a velocity is not finite after a step from another snapshot.

        Raises
        ------
        ArithmeticError
            It names the field at the start, if that was not finite, for one such particle may have spoilt all others.
        """
        xp = self.motion.xp
        moved = [values for values in (self.positions, self.velocities) if values is not None]
        if self.motion.processes.every(all(bool(xp.all(xp.isfinite(values))) for values in moved)):
            return
        self.motion.check(start.field, f"as field at step {start.step}")
        for values in moved:
            self.motion.check(values, f"after step {self.step}")
