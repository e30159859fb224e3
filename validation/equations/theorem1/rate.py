"""Eq 24 (v1 Eq 34): the lower bound λ of |∇·E| / |ρ| at extrema, and its dependence on d."""

from __future__ import annotations

import numpy as np

from coulombfield.calculus import observed_order
from validation.context import Context

from ..densities import sphere_area
from ..evidence import Curve, Finding, Plot, Subject, Verdict, above, at_most, below, near
from ..registry import Entry
from .densities import NARROW, WIDE, extrema, largest_elsewhere, radial, spiked, weight_without_divergence
from .quadrature import divergence_of, field_divergence, shells_of, unsoftened_divergence
from .sign import ELSEWHERE, ROUNDING, SMALL

SIZES = (0.1, 1.0, 10.0)
"""Lengths L of the density by which the dependence on d is shown."""


def lower_bound(context: Context) -> Finding:
    """Densities with ∇·E = 0 at their maximum for d = 1, m = 5; the ratio's limit (m − 2) ω_m for d = m − 2."""
    m, d, origin = 5, 1.0, np.zeros(5)
    components = [radial(m, (1.0,), (deviation,)) for deviation in (NARROW, WIDE, 1.0)]
    balanced = spiked(m, weight_without_divergence(*[unsoftened_divergence(one, d) for one in components]))
    height = float(balanced.density(origin[None])[0])
    lengths = [s * NARROW for s in SMALL]
    ratios = [divergence_of(context, balanced, origin, d, eps) / height for eps in lengths]
    measurements = [
        near(
            "order in ε with which |∇·E| / |ρ| vanishes at a maximum",
            observed_order(lengths, np.abs(ratios).tolist()),
            0,
            0.1,
        ),
        # k = r^(−d) − (d/2) ε² r^(−d − 2) + …, and r^(2 − m) has the Laplacian −(m − 2) ω_m δ; next: (ε/narrow)² = 1e-6
        near(
            "that maximum, m = 5, d = m − 4: −∇·E / (ρ ε²) over (d/2)(m − 2) ω_m",
            -ratios[-1] / lengths[-1] ** 2 / (0.5 * d * (m - 2) * sphere_area(m)),
            1.0,
            1e-4,
            Subject.COUNTEREXAMPLE,
        ),
        below(f"that maximum: {ELSEWHERE}", largest_elsewhere(balanced), 1.0, Subject.COUNTEREXAMPLE),
    ]
    vanishing, peaks = [], []
    for eps in (0.1, 0.01, 1e-3, 1e-4):
        alone = [float(one.field_divergence(origin[None], d, eps)[0]) for one in components]
        density = spiked(m, weight_without_divergence(*alone))
        around = shells_of(density, origin, eps)
        size = field_divergence(context, around.sizes, d, eps)
        vanishing.append(abs(field_divergence(context, around, d, eps)) / size)
        peaks.append(largest_elsewhere(density))
    measurements += [
        at_most(
            "|∇·E| / ∫|ρ∇²k| at the maximum of densities made for ε = 0.1, 0.01, 0.001, 0.0001",
            np.max(vanishing),
            ROUNDING,
            Subject.COUNTEREXAMPLE,
        ),
        below(f"these maxima: {ELSEWHERE}", np.max(peaks), 1.0, Subject.COUNTEREXAMPLE),
    ]
    for m in context.pick((3, 4, 5, 8, 12), (3, 5)):
        found = {}
        for what, density, point in extrema(m):
            value = float(density.density(point[None])[0])
            eps = SMALL[-1] * float(density.deviations.min())
            found[what] = divergence_of(context, density, point, m - 2.0, eps) / (value * (m - 2) * sphere_area(m))
        peaks = [ratio for what, ratio in found.items() if what != "positive minimum"]  # |ρ| rises around that one
        what = f"m = {m}, d = m − 2: ∇·E / ((m − 2) ω_m ρ), ε = 1/1000 of the width"
        measurements += [
            above(f"{what}, smallest at {len(found)} extrema", np.min(list(found.values())), 0.999, Subject.CONDITION),
            below(f"{what}, largest at maxima of |ρ|", np.max(peaks), 1.0, Subject.CONDITION),
        ]
    return Finding(measurements)


