r"""Eq 21 (v1 Eq 31): the ball around an extremum against the rest of −∫ρ∇²k.

For d = m − 2 the ball's part tends to :math:`(m - 2)\,\omega_m \rho(a)` as ε → 0 and the rest vanishes. For d < m − 2
the ball's part stays at most :math:`d\,\omega_m \tau^{m - 2 - d} \max|\rho|`, and charges far away can outweigh it.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from coulombfield.calculus import observed_order
from validation.context import Context

from ..densities import sphere_area
from ..evidence import Curve, Finding, Plot, Subject, Verdict, above, at_most, near
from ..registry import Entry
from .densities import counter_example, extrema, sign_change
from .quadrature import field_divergence, shells, shells_of, unsoftened_divergence
from .sign import CONDITION, ORIGIN, ROUNDING, SMALL


def domination(context: Context) -> Finding:
    """Ball over rest as ε → 0: bounded for d < m − 2, of order ε^(−2) for d = m − 2."""
    density = counter_example()
    tau = sign_change(density)
    softenings = np.geomspace(1e-5, 1.0, context.pick(31, 11))

    def parts(d: float, eps: float, radius: float) -> tuple[float, float]:
        inside, outside = shells_of(density, ORIGIN, eps, stop=radius), shells_of(density, ORIGIN, eps, start=radius)
        return abs(field_divergence(context, inside, d, eps)), abs(field_divergence(context, outside, d, eps))

    def ratios(d: float, radius: float) -> np.ndarray:
        return np.array([ball / rest for ball, rest in (parts(d, eps, radius) for eps in softenings)])

    low, plummer = ratios(1.0, tau), ratios(3.0, tau)
    smaller = [ratios(1.0, fraction * tau) for fraction in context.pick((0.1, 0.5, 0.9), (0.5,))]
    largest = np.max([low, *smaller])
    limit = unsoftened_divergence(density, 1.0, tau)
    limit /= abs(unsoftened_divergence(density, 1.0) - limit)
    worst = []
    cases = list(itertools.product(((3, 0.5), (3, 1.0), (5, 1.0), (5, 3.0), (12, 3.0)), (0.01, 1.0), (0.1, 2.0)))
    for (m, d), eps, radius in cases:
        uniform = shells(np.ones_like, m, min(eps, radius) * math.exp(-40 / m), radius)
        exact = d * sphere_area(m) * radius**m * (radius**2 + eps**2) ** (-1 - d / 2)
        worst.append(abs(field_divergence(context, uniform, d, eps) / exact - 1))
    measurements = [
        above(f"ball / rest at the counter-example, largest over ε from 1e-5 to 1 and τ up to {tau:.4f}", largest, 1.0),
        # the next term is of order (ε/narrow)² = 1e-8
        near("ball / rest as ε → 0, closed form with incomplete gammas", low[0], limit, 1e-6, Subject.COUNTEREXAMPLE),
        at_most(
            f"∫∇²k over a ball against −d ω_m τ^m (τ² + ε²)^(−1−d/2), {len(cases)} cases",
            np.max(worst),
            ROUNDING,
            Subject.COUNTEREXAMPLE,
        ),
    ]
    for m in context.pick((3, 4, 5, 8), (3, 5)):
        for extremum in extrema(m)[:3]:
            radius, found = sign_change(extremum.density), []
            lengths = [s * float(extremum.density.deviations.min()) for s in SMALL]
            for eps in lengths:
                inside = shells_of(extremum.density, extremum.point, eps, stop=radius)
                outside = shells_of(extremum.density, extremum.point, eps, start=radius)
                found.append([field_divergence(context, part, m - 2.0, eps) for part in (inside, outside)])
            what = f"m = {m}, d = m − 2, {extremum.what}"
            shares = [abs(rest / ball) for ball, rest in found]
            order = observed_order(lengths, shares)
            measurements += [
                above(f"{what}: ball / rest at ε = {lengths[-1]:g}", 1 / shares[-1], 1.0, Subject.CONDITION),
                near(f"{what}: order with which rest / ball vanishes", order, 2, 0.01, Subject.CONDITION),
            ]
    ends = softenings[[0, -1]].tolist()
    plot = Plot(
        name="theorem1-domination",
        title="Ball against rest at the counter-example's maximum, m = 5",
        caption="The ball's part of −∫ρ∇²k comes to dominate as ε → 0 for d = m − 2 = 3, and doesn't for d = 1.",
        x_label="softening ε [length]",
        y_label="|ball| / |rest|",
        curves=(
            Curve("d = 1", softenings.tolist(), low.tolist(), "o-"),
            Curve("d = 1, limit ε → 0", ends, [limit, limit], "--"),
            Curve("d = 3 = m − 2", softenings.tolist(), plummer.tolist(), "o-"),
            Curve("equal", ends, [1.0, 1.0], ":"),
        ),
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


ENTRIES = (
    Entry(
        name="ball-dominates",
        iclr=(21,),
        arxiv=(31,),
        title="The ball outweighs the rest for small ε",
        statement=(
            r"\left|\int_{S_\tau(\mathbf{a})} \rho(\mathbf{b}) \nabla_\mathbf{a}^2 k(\mathbf{a}, \mathbf{b})\,"
            r" d\mathbf{b}\right| > \left|\int_{T \setminus S_\tau(\mathbf{a})} \rho(\mathbf{b})"
            r" \nabla_\mathbf{a}^2 k(\mathbf{a}, \mathbf{b})\, d\mathbf{b}\right|"
        ),
        plain="|∫_S ρ ∇²k| > |∫_(T∖S) ρ ∇²k| for small enough ε",
        check=domination,
        expected=Verdict.HOLDS_IF,
        truth=f"{CONDITION}; for d < m − 2, |∫_S ∇²k| < d ω_m τ^(m−2−d) for every ε",
        how="radial quadrature of both parts through the package; closed forms of the ball's integral and of the limit",
        code=("coulombfield.laplacian",),
    ),
)
