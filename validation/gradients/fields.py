"""Field sums, energies and their derivatives: every public operation, by every engine that takes float64.

Targets and charges stay apart by a good part of a length where a kernel has no derivative at r = 0, so that the sums
vary over lengths of about 1.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import coulombfield as cf
from coulombfield.arrays import Array
from coulombfield.calculus import random_direction
from coulombfield.sums.request import Request
from coulombfield.sums.selection import EXACT
from validation.context import Context

from .differences import EPSILON, Case, magnitude
from .kernels import KERNELS, at_softening, has_softening
from .registry import Row

CHARGES = 7
SINGULAR = ("Coulomb 1", "Coulomb 2.5", "Laplace", "Sheets")
"""Kernels without derivatives at r = 0, among :data:`KERNELS`."""
ALL = tuple(KERNELS)
KERNELS_OF: dict[str, dict[int, tuple[str, ...]]] = {
    "direct": {1: ALL, 2: ALL, 3: ALL, 5: ALL},
    "simd": {2: ("Plummer 1", "sum"), 3: ("Plummer 1",)},
    "gram": {5: ("Plummer 1", "sum"), 20: ("Plummer 1",)},
    "cuda": {2: tuple(name for name in ALL if name != "Custom"), 3: ("Plummer 1",)},
}
"""Kernels by dimension for each engine: few for those that take seconds to compile a kernel that is new to them."""
OTHERS = {2: ALL}  # for an engine without a line of its own
TABLE = 1e-10
"""Error of a table that differences are taken of."""
QUICK = {"direct": {2: ALL}, "cuda": {2: ("Plummer 1",)}}


class Problem(NamedTuple):
    """Charges and targets, how each of them moves, and how to sum."""

    label: str
    context: Context
    rng: np.random.Generator
    kernel: cf.RadialKernel
    options: dict[str, Any]
    targets: np.ndarray
    positions: np.ndarray
    weights: np.ndarray
    d_targets: np.ndarray
    d_positions: np.ndarray
    d_weights: np.ndarray

    def charges(self, t: float = 0.0) -> cf.Charges:
        """The charges after a time t."""
        put = self.context.put
        return cf.Charges(put(self.positions + t * self.d_positions), put(self.weights + t * self.d_weights))

    def at(self, t: float = 0.0) -> Array:
        """The targets after a time t."""
        return self.context.put(self.targets + t * self.d_targets)

    def directions(self) -> dict[str, Array]:
        """How all move, as the jvp functions take it."""
        put = self.context.put
        return {
            "d_targets": put(self.d_targets),
            "d_positions": put(self.d_positions),
            "d_weights": put(self.d_weights),
        }

    def size_of(self, result: str) -> float:
        """Largest sum over the charges of magnitudes of terms of a ``potential`` or a ``field``.

        A place that moves is rounded, so that a term is as uncertain as it is steep: hence the second part of each.
        """
        s = np.sum((self.targets[:, None] - self.positions[None]) ** 2, axis=-1)
        counted = ~np.eye(len(s), dtype=bool) if self.options["exclude_self"] else np.ones(s.shape, dtype=bool)
        s = np.where(counted, s, 1.0)  # what is left out may be infinite
        extent = max(float(np.max(np.abs(points))) for points in (self.targets, self.positions))
        value, slope, curvature = (np.abs(f(s)) for f in (self.kernel.value, self.kernel.slope, self.kernel.curvature))
        gradient, hessian = 2 * np.sqrt(s) * slope, 2 * slope + 4 * s * curvature
        terms = value + extent * gradient if result == "potential" else gradient + extent * hessian
        return float(np.max(np.sum(counted * np.abs(self.weights) * terms, axis=1)))

    def energy_size(self) -> float:
        """The same of an energy of the charges."""
        return magnitude(self.weights) * self._replace(targets=self.positions).size_of("potential")

    def case(self, function: Callable[[float], Any], exact: Any, size: float, **settings: Any) -> Case:
        """Case of an array, all of whose numbers count relative to the largest."""
        scale = float(np.max(np.abs(exact)))
        return Case(self.label, function, exact, size + scale, scale, **settings)

    def inner(self, function: Callable[[float], float], size: float, *pairs: tuple[Array, np.ndarray]) -> Case:
        """Case of a number whose derivative is a sum of inner products of gradients and directions."""
        terms = [self.context.host(gradient) * direction for gradient, direction in pairs]
        scale = magnitude(*terms)
        return Case(self.label, function, sum(float(np.sum(x)) for x in terms), size + scale, scale)


def _field(p: Problem) -> Iterator[Case]:
    """−E · v against the potential at moving targets, each along its own direction."""
    charges, host = p.charges(), p.context.host
    exact = -np.sum(host(cf.field(p.at(), charges, p.kernel, **p.options)) * p.d_targets, axis=1)
    yield p.case(lambda t: host(cf.potential(p.at(t), charges, p.kernel, **p.options)), exact, p.size_of("potential"))


def _potential_and_field(p: Problem) -> Iterator[Case]:
    charges, host = p.charges(), p.context.host
    exact = -np.sum(host(cf.potential_and_field(p.at(), charges, p.kernel, **p.options)[1]) * p.d_targets, axis=1)

    def potential(t: float) -> np.ndarray:
        return host(cf.potential_and_field(p.at(t), charges, p.kernel, **p.options)[0])

    yield p.case(potential, exact, p.size_of("potential"))


def _laplacian(p: Problem) -> Iterator[Case]:
    """Second differences of the potential along orthonormal axes, and differences of minus the field, summed."""
    charges, host, m = p.charges(), p.context.host, p.targets.shape[1]
    axes, _ = np.linalg.qr(p.rng.standard_normal((m, m)))
    exact = host(cf.laplacian(p.at(), charges, p.kernel, **p.options))

    def potentials(t: float) -> np.ndarray:
        moved = (p.context.put(p.targets + t * axis) for axis in axes)
        return np.sum([host(cf.potential(x, charges, p.kernel, **p.options)) for x in moved], axis=0)

    def divergence(t: float) -> np.ndarray:
        moved = ((p.context.put(p.targets + t * axis), axis) for axis in axes)
        return -np.sum([host(cf.field(x, charges, p.kernel, **p.options)) @ axis for x, axis in moved], axis=0)

    yield p.case(potentials, exact, m * p.size_of("potential"), derivative=2)
    yield p.case(divergence, exact, m * p.size_of("field"))


def _jvp(of: str, p: Problem) -> Iterator[Case]:
    """Everything moves at once."""
    function, host = getattr(cf, of), p.context.host
    exact = host(getattr(cf, f"{of}_jvp")(p.at(), p.charges(), p.kernel, **p.directions(), **p.options))
    yield p.case(lambda t: host(function(p.at(t), p.charges(t), p.kernel, **p.options)), exact, p.size_of(of))


def _vjp(of: str, p: Problem) -> Iterator[Case]:
    """A random combination of all results, as everything moves at once."""
    function, host = getattr(cf, of), p.context.host
    cotangent = p.rng.standard_normal(host(function(p.at(), p.charges(), p.kernel, **p.options)).shape)
    found = getattr(cf, f"{of}_vjp")(p.at(), p.charges(), p.kernel, p.context.put(cotangent), **p.options)

    def combined(t: float) -> float:
        return float(np.sum(cotangent * host(function(p.at(t), p.charges(t), p.kernel, **p.options))))

    pairs = zip(found, (p.d_targets, p.d_positions, p.d_weights), strict=True)
    yield p.inner(combined, magnitude(cotangent) * p.size_of(of), *pairs)


def _electrostatic_energy_gradient(p: Problem) -> Iterator[Case]:
    found = cf.electrostatic_energy_gradient(p.charges(), p.kernel, **p.options)
    pairs = zip(found, (p.d_positions, p.d_weights), strict=True)
    yield p.inner(lambda t: cf.electrostatic_energy(p.charges(t), p.kernel, **p.options), p.energy_size(), *pairs)


def _energy_gradient(p: Problem) -> Iterator[Case]:
    """Either side moves; the samples are told apart, not weighted."""
    options = {"method": p.options["method"], "unbiased": p.options["exclude_self"]}
    put, half = p.context.put, CHARGES // 2
    sides = {"real": p.positions[:half], "generated": p.positions[half:]}
    moves = {"real": p.d_positions[:half], "generated": p.d_positions[half:]}
    size = p._replace(weights=np.full(CHARGES, 2 / half)).energy_size()
    real, generated = map(put, sides.values())
    for side in sides:
        found = cf.energy_gradient(real, generated, p.kernel, with_respect_to=side, **options)

        def energy(t: float, side: str = side) -> float:
            real, generated = (put(x + (t if name == side else 0.0) * moves[name]) for name, x in sides.items())
            return cf.interaction_energy(real, generated, p.kernel, **options)

        yield p.inner(energy, size, (found, moves[side]))


def _softening_gradient(p: Problem) -> Iterator[Case]:
    if not has_softening(p.kernel):
        return
    exact = cf.softening_gradient(p.charges(), p.kernel, **p.options)

    def energy(t: float) -> float:
        return cf.electrostatic_energy(p.charges(), at_softening(p.kernel, t), **p.options)

    scale = p._replace(kernel=p.kernel.softening_derivative()).energy_size()
    yield Case(p.label, energy, exact, p.energy_size(), scale)


def _self_energy(p: Problem) -> Iterator[Case]:
    """By the softening: what :func:`softening_gradient` has of the terms i = j."""
    if not has_softening(p.kernel):
        return
    charges, method = p.charges(), p.options["method"]
    whole, pairs = (
        cf.softening_gradient(charges, p.kernel, exclude_self=left_out, method=method) for left_out in (False, True)
    )
    scale = p._replace(kernel=p.kernel.softening_derivative()).energy_size()
    yield Case(
        p.label, lambda t: cf.self_energy(charges, at_softening(p.kernel, t)), whole - pairs, p.energy_size(), scale
    )


def _tabulated(context: Context) -> Iterator[Case]:
    """−E v against the potential of the same table, which is uncertain by the error that it was asked for."""
    rng = context.rng("gradients TabulatedField")
    p = _draw("Plummer 1", 1, {"exclude_self": False}, context, rng)
    table = cf.TabulatedField(p.charges(), p.kernel, rtol=TABLE)
    exact = -context.host(table(p.at())[1])[:, 0] * p.d_targets[:, 0]
    size = p.size_of("potential") * TABLE / EPSILON
    yield p.case(lambda t: context.host(table(p.at(t))[0]), exact, size)


class Operation(NamedTuple):
    """What is differentiated, what gives the derivative, and the cases of a problem."""

    name: str
    covers: tuple[Callable[..., Any], ...]
    cases: Callable[[Problem], Iterator[Case]]
    own_terms: bool = False
    """Whether charges act on themselves unless they are left out."""


OPERATIONS = (
    Operation("field", (cf.field, cf.potential), _field),
    Operation("potential_and_field", (cf.potential_and_field,), _potential_and_field),
    Operation("laplacian", (cf.laplacian,), _laplacian),
    Operation("potential_jvp", (cf.potential_jvp,), functools.partial(_jvp, "potential")),
    Operation("field_jvp", (cf.field_jvp,), functools.partial(_jvp, "field")),
    Operation("potential_vjp", (cf.potential_vjp,), functools.partial(_vjp, "potential")),
    Operation("field_vjp", (cf.field_vjp,), functools.partial(_vjp, "field")),
    Operation(
        "electrostatic_energy_gradient",
        (cf.electrostatic_energy_gradient, cf.electrostatic_energy),
        _electrostatic_energy_gradient,
        own_terms=True,
    ),
    Operation("energy_gradient", (cf.energy_gradient, cf.interaction_energy), _energy_gradient, own_terms=True),
    Operation("softening_gradient", (cf.softening_gradient,), _softening_gradient, own_terms=True),
    Operation("self_energy", (cf.self_energy,), _self_energy, own_terms=True),
)
"""Every public operation."""


def rows() -> list[Row]:
    """One row for each operation by each exact engine, and one for tables."""
    of_tables = Row("TabulatedField", "field", (cf.TabulatedField,), _tabulated)
    return [of_tables] + [
        Row(
            f"{operation.name} by {engine}",
            "field",
            operation.covers,
            functools.partial(_cases, operation, engine),
            functools.partial(_served, engine),
        )
        for operation in OPERATIONS
        for engine in EXACT
    ]


def _served(engine: str, context: Context) -> bool:
    """Whether an engine takes float64 arrays of this device, and needn't be compiled where there's no time for it."""
    if context.quick and engine not in QUICK:
        return False
    points, weights = context.put(np.zeros((1, 2))), context.put(np.ones(1))
    return not EXACT[engine].refusal(Request(points, points, weights, cf.Plummer().profile, False, True, True))


def _cases(operation: Operation, engine: str, context: Context) -> Iterator[Case]:
    rng = context.rng(f"gradients {operation.name} {engine}")
    grid = context.pick(KERNELS_OF, QUICK).get(engine, OTHERS)
    kernels = [(name, m) for m, names in grid.items() for name in names]
    for (name, m), exclude_self in itertools.product(kernels, (False, True)):
        if operation.own_terms and name in SINGULAR and not exclude_self:
            continue
        yield from operation.cases(_draw(name, m, {"exclude_self": exclude_self, "method": engine}, context, rng))


def _draw(name: str, m: int, options: dict[str, Any], context: Context, rng: np.random.Generator) -> Problem:
    """Charges in a row, jittered, at distances of 0.8 or more, and targets between them or at their places."""
    positions = _row(rng.permutation(CHARGES), m, rng)
    if options["exclude_self"]:
        targets = positions
    else:
        targets = _row(rng.permutation(CHARGES - 1) + 0.5, m, rng)
        if name not in SINGULAR:
            targets[0] = positions[0]
    weights = rng.standard_normal(CHARGES)
    directions = (random_direction(rng, x) for x in (targets, positions, weights))
    label = f"{KERNELS[name]}, {m} dimensions, exclude_self={options['exclude_self']}"
    return Problem(label, context, rng, KERNELS[name], options, targets, positions, weights, *directions)


def _row(places: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
    points = 0.7 * rng.standard_normal((len(places), m))
    points[:, 0] = places - CHARGES / 2 + rng.uniform(-0.1, 0.1, len(places))
    return points
