r"""Eq 17 and 18 (v1 Eq 27 and 28): how ∇²k changes with the distance and with the softening.

With :math:`\partial_r \nabla^2 k \propto r\,((m + 2)\varepsilon^2 + (m - 2 - d) r^2)` and
:math:`\partial_\varepsilon \nabla^2 k \propto m\varepsilon^2 + (m - 4 - d) r^2` the first is positive for every r > 0
where d ≤ m − 2. The second, for d > m − 4, only for :math:`r < \varepsilon\sqrt{m/(d + 4 - m)}`.
"""

from __future__ import annotations

import math

import numpy as np

from validation.context import Context

from ..convergence import Convergence, central_differences
from ..evidence import Curve, Finding, Plot, Subject, above, at_most, below, near
from . import oracle
from .cases import (
    DISTANCES,
    RATIOS,
    ROOT,
    SPACING,
    Case,
    farthest,
    laplacian,
    printed_by_distance,
    printed_by_softening,
    smallest_rise,
    softening_rate,
    theorem_cases,
    with_ratios,
    worst_root,
)

NEAR = np.array([0.2, 0.5, 0.9, 1.3, 2.0, 3.0])
"""Distances in units of ε to compare derivatives at: of one size, so that the largest error speaks for all."""


def increasing_with_distance(context: Context) -> Finding:
    """Eq 17: the formula by 50 digits and by differences of the package's values; the sign for r > 0, and at r = 0."""
    cases = theorem_cases(context)
    some = with_ratios(cases[:: context.pick(1, 3)])
    formula = oracle.worst_difference(oracle.by_distance, printed_by_distance, some, order=1)
    at_zero = max(abs(float(oracle.by_distance(*case, 0.0))) * case.softening ** (case.d + 3) for case in cases)
    rise = np.min([smallest_rise(laplacian(context, case, DISTANCES * case.softening)) for case in cases])
    shown = {case: _distance_differences(context, case) for case in _shown(context)}
    condition = Subject.CONDITION
    measurements = [
        above("∂∇²k/∂r at r = 0 by 50 digits", at_zero, 0),
        at_most(f"formula against 50 digits, {len(some)} cases", formula, oracle.AGREES, condition),
        above(f"smallest relative rise of cf.laplacian with r > 0, {len(cases)} kernels", rise, 0, condition),
        # terms of the next order are some (d + 4) 1e-6
        near(
            "rise of cf.laplacian near r = 0 over ½ d (d + 2)(m + 2) r² ε^(−d−4)",
            _onset(context, cases),
            1,
            1e-4,
            condition,
        ),
    ]
    for case, convergence in shown.items():
        name = f"m = {case.m}, d = {case.d:g}: formula beside differences of cf.laplacian"
        measurements += convergence.measurements(name, 1e-8, condition)
    curves = [convergence.curve(f"in r, m = {c.m}, d = {c.d:g}") for c, convergence in shown.items()]
    curves += [_softening_differences(context, c).curve(f"in ε, m = {c.m}, d = {c.d:g}") for c in shown]
    plot = Plot(
        "laplacian-first-differences",
        "Differences of the Laplacian beside Eq 17 and 18",
        "Errors of central differences of the package's Laplacian, in r and in ε, fall as h² until rounding/h rules.",
        "step h [softenings]",
        "relative error",
        curves[:6],
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


def increasing_with_softening(context: Context) -> Finding:
    """Eq 18: the formula as for Eq 17; the sign where d ≤ m − 4, and where it changes above."""
    cases, safe = theorem_cases(context), theorem_cases(context, most=4)
    limited = theorem_cases(context, least=4)
    some = with_ratios(cases[:: context.pick(1, 3)])
    formula = oracle.worst_difference(oracle.by_softening, printed_by_softening, some, order=1)
    smallest = {case: float(np.min(_relative_rate(context, case, DISTANCES))) for case in cases}
    inside = min(float(np.min(_relative_rate(context, c, np.linspace(0, 0.999, 50) * _end(c)))) for c in limited)
    outside = max(float(np.max(_relative_rate(context, c, np.geomspace(1.001, 1e4, 50) * _end(c)))) for c in limited)
    roots = [(case, case.softening * _end(case)) for case in limited]
    condition = Subject.CONDITION
    measurements = [
        above("smallest ∂∇²k/∂ε, d ≤ m − 2, over its size", np.min(list(smallest.values())), 0),
        at_most(f"formula against 50 digits, {len(some)} cases", formula, oracle.AGREES, condition),
        above("d ≤ m − 4: smallest ∂∇²k/∂ε, over its size", np.min([smallest[case] for case in safe]), 0, condition),
        above("d > m − 4: smallest for r < ε √(m/(d + 4 − m))", inside, 0, condition),
        below("d > m − 4: largest for r > ε √(m/(d + 4 − m))", outside, 0, condition),
        at_most(
            f"d > m − 4: place of the change of sign, {len(roots)} kernels, relative error",
            worst_root(context, softening_rate, roots),
            ROOT,
            condition,
        ),
        at_most(
            "Laplacian of cf.Plummer.softening_derivative against 50 digits, in roundings",
            _rate_roundings(context, cases[:: context.pick(1, 3)]),
            1,
            condition,
        ),
    ]
    for case in _shown(context):
        name = f"m = {case.m}, d = {case.d:g}: formula beside differences of cf.laplacian"
        measurements += _softening_differences(context, case).measurements(name, 1e-8, condition)
    return Finding(measurements, [_softening_plot(context)])


def _relative_rate(context: Context, case: Case, ratios: np.ndarray) -> np.ndarray:
    """∂∇²k/∂ε in units of m d (d + 2) ε (ε² + r²)^(−2−d/2), at distances in units of ε."""
    r = ratios * case.softening
    m, d, softening = case
    return softening_rate(context, case, r) / (m * d * (d + 2) * softening * (softening**2 + r**2) ** (-2 - d / 2))


def _end(case: Case) -> float:
    """Where ∂∇²k/∂ε changes sign, in units of ε."""
    return math.sqrt(case.m / (case.d + 4 - case.m))


def _onset(context: Context, cases: list[Case]) -> float:
    """Ratio of ∇²k near r = 0 to its growth by the formula, of all the one that is farthest from 1."""
    ratios = []
    for m, d, softening in cases:
        r = 1e-3 * softening
        low, high = laplacian(context, Case(m, d, softening), [0.0, r])
        ratios.append((high - low) / (0.5 * r**2) / (d * (d + 2) * (m + 2) * softening ** (-d - 4)))
    return farthest(ratios, 1)


def _rate_roundings(context: Context, cases: list[Case]) -> float:
    """Largest error of ∂∇²k/∂ε, in what its roundings may add up to: as for ∇²k, with more exponent and factors."""
    worst = 0.0
    for case in cases:
        distances = np.array(RATIOS) * case.softening
        values = softening_rate(context, case, distances)
        for r, value in zip(distances, values, strict=True):
            exact = oracle.by_softening(*case, r)
            size = case.d * case.softening * oracle.unit(case.m, case.d + 2, case.softening, r)
            worst = np.maximum(worst, float(abs(value - exact)) / ((case.d + 20) * SPACING * size))
    return worst


def _shown(context: Context) -> list[Case]:
    cases = [Case(3, 1.0, 0.5), Case(12, 2.5, 0.5), Case(5, 2.0, 0.5)]
    return context.pick(cases, cases[:2])


def _distance_differences(context: Context, case: Case) -> Convergence:
    r = NEAR * case.softening
    return central_differences(
        lambda shift: laplacian(context, case, r + shift[0]),
        printed_by_distance(*case, r),
        np.zeros(1),
        np.ones(1),
        length=0.5 * case.softening,  # an exponent makes the kernel vary over less than ε
    )


def _softening_differences(context: Context, case: Case) -> Convergence:
    r = NEAR * case.softening
    return central_differences(
        lambda softening: laplacian(context, case._replace(softening=float(softening[0])), r),
        printed_by_softening(*case, r),
        np.full(1, case.softening),
        np.ones(1),
        length=0.5 * case.softening,
    )


def _softening_plot(context: Context) -> Plot:
    ratios = np.geomspace(0.1, 30, 120)
    m = 7
    cases = {less: Case(m, float(m - less), 1.0) for less in (4, 3, 2)}
    curves = [
        Curve(f"d = m − {less} = {case.d:g}", list(ratios), list(_relative_rate(context, case, ratios)))
        for less, case in cases.items()
    ]
    ends = [_end(cases[less]) for less in (3, 2)]
    curves.append(Curve("ε √(m/(d + 4 − m))", ends, [0.0, 0.0], "o"))
    return Plot(
        "laplacian-softening",
        f"Change of ∇²k with ε in m = {m} dimensions",
        "Positive at every distance for d ≤ m − 4; for d = m − 3 and m − 2 it turns negative at the dots.",
        "distance r [ε]",
        "∂∇²k/∂ε over its size [1]",
        curves,
        log_x=True,
    )
