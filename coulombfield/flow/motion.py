r"""A system and the arrays of a run: forces on the particles that move, and energies from the same sums.

The particles that move are rows of one array, group after group. With others fixed, the sums at those that move split
into the part of the fixed charges y and their own,

.. math:: F = F_{yy} + \kappa \sum_i q_i \bigl(\Phi_y(x_i) + \tfrac12 \Phi_x(x_i)\bigr), \qquad
    F_{yy} = \tfrac{\kappa}{2} \sum_i q_i \Phi_y(y_i),

so that the fixed charges' mutual energy, which moves nothing, is computed only for a total that someone asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import array_api_compat
import numpy as np

from ..arrays import Array, namespace, to_numpy
from ..charges import Charges
from ..kernels import RadialKernel, value_at_zero
from ..sums.keeping import Kept as KeptSums
from . import in_box
from .annealing import softening_of, with_softening
from .external import External
from .group import Group
from .noise import normals
from .processes import HERE, Processes, weighted
from .state import State
from .system import System

if TYPE_CHECKING:
    from .integrator import Integrator

Schedule = Callable[[float], float]
Kept = Mapping[str, KeptSums]
EMPTY: Kept = MappingProxyType({})


class Sums(NamedTuple):
    """Sums over charges at the particles that move, M of them."""

    field: Array
    """E, shape (M, m) [charge · kernel / length]."""
    potential: Array | None
    """Φ, shape (M,) [charge · kernel]; None unless asked for."""
    energy: float | None
    """F without F_yy [energy]; None unless asked for."""
    external: Array | None = None
    """Forces of external fields, shape (M, m) [energy / length]; None without such fields."""
    kept: Kept = EMPTY
    """What further sums may keep of these, by the kinds of sums over pairs."""


class Motion:
    """What all steps of a run have in common.

    Parameters
    ----------
    system : System
        The law, and how the sums are computed.
    state : State
        Where it starts from; charges, masses, fixed particles and the arrays' library are taken from it.
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
    groups : mapping of str to Group
        Those of the state that it starts from.
    weights, signs, push, masses, warmth : array
        Of the particles that move: :math:`q`, κ sign(q), κ q/m, m, :math:`|q|/m`. The last four are columns.

    Raises
    ------
    TypeError, ValueError
        If masses are no masses, or an array has a value that is not finite.
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
        self.groups: Mapping[str, Group] = state.groups
        self._numbers = {name: processes.counts(len(group)) for name, group in self.groups.items()}
        processes.together(lambda: self._start(system, schedule, energies, integrator))

    def _start(self, system: System, schedule: Schedule | None, energies: bool, integrator: Integrator | None) -> None:
        first = next(iter(self.groups.values())).positions
        self.xp = xp = namespace(first)
        self.system, self.energies, self.integrator = system, energies, integrator
        self.schedule = schedule
        self._kernels: dict[float | None, RadialKernel] = {None: system.kernel}
        self._fixed_energy: dict[float | None, float] = {}
        # Terms i = j of a kernel that is finite there are no force, and a potential that is known.
        self._leaves_out = system.exclude_self and not np.isfinite(value_at_zero(system.kernel))
        for name, group in self.groups.items():
            _check_values(name, group)
        if system.box is not None:
            in_box.check_arrays(system, first)
        self._moving = {name: group for name, group in self.groups.items() if not group.fixed}
        self._rows = _consecutive(self._moving)
        fixed = [group for group in self.groups.values() if group.fixed]
        self._fixed_rows = _consecutive({name: group for name, group in self.groups.items() if group.fixed})
        self._fixed: Array | None = self._stacked(fixed, "positions") if fixed else None
        self._fixed_weights: Array | None = self._stacked(fixed, "charges") if fixed else None
        moving = list(self._moving.values())
        self.weights: Array = self._stacked(moving, "charges")
        self._all_weights = xp.concat([self._fixed_weights, self.weights]) if fixed else self.weights
        self.masses = self._stacked(moving, "masses")[:, None]
        self.signs = system.coupling * xp.sign(self.weights)[:, None]
        # A charge of 0 without a mass of its own moves like one that has hardly any charge: |q| / m is 1.
        ones = xp.ones_like(self.masses)
        heavy = self.masses > 0
        self.warmth = xp.where(heavy, xp.abs(self.weights)[:, None], ones) / xp.where(heavy, self.masses, ones)
        self.push = self.signs * self.warmth
        self._external = [(external, self._strength(external)) for external in system.external_fields]
        if system.walls is not None:
            for name, group in self._moving.items():
                system.walls.check(f"{name}.positions", group.positions)

    def pack(self, state: State) -> tuple[Array, Array | None]:
        """Positions and velocities of the particles that move, as rows; a group without velocities is at rest.

        Velocities are None if no group has some, and the integrator knows no inertia.
        """
        groups = [state.groups[name] for name in self._moving]
        velocities, inertia = None, self.integrator is not None and self.integrator.inertia
        if not self.processes.every(not inertia and all(group.velocities is None for group in groups)):
            zeros = self.xp.zeros_like
            groups = [g if g.velocities is not None else replace(g, velocities=zeros(g.positions)) for g in groups]
            velocities = self._stacked(groups, "velocities")
        return self._stacked(groups, "positions"), velocities

    def unpack(self, rows: Array) -> dict[str, Array]:
        """The rows of each group that moves."""
        return {name: self.part(name, rows) for name in self._moving}

    def part(self, name: str, rows: Array) -> Array:
        """The rows of a group, of those of all that move, or of all that are fixed."""
        count, chosen = rows.shape[0], (self._fixed_rows if self.groups[name].fixed else self._rows)[name]
        return rows if chosen == slice(0, count) else rows[chosen, ...]

    def _stacked(self, groups: Sequence[Group], part: str) -> Array:
        """A part of all of some groups as one array; that of an only one is taken as it is."""
        if not groups:
            like = next(iter(self.groups.values()))
            return self.xp.zeros_like(like.positions if part == "velocities" else getattr(like, part))[:0, ...]
        found = [getattr(group, part) for group in groups]
        return found[0] if len(found) == 1 else self.xp.concat(found)

    def softening(self, time: float) -> float | None:
        """ε at a time, or None if the kernel has none."""
        return softening_of(self._kernel(time))

    def evaluate(self, rows: Array, time: float, *, energies: bool | None = None, kept: Kept = EMPTY) -> Sums:
        """Field at the particles that move, and with ``energies`` potential and energy from the same sums.

        ``kept`` of earlier sums spares these the planning.
        """
        energies = self.energies if energies is None else energies
        sums = self._pairs(rows, time, energies, kept)
        if not self._external:
            return sums
        # A user's field may refuse the positions of one process only.
        force, energy = self.processes.together(lambda: self._external_force(rows, time)), sums.energy
        if energy is not None:
            energy += self.external_energy(rows, time)
        return sums._replace(external=force, energy=energy)

    def external_energy(self, rows: Array, time: float) -> float:
        """Energy of the particles that move in external fields [energy]."""
        over = self.processes
        found = over.together(lambda: [external.potential(rows, time) for external, _ in self._external])
        return sum(weighted(over, each[1], values) for each, values in zip(self._external, found, strict=True))

    def _external_force(self, rows: Array, time: float) -> Array:
        force = self.xp.zeros_like(rows)
        for external, strength in self._external:
            force = force + strength[:, None] * external.field(rows, time)
        return force

    def _pairs(self, rows: Array, time: float, energies: bool, before: Kept) -> Sums:
        kernel = self._kernel(time)
        coupling, over = self.system.coupling, self.processes
        # Kinds that others ask for, such as callbacks for energies, stay as they are.
        kept = dict(before)

        def sums(of: str, charges: Charges, own: bool = False) -> tuple[Any, Array]:
            kind = f"{'potential and ' if energies else ''}field of {of}"
            found, after = self._sums(rows, charges, kernel, energies, own=own, kept=kept.pop(kind, None))
            if after is not None:
                kept[kind] = after
            return found

        if self._fixed is None:
            potential, field_of_all = sums("all", Charges(rows, self.weights), own=True)
            energy = coupling * 0.5 * weighted(over, self.weights, potential) if energies else None
            return Sums(field_of_all, potential, energy, kept=kept)
        if not energies and not self._leaves_out:
            everything = Charges(self.xp.concat([self._fixed, rows]), self._all_weights)
            return Sums(sums("all", everything)[1], None, None, kept=kept)
        of_own, own_field = sums("those that move", Charges(rows, self.weights), own=True)
        of_fixed, fixed_field = sums("fixed ones", Charges(self._fixed, self._fixed_weights))
        if not energies:
            return Sums(own_field + fixed_field, None, None, kept=kept)
        energy = weighted(over, self.weights, of_fixed) + 0.5 * weighted(over, self.weights, of_own)
        return Sums(own_field + fixed_field, of_own + of_fixed, coupling * energy, kept=kept)

    def velocities(self, sums: Sums) -> Array:
        """First-order flow: forces per unit of charge, κ sign(q) E and those of external fields, shape (M, m)."""
        flow = self.signs * sums.field
        return flow if sums.external is None else flow + self.inverse_charges * sums.external

    def forces(self, sums: Sums) -> Array:
        """κ q E, and those of external fields, shape (M, m) [energy / length]."""
        pairs = (self.system.coupling * self.weights)[:, None] * sums.field
        return pairs if sums.external is None else pairs + sums.external

    def kick(self, sums: Sums, h: float) -> Array:
        """Change of velocities in a time h under these forces, shape (M, m) [length / time]."""
        change = (h * self.push) * sums.field
        return change if sums.external is None else change + (h * self.inverse_masses) * sums.external

    def drift(self, x: Array, v: Array, h: float) -> tuple[Array, Array]:
        """Positions and velocities after a free flight of a time h, between the walls if there are any."""
        x = x + h * v
        if self.system.walls is None:
            return x, v
        x, turned = self.system.walls.reflect(x, v)
        return x, turned

    def inside(self, positions: Array) -> Array:
        """Positions mirrored at the walls, if there are any."""
        return positions if self.system.walls is None else self.system.walls.reflect(positions, None)[0]

    def largest_acceleration(self, sums: Sums) -> float:
        """Largest ‖a‖ of a particle that moves [length / time²]; 0 without particles."""
        return self._longest(self.kick(sums, 1.0))

    def largest_force(self, sums: Sums) -> float:
        """Largest force on a particle that moves, per unit of its charge; 0 without particles."""
        if sums.external is None:
            return abs(self.system.coupling) * self._longest(sums.field)
        return self._longest(self.velocities(sums))

    def _longest(self, vectors: Array) -> float:
        """Largest length of all processes' vectors."""
        xp = self.xp
        own = float(xp.max(xp.sqrt(xp.sum(vectors * vectors, axis=1)))) if vectors.shape[0] else 0.0
        return self.processes.largest(own)

    @cached_property
    def inverse_masses(self) -> Array:
        """1/m of the particles that move, as a column.

        Raises
        ------
        ValueError
            If one has no mass, as a charge of 0 without one of its own.
        """
        return self.processes.together(lambda: self._inverse("masses", self.masses))

    @cached_property
    def inverse_charges(self) -> Array:
        """1 / abs(q) of the particles that move, as a column; raises if one has no charge."""
        return self.processes.together(lambda: self._inverse("charges", self.xp.abs(self.weights)[:, None]))

    def _inverse(self, what: str, column: Array) -> Array:
        for name, part in self.unpack(column).items():
            if not bool(self.xp.all(part > 0)):
                row = int(np.argmin(to_numpy(part)))
                raise ValueError(
                    f"{name}.{what}: expected none of 0 where an external field or a temperature per particle acts, "
                    f"got 0 in row {row}"
                )
        return 1 / column

    def by_group(self, name: str, given: float | Mapping[str, float]) -> float | np.ndarray:
        """A number for all, or numbers by groups as a host column for the particles that move.

        Raises
        ------
        ValueError
            If a group that is named does not exist.
        """
        if not isinstance(given, Mapping):
            return given
        self._check_names(name, given)
        parts = [np.full((len(group), 1), given.get(key, 0.0)) for key, group in self._moving.items()]
        return np.concatenate(parts) if parts else np.zeros((0, 1))

    def put(self, host: np.ndarray) -> Array:
        """An array of the host as one like the masses."""
        device = array_api_compat.device(self.masses)
        return self.xp.asarray(host, dtype=self.masses.dtype, device=device)

    def _check_names(self, name: str, names: Iterable[str]) -> None:
        if unknown := [key for key in names if key not in self.groups]:
            raise ValueError(f"{name}: expected groups among {', '.join(self.groups)}, got {', '.join(unknown)}")

    def _strength(self, external: External) -> Array:
        """C of each particle that moves: its charge, its mass or 1, and 0 where the field does not act."""
        xp, all_masses = self.xp, self.masses[:, 0]
        strength = {"charge": self.weights, "mass": all_masses}.get(external.acts_on, xp.ones_like(self.weights))
        if external.groups is None:
            return strength
        self._check_names("groups", external.groups)
        acts = self.by_group("groups", dict.fromkeys(external.groups, 1.0))
        return strength * self.put(np.asarray(acts))[:, 0]

    def normals(self, seed: int, step: int, like: Array) -> Array:
        """Standard normal numbers for the particles that move, the same for any number of processes."""
        # All are drawn and the own ones taken: how many numbers a generator spends on one is not known.
        return self.own(normals(seed, step, like, sum(self._numbers[name][1] for name in self._moving)))

    def gathered(self, rows: Array) -> np.ndarray:
        """Rows of all processes' particles that move, in float64 on the host: group after group, as in one process."""
        host = to_numpy(rows).astype(float)
        parts = [self.processes.gathered(part) for part in self.unpack(host).values()]
        return np.concatenate(parts) if parts else host

    def own(self, rows: Array) -> Array:
        """Rows of this process, of those of all in the order of :meth:`gathered`."""
        if rows.shape[0] == sum(map(len, self._moving.values())):
            return rows
        parts, start = [], 0
        for name, group in self._moving.items():
            before, count = self._numbers[name]
            parts.append(rows[start + before : start + before + len(group), ...])
            start += count
        return namespace(rows).concat(parts)

    def at_fixed(self, rows: Array, time: float) -> tuple[Array, Array]:
        """Potential and field at the fixed charges."""
        assert self._fixed is not None
        kernel, own = self._kernel(time), Charges(self._fixed, self._fixed_weights)
        (of_own, own_field), _ = self._sums(self._fixed, own, kernel, True, own=True)
        (of_others, field_of_others), _ = self._sums(self._fixed, Charges(rows, self.weights), kernel, True)
        return of_own + of_others, own_field + field_of_others

    def fixed_energy(self, time: float) -> float:
        """F_yy, the mutual energy of fixed charges; 0 if all move. Kept for the last softening."""
        if self._fixed is None:
            return 0.0
        softening, kernel, system = self._scheduled(time), self._kernel(time), self.system
        if softening not in self._fixed_energy:
            own = Charges(self._fixed, self._fixed_weights)
            options: dict[str, Any] = {"exclude_self": self._leaves_out, "rtol": system.rtol, "method": system.method}
            if system.box is not None:
                energy, known = in_box.energy(own, kernel, system), 0.0
            else:
                energy = self.processes.energy(own, kernel, **options)
                known = self.processes.self_energy(own, kernel) if system.exclude_self and not self._leaves_out else 0.0
            self._fixed_energy = {softening: system.coupling * (energy - known)}
        return self._fixed_energy[softening]

    def virial(self, rows: Array, time: float) -> float:
        """Virial of all charges in a box that is periodic along all axes [energy].

        Raises
        ------
        ValueError
            Without such a box, or if :func:`coulombfield.periodic.virial` can't serve the kernel.
        """
        if self.system.box is None:
            raise ValueError("box: expected a system with a periodic box, got None")
        parts = [rows] if self._fixed is None else [self._fixed, rows]
        charges = Charges(self.xp.concat(parts), self._all_weights)
        return in_box.virial(charges, self._kernel(time), self.system)

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
            for name, part in self.unpack(rows).items():
                check_finite(name, part, when)

        try:
            self.processes.together(check_all)
        except ValueError as error:
            raise ArithmeticError(
                f"{error}; take a shorter step, or a softened kernel such as Plummer if charges coincide"
            ) from None

    def _scheduled(self, time: float) -> float | None:
        return None if self.schedule is None else float(self.schedule(time))

    def _kernel(self, time: float) -> RadialKernel:
        softening = self._scheduled(time)
        if softening not in self._kernels:
            assert softening is not None
            self._kernels = {softening: with_softening(self.system.kernel, softening)}
        return self._kernels[softening]

    def _sums(
        self,
        targets: Array,
        charges: Charges,
        kernel: RadialKernel,
        potential: bool,
        *,
        own: bool = False,
        kept: KeptSums | None = None,
    ) -> tuple[tuple[Any, Array], KeptSums | None]:
        """Potential, if wanted, and field, and what to keep; ``own`` says that the targets are the charges."""
        exclude, system = own and self._leaves_out, self.system
        if system.box is not None:
            return in_box.potential_and_field(targets, charges, kernel, system, potential=potential, own=own), None
        options: dict[str, Any] = {"exclude_self": exclude, "rtol": system.rtol, "method": system.method}
        (values, fields), kept = self.processes.sums(targets, charges, kernel, kept, potential=potential, **options)
        if potential and own and system.exclude_self and not exclude:
            values = values - charges.weights * value_at_zero(kernel)
        return (values, fields), kept


