"""One moment of a run: what an integrator starts a step from, and what a callback sees."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..arrays import Array
from .motion import Motion, Sums
from .state import State


class Snapshot:
    """Particles at one time, and the fields and energies there, each computed when it is first asked for and then kept.

    The integrator's next step starts from the same field.

    Attributes
    ----------
    step, time, softening, memory
        As of :class:`State`.
    positions : array, shape (M, m)
        Of the particles that move: of the real data, if they move, then of the generated samples [length].
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
    ):
        self.motion, self.step, self.time = motion, step, time
        self.positions, self.velocities = positions, velocities
        self.memory = memory or {}
        if sums is not None:
            self.sums = sums

    @classmethod
    def of(cls, state: State, motion: Motion) -> Snapshot:
        """Snapshot of a state; without velocities a kind is at rest, if the integrator or the other kind has it."""
        velocities = None
        given = state.generated_velocities, state.real_velocities
        if not motion.both and given[1] is not None:
            raise ValueError("real_velocities: expected None where the real data are fixed")
        inertia = motion.integrator is not None and motion.integrator.inertia
        if inertia or any(part is not None for part in given):
            positions = state.generated, state.real
            velocities = motion.pack(
                *[motion.xp.zeros_like(x) if v is None else v for v, x in zip(given, positions, strict=True)]
            )
        rows = motion.pack(state.generated, state.real)
        return cls(motion, state.step, state.time, rows, velocities, memory=state.memory)

    @cached_property
    def state(self) -> State:
        """State that is saved, and goes on bit for bit."""
        generated, real = self.motion.unpack(self.positions, self.motion.real)
        moving = (None, None) if self.velocities is None else self.motion.unpack(self.velocities, None)
        return State(generated, real, self.step, self.time, moving[0], moving[1], self.softening, self.memory)

    @property
    def softening(self) -> float | None:
        """The kernel's ε now [length]; None if it has none."""
        return self.motion.softening(self.time)

    @cached_property
    def sums(self) -> Sums:
        """Field at the particles that move, and what was asked for with it."""
        return self.motion.evaluate(self.positions, self.time)

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
        """F = ½ Σ q Φ over all charges [charge² · kernel]."""
        return self.moving_energy + self.motion.fixed_energy(self.time)

    @property
    def moving_energy(self) -> float:
        """F without the mutual energy of fixed data, which moves nothing [charge² · kernel]."""
        energy = self._with_energies.energy
        assert energy is not None
        return energy

    @cached_property
    def kinetic_energy(self) -> float:
        """½ Σ m v² [mass · length² / time²]; 0 without velocities."""
        return self.motion.kinetic_energy(self.velocities)

    @cached_property
    def largest_field(self) -> float:
        """Largest ‖E‖ at a particle that moves, its force per unit of charge; 0 without particles."""
        xp = self.motion.xp
        field = self.field  # also without particles: other processes may have some, and all sum together
        own = float(xp.max(xp.sqrt(xp.sum(field * field, axis=1)))) if field.shape[0] else 0.0
        return self.motion.processes.largest(own)

    @property
    def generated_potential(self) -> Array:
        """Φ at the generated samples, shape (N_x,) [charge · kernel]."""
        return self.motion.unpack(self.potential, None)[0]

    @property
    def generated_force(self) -> Array:
        """−∂F/∂x = q E at the generated samples, shape (N_x, m) [charge² · kernel / length]."""
        return self.motion.generated_weights[:, None] * self.motion.unpack(self.field, None)[0]

    @property
    def real_potential(self) -> Array:
        """Φ at the real data, shape (N_y,) [charge · kernel]; where these are fixed, a sum of its own."""
        return self.motion.unpack(self.potential, None)[1] if self.motion.both else self._at_fixed[0]

    @property
    def real_force(self) -> Array:
        """−∂F/∂y = q E at the real data, shape (N_y, m) [charge² · kernel / length]; as for the potential."""
        found = self.motion.unpack(self.field, None)[1] if self.motion.both else self._at_fixed[1]
        return self.motion.real_weights[:, None] * found

    @cached_property
    def _at_fixed(self) -> tuple[Any, Any]:
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