def dependence_on_exponent(context: Context) -> Finding:
    """|∇·E| / |ρ| at the maximum of N(0, L² I) − N(0, 4 L² I) as ε → 0, against d, in m = 8 dimensions."""
    m = 8
    exponents = np.arange(1.0, m - 1)
    found, exact = np.empty((len(SIZES), len(exponents))), np.empty((len(SIZES), len(exponents)))
    for row, length in enumerate(SIZES):
        density = radial(m, (1.0, -1.0), (length, 2 * length))
        height = float(density.density(np.zeros((1, m)))[0])
        for column, d in enumerate(exponents):
            # the next terms are ε^2 times a logarithm at most, and ε for d = m − 3
            found[row, column] = divergence_of(context, density, np.zeros(m), d, 1e-7 * length) / height
            exact[row, column] = unsoftened_divergence(density, d) / height
    per_exponent = found[1] / exponents
    orders = np.array([observed_order(SIZES, column.tolist()) for column in found.T])
    measurements = [
        at_most(
            "L = 1: largest over smallest |∇·E| / (d |ρ|) for d = 1 … 6", per_exponent.max() / per_exponent.min(), 1.1
        ),
        above("L = 10: |∇·E| / |ρ| for d = 6 over that for d = 1", found[2, -1] / found[2, 0], 1.0),
        at_most(
            "largest relative difference from closed forms", abs(found / exact - 1).max(), 1e-5, Subject.COUNTEREXAMPLE
        ),
        near(
            "|∇·E| / |ρ| scales as L^p: largest |p − (m − 2 − d)|",
            np.abs(orders - (m - 2 - exponents)).max(),
            0.0,
            1e-9,
            Subject.COUNTEREXAMPLE,
        ),
    ]
    curves = [
        Curve(f"L = {length:g}", exponents.tolist(), row.tolist(), "o-")
        for length, row in zip(SIZES, found, strict=True)
    ]
    curves.append(Curve("proportional to d", exponents.tolist(), (per_exponent[0] * exponents).tolist(), "--"))
    plot = Plot(
        name="theorem1-lambda",
        title="The bound λ against d, m = 8, ε → 0",
        caption=(
            "|∇·E| / |ρ| at the maximum of N(0, L² I) − N(0, 4 L² I). It has the unit length^(m − 2 − d): whether "
            "a larger d makes it larger depends on the unit of length."
        ),
        x_label="exponent d",
        y_label="|∇·E| / |ρ| [length^(m − 2 − d)]",
        curves=curves,
        log_y=True,
    )
    return Finding(measurements, [plot])


ENTRIES = (
    Entry(
        name="divergence-bound",
        iclr=(24,),
        arxiv=(34,),
        title="The divergence is at least λ|ρ| at extrema",
        statement=r"|\nabla\cdot\mathbf{E}(\mathbf{a})| > \lambda\, |\rho(\mathbf{a})|, \qquad \lambda > 0",
        plain="|∇·E(a)| > λ |ρ(a)|, λ > 0 the same for all extrema and times, for small enough ε",
        check=lower_bound,
        expected=Verdict.HOLDS_IF,
        truth="d = m − 2, λ < (m − 2) ω_m, ε small enough for this ρ and a; else ∇·E = 0 at a maximum is possible",
        how="radial quadrature through the package against closed limits; densities with ∇·E = 0 at their maximum",
        code=("coulombfield.laplacian",),
    ),
    Entry(
        name="bound-grows-with-exponent",
        place="A.2, after Eq 24",
        title="λ is proportional to d",
        statement=(
            r"\lambda\ \mathrm{is\ proportional\ to}\ d;\ \mathrm{larger}\ d\ \mathrm{lead\ to\ larger}\ "
            r"|\nabla\cdot\mathbf{E}(\mathbf{a})|"
        ),
        plain="λ is proportional to d; larger d lead to larger |∇·E(a)|",
        check=dependence_on_exponent,
        expected=Verdict.FAILS,
        truth="λ has the unit length^(m−2−d): in m = 8, N(0, 100 I) − N(0, 400 I) has it fall from d = 1 to d = 6",
        how="the ratio at one maximum for d = 1 … m − 2 and three sizes of the density, against closed forms",
        code=("coulombfield.laplacian",),
    ),
)
