"""Two claims without a number: where the sign of ∇·E matters (§2.3.1), and where point charges have extrema (A.4)."""

from __future__ import annotations

import math

import mpmath
import numpy as np
from scipy.optimize import brentq, root

import coulombfield as cf
from validation.context import Context

from ..evidence import Curve, Finding, Plot, Subject, Verdict, above, at_most, below, near
from ..registry import Entry
from .densities import Extremum, counter_example_for, extrema, radial
from .quadrature import density_gradient, divergence_of
from .sign import DIFFERENCES, decline

ROUNDING = 1e-12  # of a few dozen terms, relative to the sum of their sizes


def sign_condition(context: Context) -> Finding:
    """A density whose |ρ| falls at its maximum, while the sign is wrong where ρ̇ = 0; and the sign where ∇ρ = 0."""
    m, d, eps = 5, 1.0, 0.3
    density = radial(m, (1.0, -1.0), (1.0, 2.0))

    def change(r: float) -> float:
        point = np.eye(m)[0] * r
        value = float(density.density(point[None])[0])
        along = float(density_gradient(density, point) @ density.field(point[None], d, eps)[0])
        return -math.copysign(1.0, value) * (along + value * float(density.field_divergence(point[None], d, eps)[0]))

    still = np.eye(m)[0] * brentq(change, 3.3, 4.2, xtol=1e-14)
    value = float(density.density(still[None])[0])
    there = divergence_of(context, density, still, d, eps)
    oracle = float(density.field_divergence(still[None], d, eps)[0])
    top = float(density.density(np.zeros((1, m)))[0])
    measurements = [
        above(
            "sign(ρ) ∇·E at a point with ρ̇ = 0, of a density whose maximal |ρ| falls",
            math.copysign(there, there * value),
            0.0,
        ),
        near("that ∇·E against the oracle's", there / oracle, 1.0, ROUNDING, Subject.CORRECTED),
        below(
            "ρ̇ / ρ at its maximum",
            -divergence_of(context, density, np.zeros(m), d, eps),
            -0.1,
            Subject.CORRECTED,
            f"ρ = {top:.4g}",
        ),
    ]
    worst, rises = [], []
    for m in context.pick((3, 4, 5), (3,)):
        spike = Extremum("maximum of a counter-example", counter_example_for(m, 0.5), np.zeros(m))
        for extremum in (*extrema(m), spike):
            for d, eps in ((0.5, 0.1), (1.0, 1.0), (m - 2.0, 0.02)):
                height = float(extremum.density.density(extremum.point[None])[0])
                rate, differences = decline(context, extremum, d, eps)
                worst.append(differences.best)
                rises.append(rate * height > 0)  # differences this close to |ρ| ∇·E have its sign
    what = "where ∇ρ = 0: ρ̇ by differences of −∇·(|ρ|E) against −|ρ| ∇·E, worst"
    measurements += [
        at_most(what, np.max(worst), DIFFERENCES, Subject.CORRECTED, f"{len(worst)} cases"),
        above("share of them in which |ρ| grew", float(np.mean(rises)), 0.0, Subject.CORRECTED),
        below("the same", float(np.mean(rises)), 1.0, Subject.CORRECTED),
    ]
    return Finding(measurements)


def extrema_at_samples(context: Context) -> Finding:
    """Extrema between charges for ε > 0 or d < m − 2, and none for the harmonic kernel."""
    middle, sample, exact_middle, exact_sample = _two_charges(context)
    centre, centre_error, boundary = _charges_around(context)
    separations = _degenerate_separations(context)
    traces, balances, count = _harmonic(context)
    measurements = [
        at_most("two equal charges 1 apart, ε = 1, d = 3: Φ midway over Φ at the charges", middle / sample, 1.0),
        above("amid 2m charges, ε = 0, d = 1, m = 5: largest curvature of Φ", centre[0], 0.0),
        above("amid 2m charges, ε = 0.1, d = 3 = m − 2: largest curvature of Φ", centre[1], 0.0),
        at_most(
            "both potentials against 50 digits, relative",
            np.max(np.abs([middle / exact_middle - 1, sample / exact_sample - 1])),
            8 * float(np.finfo(float).eps),  # a power and a sum of two terms
            Subject.COUNTEREXAMPLE,
        ),
        at_most(
            "curvatures against 2∇²k, and the field, amid 2m charges", centre_error, ROUNDING, Subject.COUNTEREXAMPLE
        ),
        at_most(
            "separation at which Φ midway turns into a maximum, over 2ε/√(d + 1), less 1",
            separations,
            1e-10,
            Subject.COUNTEREXAMPLE,
        ),
        at_most(
            "exponent at which the centre of 2m charges turns into a minimum, less m − 2 + m ε²",
            boundary,
            1e-10,
            Subject.COUNTEREXAMPLE,
        ),
        at_most(
            f"ε = 0, d = m − 2: |∇²Φ| over its terms at {count} points without a field",
            traces,
            ROUNDING,
            Subject.CONDITION,
        ),
        # 1/(m − 1) at least, without a trace; m is up to 5
        above(
            "smaller over larger of the extreme curvatures there, of opposite sign", balances, 0.24, Subject.CONDITION
        ),
        above("points without a field", count, 3, Subject.CONDITION),
    ]
    return Finding(measurements, [_plot(context)])


