r"""A system and the arrays of a run: forces on the particles that move, and energies from the same sums.

The particles that move are rows of one array: the real data, if they move, before the generated samples. With the data
fixed, the sums at the generated samples split into the part of the data and their own,

.. math:: F = F_{yy} + \sum_i q_i \bigl(\Phi_y(x_i) + \tfrac12 \Phi_x(x_i)\bigr), \qquad
    F_{yy} = \tfrac12 \sum_i q_i \Phi_y(y_i),

so that the data's mutual energy, which moves nothing, is computed only for a total that someone asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import array_api_compat
import numpy as np

from ..arrays import Array, to_numpy
from ..charges import Charges, shares
from ..kernels import RadialKernel, value_at_zero
from .annealing import softening_of, with_softening
from .noise import normals
from .processes import HERE, Processes, weighted
from .state import State
from .system import System

if TYPE_CHECKING:
    from .integrator import Integrator

KINDS = "generated", "real"
Schedule = Callable[[float], float]


class Sums(NamedTuple):
    """Sums over charges at the particles that move, M of them."""

    field: Array
    """E, shape (M, m) [charge · kernel / length]."""
    potential: Array | None
    """Φ, shape (M,) [charge · kernel]; None unless asked for."""
    energy: float | None
    """F, without F_yy where the data are fixed [charge² · kernel]; None unless asked for."""


class Motion:
    """What all steps of a run have in common.

    Parameters
    ----------
    system : System
        What moves, and how the sums are computed.
    state : State
        Where it starts from; the numbers of particles, the fixed data and the arrays' library are taken from it.
    schedule : callable, optional
        ε as a function of time.
    energies : bool
        Whether potential and energy are computed along with every field.
    integrator : Integrator, optional
        What takes the steps, if it is one for all.
    processes : Processes
        Among which the particles are spread.

    Attributes
    ----------
    xp : module
        The arrays' namespace.
    weights, signs, push, masses, warmth : array
        Of the particles that move: :math:`q`, sign(q), q/m, m, :math:`|q|/m`. The last four are columns.
    generated_weights, real_weights, generated_masses, real_masses : array
        q and m of all particles, shape (N_x,) and (N_y,).

    Raises
    ------
    TypeError, ValueError
        If the weights or masses don't fit the state, or an array has a value that is not finite.
    """

    def __init__(
        self,
        system: System,
        state: State,
        schedule: Schedule | None,
        energies: bool,
        *,
        integrator: Integrator | None = None,
        processes: Processes = HERE,
    ):
        self.processes = processes
        self._numbers = {name: processes.counts(getattr(state, name).shape[0]) for name in KINDS}
        processes.together(lambda: self._start(system, state, schedule, energies, integrator))

    def _start(
        self, system: System, state: State, schedule: Schedule | None, energies: bool, integrator: Integrator | None
    ) -> None:
        self.xp = xp = array_api_compat.array_namespace(state.generated)
        self.system, self.energies, self.integrator = system, energies, integrator
        self.both = system.moving == "both"
        self.real, self._count_real = state.real, state.real.shape[0]
        self._schedule = schedule
        self._kernels: dict[float | None, RadialKernel] = {None: system.kernel}
        self._fixed: dict[float | None, float] = {}
        # Terms i = j of a kernel that is finite there are no force, and a potential that is known.
        self._leaves_out = system.exclude_self and not np.isfinite(value_at_zero(system.kernel))
        for name in ("generated", "real", "generated_velocities", "real_velocities"):
            check_finite(name, getattr(state, name), "to start from")
        given = [_column(system, f"{name}_weights", getattr(state, name)) for name in KINDS]
        self.generated_weights, self.real_weights = (
            shares(name, points, self._numbers[name][1]) if weights is None else weights
            for name, points, weights in zip(KINDS, (state.generated, state.real), given, strict=True)
        )
        self._all_weights = xp.concat([self.real_weights, self.generated_weights])
        self.weights = self._all_weights if self.both else self.generated_weights
        given = [_column(system, f"{name}_masses", getattr(state, name), positive=True) for name in KINDS]
        self.generated_masses: Array = xp.abs(self.generated_weights) if given[0] is None else given[0]
        self.real_masses: Array = xp.abs(self.real_weights) if given[1] is None else given[1]
        self.masses = self.pack(self.generated_masses, self.real_masses)[:, None]
        self.signs = xp.sign(self.weights)[:, None]
        # A charge of 0 without a mass of its own moves like one that has hardly any charge: |q| / m is 1.
        ones = xp.ones_like(self.masses)
        heavy = self.masses > 0
        self.warmth = xp.where(heavy, xp.abs(self.weights)[:, None], ones) / xp.where(heavy, self.masses, ones)
        self.push = self.signs * self.warmth

    def pack(self, generated: Array, real: Array) -> Array:
        """Rows of the particles that move, of arrays for both kinds."""
        return self.xp.concat([real, generated]) if self.both else generated

    def unpack(self, rows: Array, fixed: Any) -> tuple[Array, Any]:
        """Parts of the generated samples and of the real data; ``fixed`` for the latter where they don't move."""
        if not self.both:
            return rows, fixed
        return rows[self._count_real :, ...], rows[: self._count_real, ...]

    def softening(self, time: float) -> float | None:
        """ε at a time, or None if the kernel has none."""
        return softening_of(self._kernel(time))

    def evaluate(self, rows: Array, time: float, *, energies: bool | None = None) -> Sums:
        """Field at the particles that move, and with ``energies`` potential and energy from the same sums."""
        kernel = self._kernel(time)
        energies = self.energies if energies is None else energies
        if self.both:
            potential, field_of_all = self._sums(rows, Charges(rows, self.weights), kernel, energies, own=True)
            return Sums(
                field_of_all, potential, 0.5 * weighted(self.processes, self.weights, potential) if energies else None
            )
        if not energies and not self._leaves_out:
            everything = Charges(self.xp.concat([self.real, rows]), self._all_weights)
            return Sums(self._sums(rows, everything, kernel, False)[1], None, None)
        of_own, own_field = self._sums(rows, Charges(rows, self.weights), kernel, energies, own=True)
        of_real, real_field = self._sums(rows, Charges(self.real, self.real_weights), kernel, energies)
        if not energies:
            return Sums(own_field + real_field, None, None)
        energy = weighted(self.processes, self.weights, of_real) + 0.5 * weighted(self.processes, self.weights, of_own)
        return Sums(own_field + real_field, of_own + of_real, energy)

    def normals(self, seed: int, step: int, like: Array) -> Array:
        """Standard normal numbers for the particles that move, the same for any number of processes."""
        parts = [self._numbers[name] for name in (("real", "generated") if self.both else ("generated",))]
        if all(first == 0 for first, _ in parts) and sum(count for _, count in parts) == like.shape[0]:
            return normals(seed, step, like)
        # All are drawn and the own ones taken: how many numbers a generator spends on one is not known.
        drawn = normals(seed, step, like, sum(count for _, count in parts))
        own, start = [], 0
        held = [self._count_real, like.shape[0] - self._count_real] if self.both else [like.shape[0]]
        for (first, count), rows in zip(parts, held, strict=True):
            own.append(drawn[start + first : start + first + rows, ...])
            start += count
        return self.xp.concat(own)

    def at_fixed(self, rows: Array, time: float) -> tuple[Array, Array]:
        """Potential and field at the fixed data."""
        kernel, own = self._kernel(time), Charges(self.real, self.real_weights)
        of_own, own_field = self._sums(self.real, own, kernel, True, own=True)
        of_others, field_of_others = self._sums(self.real, Charges(rows, self.weights), kernel, True)
        return of_own + of_others, own_field + field_of_others

    def fixed_energy(self, time: float) -> float:
        """F_yy, the mutual energy of fixed data; 0 if all move. Kept for the last softening."""
        if self.both:
            return 0.0
        softening, kernel, system = self._scheduled(time), self._kernel(time), self.system
        if softening not in self._fixed:
            own = Charges(self.real, self.real_weights)
            options: dict[str, Any] = {"exclude_self": self._leaves_out, "rtol": system.rtol, "method": system.method}
            energy = self.processes.energy(own, kernel, **options)
            known = self.processes.self_energy(own, kernel) if system.exclude_self and not self._leaves_out else 0.0
            self._fixed = {softening: energy - known}
        return self._fixed[softening]

    def kinetic_energy(self, velocities: Array | None) -> float:
        """½ Σ m v² [mass · length² / time²]."""
        if velocities is None:
            return 0.0
        host = to_numpy(velocities).astype(float)
        return 0.5 * self.processes.total(to_numpy(self.masses).astype(float) * host**2)

    def check(self, rows: Array, when: str) -> None:
        """Raise if a number of the particles that move is not finite; ``when`` says what it is, and when.

        Raises
        ------
        ArithmeticError
            With the row's number and what may help.
        """

        def check_all() -> None:
            for name, part in zip(KINDS, self.unpack(rows, None), strict=True):
                check_finite(name, part, when)

        try:
            self.processes.together(check_all)
        except ValueError as error:
            raise ArithmeticError(
                f"{error}; take a shorter step, or a softened kernel such as Plummer if charges coincide"
            ) from None

    def _scheduled(self, time: float) -> float | None:
        return None if self._schedule is None else float(self._schedule(time))

    def _kernel(self, time: float) -> RadialKernel:
        softening = self._scheduled(time)
        if softening not in self._kernels:
            assert softening is not None
            self._kernels = {softening: with_softening(self.system.kernel, softening)}
        return self._kernels[softening]

    def _sums(
        self, targets: Array, charges: Charges, kernel: RadialKernel, potential: bool, *, own: bool = False
    ) -> tuple[Any, Array]:
        """Potential, if wanted, and field; ``own`` says that the targets are the charges."""
        exclude, system = own and self._leaves_out, self.system
        options: dict[str, Any] = {"exclude_self": exclude, "rtol": system.rtol, "method": system.method}
        if not potential:
            return None, self.processes.field(targets, charges, kernel, **options)
        values, fields = self.processes.potential_and_field(targets, charges, kernel, **options)
        if own and system.exclude_self and not exclude:
            values = values - charges.weights * value_at_zero(kernel)
        return values, fields


def check_finite(name: str, values: Array | None, when: str) -> None:
    """Raise if a number is not finite, and say which.

    Raises
    ------
    ValueError
        With the row's number.
    """
    if values is None:
        return
    xp = array_api_compat.array_namespace(values)
    finite = xp.isfinite(values)
    if not bool(xp.all(finite)):
        bad = ~to_numpy(finite)
        row = int(np.argmax(bad if bad.ndim == 1 else bad.any(axis=1)))
        raise ValueError(f"{name}: expected finite numbers {when}, got {to_numpy(values)[row]} in row {row}")


def _column(system: System, name: str, points: Array, *, positive: bool = False) -> Array | None:
    """Weights or masses of a system, checked against the points that they belong to; None if not given."""
    given = getattr(system, name)
    if given is None:
        return None
    try:
        given = Charges(points, given).weights
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: one number for each position is expected; as weights, {error}") from None
    check_finite(name, given, "to start from")
    xp = array_api_compat.array_namespace(points)
    if positive and not bool(xp.all(given > 0)):
        raise ValueError(f"{name}: expected positive numbers, got one of {float(xp.min(given)):g}")
    return given