def check_finite(name: str, values: Array | None, when: str) -> None:
    """Raise if a number is not finite, and say which.

    Raises
    ------
    ValueError
        With the row's number.
    """
    if values is None:
        return
    xp = namespace(values)
    finite = xp.isfinite(values)
    if not bool(xp.all(finite)):
        bad = ~to_numpy(finite)
        row = int(np.argmax(bad if bad.ndim == 1 else bad.any(axis=1)))
        raise ValueError(f"{name}: expected finite numbers {when}, got {to_numpy(values)[row]} in row {row}")


def _check_values(name: str, group: Group) -> None:
    """Raise unless the numbers of a group are finite, and its masses masses."""
    for part in ("positions", "velocities", "charges", "masses"):
        check_finite(f"{name}.{part}", getattr(group, part), "to start from")
    masses, charges = to_numpy(group.masses), to_numpy(group.charges)
    wrong = (masses < 0) | ((masses == 0) & (charges != 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{name}.masses: expected positive numbers, got {masses[row]:g} in row {row}")


def _consecutive(groups: Mapping[str, Group]) -> dict[str, slice]:
    """Which rows of an array of all are those of each group."""
    rows, start = {}, 0
    for name, group in groups.items():
        rows[name] = slice(start, start + len(group))
        start += len(group)
    return rows