def _two_charges(context: Context) -> tuple[float, float, float, float]:
    """Φ midway and at two equal charges 1 apart, for ε = 1 and d = 3, and the same to 50 digits."""
    positions = np.zeros((2, 3))
    positions[:, 0] = -0.5, 0.5
    charges = cf.Charges(context.put(positions), context.put(np.ones(2)))
    targets = context.put(np.stack([np.zeros(3), positions[1]]))
    middle, sample = context.host(cf.potential(targets, charges, cf.Plummer(3.0, 1.0), method="direct"))
    with mpmath.workdps(50):
        power = mpmath.mpf(3) / 2
        exact = 2 / (1 + mpmath.mpf(1) / 4) ** power, 1 + 1 / mpmath.mpf(2) ** power
    return float(middle), float(sample), float(exact[0]), float(exact[1])


def _kernel(d: float, softening: float) -> cf.RadialKernel:
    return cf.Plummer(d, softening) if softening else cf.Coulomb(d)


def _hessian(context: Context, point: np.ndarray, charges: cf.Charges, kernel: cf.RadialKernel) -> np.ndarray:
    """Second derivatives of Φ at a point, as the field's derivatives along each axis."""
    m = len(point)
    tiled = context.put(np.tile(point, (m, 1)))
    moved = cf.field_jvp(tiled, charges, kernel, d_targets=context.put(np.eye(m)), method="direct")
    return -context.host(moved)


def _charges_around(context: Context) -> tuple[list[float], float, float]:
    """Unit charges at ±each axis: the curvature of Φ at 0 is 2 ∇²k(1) in every direction, and there is no field.

    Returns the largest curvatures of two cases that are maxima, the worst relative error of all curvatures and fields,
    and the worst error of the exponent at which the curvature vanishes.
    """
    centre, errors, boundaries = [], [], []
    for m, d, eps in ((5, 1.0, 0.0), (5, 3.0, 0.1), (3, 1.0, 0.5), (4, 0.5, 0.0)):
        around = np.concatenate([np.eye(m), -np.eye(m)])
        charges, origin = cf.Charges(context.put(around), context.put(np.ones(2 * m))), np.zeros(m)
        laplacian = d * (-(eps**2) * m + (2 + d - m)) * (1 + eps**2) ** (-2 - d / 2)
        size = 2 * d * (m * eps**2 + m + d) * (1 + eps**2) ** (-2 - d / 2)
        hessian = _hessian(context, origin, charges, _kernel(d, eps))
        fields = context.host(cf.field(context.put(origin[None]), charges, _kernel(d, eps), method="direct"))
        errors += [np.abs(hessian - 2 * laplacian * np.eye(m)).max() / size, np.abs(fields).max() / size]
        centre.append(float(np.linalg.eigvalsh(hessian)[-1]))

        def curvature(d: float, eps=eps, charges=charges, origin=origin) -> float:
            return float(_hessian(context, origin, charges, _kernel(d, eps))[0, 0])

        expected = m - 2 + m * eps**2
        boundaries.append(abs(brentq(curvature, 0.6 * expected, 1.5 * expected, xtol=1e-14) - expected))
    return centre[:2], float(np.max(errors)), float(np.max(boundaries))


def _degenerate_separations(context: Context) -> float:
    """Worst relative error of the separation at which Φ midway between equal charges has no curvature along them."""
    errors = []
    for d, eps in ((0.5, 1.0), (1.0, 0.2), (3.0, 1.0)):

        def curvature(separation: float, d=d, eps=eps) -> float:
            positions = np.array([[-separation / 2, 0.0, 0.0], [separation / 2, 0.0, 0.0]])
            charges = cf.Charges(context.put(positions), context.put(np.ones(2)))
            return float(_hessian(context, np.zeros(3), charges, cf.Plummer(d, eps))[0, 0])

        expected = 2 * eps / math.sqrt(d + 1)
        errors.append(abs(brentq(curvature, 0.5 * expected, 2 * expected, xtol=1e-15) / expected - 1))
    return float(np.max(errors))


