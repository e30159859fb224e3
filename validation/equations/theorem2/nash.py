"""Eq 27, 28 and Theorem 2: the equilibrium, the energy's two parts, samples on maxima of a held potential."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linprog

import coulombfield as cf
from nets.losses import generator_potential, potential_regression
from validation.context import Context

from ..densities import GaussianMixture, quadrature
from ..evidence import Finding, Measurement, above, at_most, below, near

KERNEL = cf.Plummer(1.0, 1.0)
ORDER = 20  # Gauss–Hermite nodes an axis
Y = GaussianMixture(np.array([0.5, 0.5]), np.array([[-1.0, 0.0], [1.0, 0.3]]), np.array([0.5, 0.3]))
X = GaussianMixture(np.ones(1), np.array([[0.4, -0.2]]), np.array([0.4]))


def nash_definition(context: Context) -> Finding:
    """L_D as a function of D's values: zero at the potential, quadratic around it, convex along chords."""
    rng = context.rng("theorem2/nash")
    generated, real = 0.8 * rng.standard_normal((7, 2)), rng.standard_normal((5, 2))
    points = np.concatenate([generated, real])
    charges = cf.signed_charges(context.put(real), context.put(generated))
    found = cf.potential(context.put(points), charges, KERNEL, method="direct")
    exact = (plummer(points, real).mean(axis=1) - plummer(points, generated).mean(axis=1))[:, None]
    share = np.repeat([0.5 / 7, 0.5 / 5], [7, 5])[:, None]  # p_a = p_x/2 + p_y/2, each species by its mean

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = potential_regression(context.put(values), found, 7)
        return float(value), context.host(gradient)

    curvature, gaps = 0.0, 0.0
    for _ in range(20):
        one, other = rng.standard_normal((2, 12, 1))
        ends = loss(exact + one)[0] + loss(exact - one)[0]
        expected = float((share * one**2).sum())
        curvature = np.maximum(curvature, abs(ends - 2 * loss(exact)[0] - expected) / expected)
        gap = 0.5 * (loss(one)[0] + loss(other)[0]) - loss(0.5 * (one + other))[0]
        expected = float((share * (one - other) ** 2).sum()) / 8
        gaps = np.maximum(gaps, abs(gap / expected - 1))
    value, gradient = loss(exact)
    step = rng.standard_normal((7, 1))
    generator, _ = generator_potential(context.put(step))
    return Finding(
        [
            at_most("gradient of L_D at D = Φ̂, a plain double sum", np.abs(gradient).max(), 1e-15),
            at_most("L_D there", value, 1e-30),
            at_most("second difference of L_D against ‖v‖² under p_a, 20 directions", curvature, 1e-13),
            at_most("convexity: gap of 20 chords against ‖D₁ − D₀‖²/8", gaps, 1e-12),
            at_most("L_G(G; D) against −½ of the mean of D", abs(float(generator) + 0.5 * step.mean()), 1e-15),
        ]
    )


def energy_split(context: Context) -> Finding:
    """Both halves of F for densities, by quadrature with the package, against one-dimensional integrals."""
    of_y, of_x, of_both = (mixture.energy(KERNEL.exponent, KERNEL.softening) for mixture in (Y, X, Y - X))
    between = of_y + of_x - of_both  # ∬ p_y p_x k
    nodes, weights = quadrature(Y - X, ORDER)
    real = weights > 0
    charges = cf.Charges(context.put(nodes), context.put(weights))
    values = context.host(cf.potential(context.put(nodes), charges, KERNEL, method="direct"))
    part_y, part_x = (0.5 * float(weights[chosen] @ values[chosen]) for chosen in (real, ~real))
    total = cf.electrostatic_energy(charges, KERNEL, method="direct")
    quadrature_error = 1e-6  # of 20 Gauss–Hermite nodes an axis; a factor or a sign would be of order 0.1
    return Finding(
        [
            at_most("F of the package against 1-D integrals", abs(total - of_both), quadrature_error),
            at_most("½∫p_yΦ against 1-D integrals", abs(part_y - of_y + 0.5 * between), quadrature_error),
            at_most("−½∫p_xΦ against 1-D integrals", abs(part_x - of_x + 0.5 * between), quadrature_error),
            at_most("F less its two halves", abs(total - part_y - part_x), 1e-14),
        ]
    )


