"""Eq 2–4 and 11 (v1 Eq 4–7 and 21): how moving charges change their density, place by place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.optimize import root

import coulombfield as cf
from validation.context import Context

from ..convergence import central_differences
from ..densities import GaussianMixture, quadrature
from ..evidence import Finding, Measurement, Subject, above, at_most, near, standard_errors
from .exact import CoreAndHalo
from .radial import Shells, couplings, evolve

EXPONENT, SOFTENING = 1.0, 2.0
ORDER = 12  # of the quadrature of each Gaussian, along each axis
MIXTURE = GaussianMixture(
    np.array([0.6, 0.4, -1.0]),
    np.array([[0.5, 0.2, -0.3], [-0.8, 0.4, 0.3], [0.1, -0.5, 0.2]]),
    np.array([0.4, 0.5, 0.6]),
)
SETTLED = 2e-5
"""Relative difference that passes where the package sums a :func:`cloud`, whose own error is some 5e-6; a wrong sign or
factor is off by 0.1 or more."""


def cloud(context: Context, mixture: GaussianMixture) -> cf.Charges:
    """Gauss–Hermite quadrature of a density in three dimensions, as charges of the package."""
    points, charges = quadrature(mixture, ORDER)
    shares = np.abs(charges).reshape(len(mixture.weights), -1)
    keep = (shares > 1e-10 * shares.max(axis=1, keepdims=True)).ravel()
    return cf.Charges(context.put(points[keep]), context.put(charges[keep]))


def density_gradient(mixture: GaussianMixture, points: np.ndarray) -> np.ndarray:
    """∇ρ of a mixture, shape (T, m)."""
    apart = points[:, None, :] - mixture.means
    norms = mixture.weights * (2 * math.pi * mixture.deviations**2) ** (-mixture.dimension / 2)
    terms = norms * np.exp(-(apart**2).sum(axis=2) / (2 * mixture.deviations**2)) / mixture.deviations**2
    return -(terms[:, :, None] * apart).sum(axis=1)


def places(context: Context, name: str, count: int) -> np.ndarray:
    """Random places where ρ isn't near 0, of both signs."""
    points = context.rng(name).normal(0.0, 0.7, (40 * count, 3))
    size = MIXTURE.density(points)
    chosen = [points[sign * size > 0.1 * np.abs(size).max()][: count // 2] for sign in (1, -1)]
    return np.concatenate(chosen)


def continuity(context: Context) -> Finding:
    """Samples moved by a small time against −∇·(ρv) of the oracle; the charge that a grid keeps."""
    points = places(context, "dynamics-continuity", context.pick(24, 8))
    charges, kernel = cloud(context, MIXTURE), cf.Plummer(EXPONENT, SOFTENING)
    signs = np.sign(MIXTURE.density(points))[:, None]  # nothing moves as far as to where ρ changes its sign

    def moved(time: float) -> np.ndarray:
        """ρ at the points once the charges have moved by time · v: ρ where they come from over the volume's growth."""
        origin = points
        for _ in range(8):  # each iteration gains a factor of time · ‖∇v‖ < 0.02
            field = context.host(cf.field(context.put(origin), charges, kernel))
            origin = points - time * signs * field
        here = context.put(origin)
        axes = [context.put(np.tile(axis, (len(points), 1))) for axis in np.eye(3)]
        columns = [context.host(cf.field_jvp(here, charges, kernel, d_targets=a, method="direct")) for a in axes]
        growth = np.linalg.det(np.eye(3) + time * signs[:, :, None] * np.stack(columns, axis=2))
        return MIXTURE.density(origin) / growth

    exact = -signs[:, 0] * product_rule(MIXTURE, points)
    transport = central_differences(moved, exact, 0.0, 1.0, length=2.0, fine=(2.0**-9, 2.0**-12))
    return Finding(
        [
            *transport.measurements(f"density of moved charges at {len(points)} places", SETTLED),
            weak_form(context),
            conservation(context),
        ]
    )


def product_rule(mixture: GaussianMixture, points: np.ndarray) -> np.ndarray:
    """∇·(ρE) = ∇ρ·E + ρ ∇·E of the oracle."""
    field = mixture.field(points, EXPONENT, SOFTENING)
    divergence = mixture.field_divergence(points, EXPONENT, SOFTENING)
    return (density_gradient(mixture, points) * field).sum(axis=1) + mixture.density(points) * divergence


def weak_form(context: Context) -> Measurement:
    """d/dt of Σ q ψ over charges drawn from ρ and moved along sign(q) E, against −∫ψ ∇·(ρv) by quadrature."""
    law, count = CoreAndHalo(3, 0.6, 1.5), context.pick(800, 200)
    kernel, rng = cf.Plummer(EXPONENT, SOFTENING), context.rng("dynamics-weak-form")
    half = law.within(law.border)  # charge of either sign that is left once the rest has cancelled

    def draw(deviation: float, sign: float) -> np.ndarray:
        """Places drawn from the part of ρ with this sign, by rejection from the Gaussian that it's a part of."""
        points = deviation * rng.standard_normal((20 * count, 3))
        whole = GaussianMixture(np.ones(1), np.zeros((1, 3)), np.array([deviation])).density(points)
        return points[rng.random(len(points)) * whole < sign * law.mixture.density(points)][:count]

    samples = []
    for _ in range(16):
        sources = [draw(law.core, 1.0), draw(law.halo, -1.0)]
        weights = np.repeat([half / count, -half / count], count)
        charges = cf.Charges(context.put(np.concatenate(sources)), context.put(weights))
        total = 0.0
        for deviation, sign in ((law.core, 1.0), (law.halo, -1.0)):
            at = draw(deviation, sign)  # other places than the sources, so that the mean has no bias
            velocity = sign * context.host(cf.field(context.put(at), charges, kernel))
            slope = -at * np.exp(-0.5 * (at**2).sum(axis=1))[:, None]  # of ψ = exp(-r²/2)
            total += sign * half * float((velocity * slope).sum(axis=1).mean())
        samples.append(total)
    claim = -radial_integral(
        law, lambda r, at: np.exp(-0.5 * r**2) * np.sign(law.density(r)) * product_rule(law.mixture, at)
    )
    return standard_errors(f"change of ∫ψρ with {2 * count} charges, by Eq 2", np.array(samples), claim)


def radial_integral(law: CoreAndHalo, integrand: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """∫ over space of a radial function with a kink at the border, by Gauss's rule on either side."""
    abscissae, weights = np.polynomial.legendre.leggauss(60)
    total = 0.0
    bounds = (0.0, law.border, law.border + 4 * law.halo, 12 * law.halo)
    for low, high in pairwise(bounds):
        r = 0.5 * (high - low) * (abscissae + 1) + low
        points = np.zeros((len(r), law.dimension))
        points[:, 0] = r
        area = law.sphere * r ** (law.dimension - 1)
        total += 0.5 * (high - low) * float((weights * area * integrand(r, points)).sum())
    return total


def conservation(context: Context) -> Measurement:
    """Total charge over time on a grid, whose field is the package's."""
    law = CoreAndHalo(3)
    cells = Shells.graded(3, 40, 0.1, 16.0)
    flow = evolve(cells, couplings(context, cells, cf.Plummer(EXPONENT, SOFTENING)), cells.averages(law.density), 20.0)
    drift = np.abs(flow.charges.sum(axis=1) - flow.charges[0].sum()).max()
    return at_most(f"total charge on a grid, largest change over {len(flow.times) - 1} steps", float(drift), 1e-13)


def velocity(context: Context) -> Finding:
    """Velocities sign(q) E against the slope of an energy summed in NumPy, and that energy's fall along them."""
    rng = context.rng("dynamics-velocity")
    places, weights = rng.standard_normal((12, 3)), rng.uniform(0.2, 1.0, 12) * np.repeat([1.0, -1.0], 6)
    kernel = cf.Plummer(EXPONENT, SOFTENING)

    def energy(positions: np.ndarray) -> float:
        squares = ((positions[:, None] - positions) ** 2).sum(axis=2)
        return float(0.5 * weights @ (squares + SOFTENING**2) ** (-EXPONENT / 2) @ weights)

    def by_package(positions: np.ndarray) -> float:
        return cf.electrostatic_energy(
            cf.Charges(context.put(positions), context.put(weights)), kernel, method="direct"
        )

    charges = cf.Charges(context.put(places), context.put(weights))
    speed = np.sign(weights)[:, None] * context.host(cf.field(charges.positions, charges, kernel))
    direction = rng.standard_normal(places.shape)
    slope = -float((np.abs(weights)[:, None] * speed * direction).sum())
    along = -float((np.abs(weights)[:, None] * speed**2).sum())
    unsigned = np.sign(weights)[:, None] * speed
    rise = float((energy(places + 1e-5 * unsigned) - energy(places - 1e-5 * unsigned)) / 2e-5)
    return Finding(
        [
            *central_differences(energy, slope, places, direction, length=0.5).measurements(
                "slope of F is −Σ |q| v, along a random direction", 1e-9
            ),
            *central_differences(by_package, along, places, speed, length=0.5).measurements(
                "F changes along v at the rate −Σ |q| ‖v‖²", 1e-9
            ),
            above("without the sign F falls more slowly, as a share of that rate", 1 - rise / along, 0.1),
        ]
    )


def density_law(context: Context) -> Finding:
    """Both forms of Eq 3 where ρ isn't 0, over a smooth zero of ρ, and over a front at which ρ jumps through 0."""
    points = places(context, "dynamics-law", context.pick(24, 8))
    charges, kernel = cloud(context, MIXTURE), cf.Plummer(EXPONENT, SOFTENING)
    field = functools.partial(cf.field, charges=charges, kernel=kernel)
    exact = np.sign(MIXTURE.density(points)) * product_rule(MIXTURE, points)

    def divergence(step: float) -> np.ndarray:
        """∇·(|ρ|E) by central differences."""
        total = np.zeros(len(points))
        for axis in np.eye(3):
            ends = [points + side * step * axis for side in (1, -1)]
            fluxes = [np.abs(MIXTURE.density(p)) * (context.host(field(context.put(p))) @ axis) for p in ends]
            total += (fluxes[0] - fluxes[1]) / (2 * step)
        return total

    steps = tuple(0.5 * 2.0**-k for k in range(4, 8))
    errors = [float(np.abs(divergence(step) - exact).max() / np.abs(exact).max()) for step in (*steps, 2.0**-14)]
    order = float(np.polyfit(np.log(steps), np.log(errors[:-1]), 1)[0])
    law = CoreAndHalo(3, 0.6, 1.5)

    def middle(r: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * r**2) * np.sign(law.density(r)) * product_rule(law.mixture, at)

    def last(r: np.ndarray, at: np.ndarray) -> np.ndarray:
        return r * np.exp(-0.5 * r**2) * np.abs(law.density(r)) * law.mixture.field(at, EXPONENT, SOFTENING)[:, 0]

    smooth = [radial_integral(law, middle), radial_integral(law, last)]
    condition = Subject.CONDITION
    made, expected, flux, front = charge_made_at_front(context)
    return Finding(
        [
            at_most("charge that the middle form makes at a front, over the front's flux", abs(made / flux), 1e-9),
            near("where ρ ≠ 0: order of central differences", order, 2, 0.1, condition),
            at_most("where ρ ≠ 0: smallest relative difference of the forms", errors[-1], SETTLED, condition),
            at_most("over a smooth zero of ρ: weak forms differ by", abs(smooth[0] / smooth[1] - 1), 1e-9, condition),
            near("at a front: charge made over the exact −A E (ρ₊ + ρ₋)", made / expected, 1, 0.05, condition),
            *front,
        ]
    )


def charge_made_at_front(context: Context) -> tuple[float, float, float, list[Measurement]]:
    """∫ of the middle form over a front, its exact value, the flux into the front, and how well the grid finds it."""
    law, count = CoreAndHalo(3), context.pick(160, 80)
    time = 20.0 / (law.rate * float(law.density(np.zeros(1))[0]))
    radius, inner, outer = law.front(time)
    errors, widths = [], []
    for n in (count // 4, count // 2, count):
        cells = Shells.graded(3, n, 4.0 / n, 14.0)
        flow = evolve(cells, couplings(context, cells, cf.Coulomb(1)), cells.averages(law.density), time)
        exact = np.array([law.charge(r, time) for r in cells.edges[1:]])
        lengths = np.diff(cells.edges)
        errors.append(float(np.abs(np.cumsum(flow.charges[-1]) - exact) @ lengths / (exact @ lengths)))
        widths.append(1 / n)
    rho, field = flow.densities[-1], flow.fields[-1]
    jump = int(np.flatnonzero((rho[:-1] > 0) & (rho[1:] < 0))[0])
    rates = np.concatenate([through(cells, field, rho, 0, jump - 2), through(cells, field, rho, jump + 4, len(rho))])
    ends = cells.edges[[jump - 2, jump + 4]]  # either side of the cells over which the grid smears the front
    expected = -law.sphere * sum(law.charge(r, time) * law.later(r, time) for r in ends)
    strength = law.sphere * law.charge(radius, time)  # area times field
    order = float(np.polyfit(np.log(widths), np.log(errors), 1)[0])
    what = f"grid against the exact solution with a front at {radius:.2f}: charge"
    return (
        float(rates.sum()),
        expected,
        strength * (inner - outer),
        [
            near(f"{what} within a radius, order in the cells", order, 2, 0.4, Subject.CONDITION),
            at_most(f"{what} within a radius, relative error", errors[-1], 5e-3, Subject.CONDITION),
        ],
    )


def through(cells: Shells, field: np.ndarray, density: np.ndarray, first: int, last: int) -> np.ndarray:
    """−sign(ρ) ∇·(ρE) of the cells first … last − 1, by what passes their spheres."""
    between = np.concatenate([[density[0]], 0.5 * (density[1:] + density[:-1]), [0.0]])
    passing = cells.areas * field * between
    return -np.sign(density[first:last]) * np.diff(passing[first : last + 1])


def law_at_extrema(context: Context) -> Finding:
    """Extrema of ρ by Newton's method; −∇·(|ρ|E) by central differences there against the reduced form."""
    charges, kernel = cloud(context, MIXTURE), cf.Plummer(EXPONENT, SOFTENING)
    starts = np.concatenate([MIXTURE.means, context.rng("dynamics-extrema").normal(0.0, 0.7, (40, 3))])
    found: list[np.ndarray] = []
    for start in starts:
        solution = root(lambda a: density_gradient(MIXTURE, a[None])[0], start, tol=1e-12, options={"maxfev": 200})
        near_others = any(np.linalg.norm(solution.x - other) < 1e-3 for other in found)
        if solution.success and np.linalg.norm(solution.x) < 2 and not near_others:
            found.append(solution.x)
    points = np.stack(found)
    density = MIXTURE.density(points)
    # code's Eq 4, with ∇·E = −∇²Φ by the package
    divergence = -context.host(cf.laplacian(context.put(points), charges, kernel, method="direct"))
    reduced = -np.sign(density) * density * divergence
    oracle = -np.abs(density) * MIXTURE.field_divergence(points, EXPONENT, SOFTENING)

    def carried(time: float) -> np.ndarray:
        """∫ of −∇·(|ρ|E) along the three axes from the points, so that its slope at 0 is −∇·(|ρ|E)."""
        total = np.zeros(len(points))
        for axis in np.eye(3):
            place = points + time * axis
            total -= np.abs(MIXTURE.density(place)) * (MIXTURE.field(place, EXPONENT, SOFTENING) @ axis)
        return total

    slopes = central_differences(carried, reduced, 0.0, 1.0, length=0.5)
    return Finding(
        [
            *slopes.measurements(f"−∇·(|ρ|E) at {len(points)} stationary points of ρ", SETTLED),
            at_most("reduced form against the oracle's, relative", float(np.abs(reduced / oracle - 1).max()), SETTLED),
        ]
    )