def _harmonic(context: Context) -> tuple[float, float, int]:
    """Points without a field of random charges of either sign, ε = 0, d = m − 2: traces and balances of their Hessians.

    By the maximum principle a harmonic Φ has no extremum at all; its critical points are saddles.
    """
    rng = context.rng("theorem1-harmonic")
    traces, balances = [], []
    for m in context.pick((3, 3, 3, 4, 5), (3, 3, 3)):  # several draws of charges
        kernel = cf.Coulomb(m - 2.0)
        positions, weights = rng.standard_normal((8, m)), np.where(np.arange(8) < 5, 1.0, -1.0)
        charges = cf.Charges(context.put(positions), context.put(weights))

        def pull(point: np.ndarray, positions=positions, weights=weights, m=m) -> np.ndarray:
            offsets = point - positions  # only finds places: what is said about them comes from the package
            return (weights * (offsets**2).sum(axis=1) ** (-m / 2)) @ offsets

        for start in rng.standard_normal((context.pick(60, 40), m)):
            found = root(pull, start, tol=1e-13)
            squares = ((positions - found.x) ** 2).sum(axis=1)
            if not found.success or squares.min() < 0.05**2 or squares.max() > 100:
                continue  # it ran away or into a charge
            hessian = _hessian(context, found.x, charges, kernel)
            size = 2 * (m - 2) * m * (squares ** (-m / 2)).sum()
            values = np.linalg.eigvalsh(hessian)
            traces.append(abs(np.trace(hessian)) / size)
            balances.append(-values[0] * values[-1] / np.max(values**2))
    return float(np.max(traces)), float(np.min(balances)), len(traces)


def _plot(context: Context) -> Plot:
    x = np.linspace(-1.5, 1.5, 121)
    targets = np.zeros((len(x), 3))
    targets[:, 0] = x
    curves = []
    for separation in (0.5, 1.0, 2.0):
        positions = np.zeros((2, 3))
        positions[:, 0] = -separation / 2, separation / 2
        charges = cf.Charges(context.put(positions), context.put(np.ones(2)))
        values = context.host(cf.potential(context.put(targets), charges, cf.Plummer(3.0, 1.0), method="direct"))
        curves.append(Curve(f"{separation:g} apart", x.tolist(), values.tolist()))
    return Plot(
        name="theorem1-two-charges",
        title="Φ along the line through two equal charges, d = 3, ε = 1",
        caption="Up to a separation of 2ε/√(d + 1) = 1 the only maximum is midway, where there is no sample.",
        x_label="place on the line [length]",
        y_label="Φ [charge · length^−3]",
        curves=curves,
    )


ENTRIES = (
    Entry(
        name="sign-condition",
        place="§2.3.1, last sentence",
        title="Where the sign of ∇·E decides",
        statement=(
            r"\mathrm{necessary\ and\ sufficient:}\quad \mathrm{sign}(\nabla\cdot\mathbf{E}(\mathbf{a}))"
            r" = \mathrm{sign}(\rho(\mathbf{a}))\ \ \mathrm{where}\ \ \dot\rho(\mathbf{a}) = 0"
        ),
        plain="for |ρ|_max to decrease: sign(∇·E(a)) = sign(ρ(a)) where ρ̇(a) = 0",
        check=sign_condition,
        expected=Verdict.MISPRINT,
        truth="where ∇ρ(a) = 0: there it decides whether |ρ(a)| falls; where ρ̇(a) = 0 it isn't necessary",
        how="a density with the wrong sign where ρ̇ = 0 whose maximal |ρ| falls; ρ̇ by differences where ∇ρ = 0",
        code=("coulombfield.laplacian",),
    ),
    Entry(
        name="extrema-at-samples",
        place="A.4, after Eq 35",
        title="Point charges have extrema only at samples",
        statement=r"\mathrm{point\ charges\ have\ local\ minima\ or\ maxima\ of}\ \hat\Phi\ \mathrm{only\ at\ samples}",
        plain="point charges can only have local energy minima or maxima at locations of samples",
        check=extrema_at_samples,
        expected=Verdict.HOLDS_IF,
        truth="ε = 0 and d = m − 2; two equal charges at most 2ε/√(d + 1) apart have their maximum midway",
        how="two charges to 50 digits; curvatures amid 2m charges in closed form; saddles of harmonic potentials",
        code=("coulombfield.potential", "coulombfield.field_jvp"),
    ),
)