def theorem_2(context: Context) -> Finding:
    """No target density leaves every generated sample on a maximum of a potential that is held fixed."""
    rng = context.rng("theorem2/held")
    worst, control, cases = math.inf, -math.inf, 0
    for m in context.pick((1, 2, 3), (2,)):
        for count in context.pick((1, 2, 3, 5, 8), (1, 3)):
            for extent in context.pick((0.5, 2.0, 5.0), (2.0,)):
                samples = rng.uniform(-extent, extent, (count, m))
                shares = rng.dirichlet(np.full(count, 5.0))
                worst = np.minimum(worst, _flattest(context, samples, shares, rng))
                if count == 1:  # where nothing repels, every maximum of the data's potential would do
                    control = np.maximum(control, _flattest(context, samples, shares, rng, own_term=False))
                cases += 1
    return Finding(
        [
            above(f"largest curvature of Φ at its worst sample, least over all p_y: {cases} sets", worst, -1e-5),
            below("control: the same search without a sample's own potential", control, -0.1),
            *_analytic(context),
        ]
    )


def _flattest(
    context: Context, samples: np.ndarray, shares: np.ndarray, rng: np.random.Generator, *, own_term: bool = True
) -> float:
    """Least t such that some p_y makes each sample a rest point of the held Φ with all its curvatures at most t.

    Both conditions are linear in p_y, which may sit on the samples and on many points around them: a linear program.
    p_y = p_x gives t = 0, and t < 0 would be an equilibrium with p_y ≠ p_x.
    """
    count, m = samples.shape
    kept = shares * own_term
    spread = np.abs(samples).max() + 3.0
    places = np.concatenate([samples, rng.uniform(-spread, spread, (400, m))])
    targets = context.put(places)
    directions = np.concatenate([np.eye(m), rng.standard_normal((6 * (m - 1), m))])
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    equal, equal_to, most, at_least = [np.append(np.ones(len(places)), 0.0)], [1.0], [], []
    for sample in samples:
        # seen from a unit charge at the sample: E(b) = ∇k there, since ∇k is odd, and the Hessian is even
        charge = cf.Charges(context.put(sample[None]), context.put(np.ones(1)))
        slopes = context.host(cf.field(targets, charge, KERNEL, method="direct"))
        for axis in range(m):
            equal.append(np.append(slopes[:, axis], 0.0))
            equal_to.append(kept @ slopes[:count, axis])
        for direction in directions:
            moved = context.put(np.tile(direction, (len(places), 1)))
            bends = -context.host(cf.field_jvp(targets, charge, KERNEL, d_targets=moved, method="direct")) @ direction
            most.append(np.append(bends, -1.0))
            at_least.append(kept @ bends[:count])
    bounds = [(0, None)] * len(places) + [(None, None)]
    goal = np.append(np.zeros(len(places)), 1.0)
    result = linprog(goal, np.array(most), at_least, np.array(equal), equal_to, bounds)
    return float(result.x[-1])


def _analytic(context: Context) -> list[Measurement]:
    """The Chebyshev series of a charge's potential converges as that of a function analytic for |Im a| < ε.

    With a density p_x, the force vanishes on a set of positive volume; a Φ that is analytic is then constant, so 0.
    """
    softening, count = 0.5, 64
    angles = (np.arange(count) + 0.5) * math.pi / count
    line = np.stack([np.cos(angles), np.zeros(count)], axis=1)
    charge = cf.Charges(context.put(np.zeros((1, 2))), context.put(np.ones(1)))
    values = context.host(cf.potential(context.put(line), charge, cf.Plummer(1.0, softening), method="direct"))
    degrees = np.arange(10, 40, 2)
    series = np.cos(np.outer(degrees, angles)) @ values * 2 / count
    # a branch point of power −1/2 at ±iε: the coefficients fall as n^(−1/2) ρ^(−n)
    slope = np.polyfit(degrees, np.log(np.abs(series) * np.sqrt(degrees)), 1)[0]
    rate = softening + math.hypot(1.0, softening)
    return [near("Φ is analytic in |Im a| < ε: rate of its Chebyshev series", math.exp(-slope), rate, 0.01)]


def plummer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Eq 5 for :data:`KERNEL` as plain NumPy: an oracle."""
    return (((a[:, None] - b) ** 2).sum(axis=2) + 1.0) ** -0.5


def plain_energy(real: np.ndarray, generated: np.ndarray) -> float:
    """Eq 33 as plain NumPy: an oracle."""
    within = plummer(real, real).mean() + plummer(generated, generated).mean()
    return float(0.5 * within - plummer(real, generated).mean())
