r"""A.2: for d = m − 2 the Laplacian of the kernel is said to be a delta distribution.

By the divergence theorem its integral over the ball of radius τ is
:math:`\omega_m \tau^{m-1} k'(\tau) = -(m - 2)\,\omega_m (1 + \varepsilon^2/\tau^2)^{-m/2}` with the sphere's area
:math:`\omega_m = 2\pi^{m/2}/\Gamma(m/2)`: over the whole space −(m − 2) ω_m for every ε, of which a share that falls as
(m/2)(ε/τ)² lies outside. So only the limit ε → 0 is a delta, and its factor isn't 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import fixed_quad

from coulombfield.calculus import observed_order
from validation.context import Context

from ..densities import sphere_area
from ..evidence import Curve, Finding, Measurement, Plot, Subject, at_most, near
from .cases import Case, farthest, laplacian

SOFTENINGS = (0.2, 0.1, 0.05, 0.025)
NODES = 128
ROUNDING = 1e-11  # of 128 nodes: some (d + 10) eps each, where the two terms cancel over what is left of them, 1e-3

Weight = Callable[[np.ndarray], np.ndarray]


def delta(context: Context) -> Finding:
    """Integrals of the package's ∇²k for d = m − 2 over balls, over the whole space and with a smooth weight."""
    dimensions = context.pick((3, 4, 5, 8, 12, 20), (3, 5, 8))
    softenings = context.pick((1e-3, 0.1, 1.0, 30.0), (0.1, 1.0))
    totals = {(m, e): _integral(context, m, e) for m in dimensions for e in softenings}
    outside = {m: [1 - _integral(context, m, e, reach=1.0) / _limit(m) for e in SOFTENINGS] for m in dimensions}
    shares = {m: [-math.expm1(-0.5 * m * math.log1p(e**2)) for e in SOFTENINGS] for m in dimensions}
    ball = float(np.max([np.abs(np.array(outside[m]) - shares[m]) for m in dimensions]))
    orders = [observed_order(SOFTENINGS[-2:], [abs(share) for share in outside[m][-2:]]) for m in dimensions]
    smallest = 1e-3
    weak = np.max(
        [abs(_integral(context, m, smallest, weight=lambda r: np.exp(-(r**2))) / _limit(m) - 1) for m in dimensions]
    )
    corrected = Subject.CORRECTED
    measurements: list[Measurement] = [
        at_most(
            "∫∇²k against 1, the integral of δ, least over dimensions and ε",
            np.min([abs(total - 1) for total in totals.values()]),
            ROUNDING,
        ),
        at_most(
            f"∫∇²k against −(m − 2) ω_m, {len(totals)} kernels, relative error",
            np.max([abs(total / _limit(m) - 1) for (m, _), total in totals.items()]),
            ROUNDING,
            corrected,
        ),
        at_most("share of it outside r = 1 against 1 − (1 + ε²)^(−m/2)", ball, ROUNDING, corrected),
        # (m/2) ε² − (m/2)(m/2 + 1) ε⁴/2: the second term lowers the order by some m/2 · 1.6e-3 at the smallest ε
        near(
            "order in ε with which that share vanishes",
            farthest(orders, 2),
            2,
            0.03,
            corrected,
        ),
        # the weight's mean over a density with tail r^(−m − 2): m/2 · ε² log(1/ε²), times the curvature of the weight
        at_most("∫ ∇²k exp(−r²) over its limit −(m − 2) ω_m, less 1, at ε = 0.001", weak, 1e-3, corrected),
    ]
    curves = [Curve(f"m = {m}", SOFTENINGS, outside[m], "o") for m in (3, 5, 8)]
    curves += [Curve(f"m = {m}: (m/2) ε²", SOFTENINGS, [0.5 * m * e**2 for e in SOFTENINGS], "--") for m in (3, 5, 8)]
    plot = Plot(
        "laplacian-delta",
        "How ∇²k for d = m − 2 becomes a delta distribution",
        "Share of its integral −(m − 2) ω_m that lies farther than 1 from the charge, by quadrature of the values.",
        "softening ε",
        "share outside r = 1",
        curves,
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


def _limit(m: int) -> float:
    """−(m − 2) ω_m."""
    return -(m - 2) * sphere_area(m)


def _integral(
    context: Context, m: int, softening: float, *, reach: float = math.inf, weight: Weight | None = None
) -> float:
    """∫ ∇²k over a ball of radius ``reach`` for d = m − 2, times a weight that depends on r.

    With r = ε tan θ the integrand is a polynomial of sin θ and cos θ, for which Gauss' rule is exact but for rounding.
    """
    case = Case(m, m - 2.0, softening)

    def integrand(angle: np.ndarray) -> np.ndarray:
        r = softening * np.tan(angle)
        values = laplacian(context, case, r) * r ** (m - 1) * softening / np.cos(angle) ** 2
        return values if weight is None else values * weight(r)

    radial, _ = fixed_quad(integrand, 0, math.atan(reach / softening), n=NODES)
    return _limit(m) / -(m - 2) * float(radial)
