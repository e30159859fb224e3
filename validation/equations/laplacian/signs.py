"""Eq 16 (v1 Eq 26), what A.2 says of ∇²k in sum, and the kernel of the 25 Gaussians: where ∇²k is negative."""

from __future__ import annotations

import math

import numpy as np

from validation.context import Context

from ..evidence import Finding, Subject, above, at_most, below
from . import oracle
from .cases import (
    DISTANCES,
    RATIOS,
    ROOT,
    SPACING,
    Case,
    all_cases,
    laplacian,
    relative_laplacian,
    smallest_rise,
    softening_rate,
    theorem_cases,
    with_ratios,
    worst_root,
)

FAR = (*RATIOS, 1e12)


def negative(context: Context) -> Finding:
    """Eq 16: signs from the package and from 50 digits for d ≤ m − 2, and where they change for d > m − 2."""
    cases = theorem_cases(context)
    largest = max(float(np.max(relative_laplacian(context, case, DISTANCES))) for case in cases)
    exact = max(float(oracle.laplacian(*n) / oracle.unit(*n)) for n in with_ratios(cases[:: context.pick(2, 5)], FAR))
    roots = [
        (case, case.softening * math.sqrt(case.m / (2 + case.d - case.m)))
        for case in all_cases(context)
        if case.d > case.m - 2
    ]
    return Finding(
        [
            below(f"largest ∇²k of cf.laplacian, {len(cases)} kernels with d ≤ m − 2, over its terms", largest, 0),
            below("the same by 50 digits, up to r = 1e12 ε", exact, 0),
            at_most(
                f"d > m − 2: cf.laplacian changes sign at ε √(m/(2 + d − m)), {len(roots)} kernels, relative error",
                worst_root(context, laplacian, roots),
                ROOT,
                Subject.CONDITION,
            ),
        ]
    )


def monotone(context: Context) -> Finding:
    """A.2's summary of Eq 15 to 18: the minimum, and both trends, where the paper claims them."""
    safe = theorem_cases(context, most=4)
    restricted = [case for case in theorem_cases(context, most=3, least=4) if case.d == case.m - 3]
    least, beyond, in_distance, in_softening, in_sphere = 0.0, math.inf, math.inf, math.inf, math.inf
    for case in safe + restricted:
        values = laplacian(context, case, DISTANCES * case.softening)
        bottom = -case.m * case.d * case.softening ** -(case.d + 2)
        least = np.maximum(least, abs(values[0] / bottom - 1))
        beyond = np.minimum(beyond, float(np.min(1 - values[1:] / bottom)))
        in_distance = np.minimum(in_distance, smallest_rise(values))
    for case in safe:
        # from ε = r/20 on: below, the rise, of order (ε/r)⁴ for d = m − 4, comes near rounding
        softenings = np.geomspace(0.05, 50, context.pick(61, 16)) * case.softening
        distances = DISTANCES[::8].clip(0, 1) * case.softening
        grid = [laplacian(context, case._replace(softening=e), distances) for e in softenings]
        in_softening = np.min([in_softening, *(smallest_rise(column) for column in np.stack(grid, axis=1))])
    for case in restricted:
        radius = math.sqrt(case.m) * case.softening
        softenings = case.softening * np.linspace(1, 1.5, 11)  # τ < √m ε stays true while ε grows
        distances = np.linspace(0, 0.99, 34) * radius
        grid = [laplacian(context, case._replace(softening=e), distances) for e in softenings]
        in_sphere = np.min([in_sphere, *(smallest_rise(column) for column in np.stack(grid, axis=1))])
    roots = [(case, math.sqrt(case.m) * case.softening) for case in restricted]
    return Finding(
        [
            at_most("value at r = 0 against −m d ε^(−d−2), relative error", least, 16 * SPACING),
            above("how far values at r > 0 lie above it, relative to it", beyond, 0),
            above("smallest relative rise with r", in_distance, 0),
            above("smallest relative rise with ε, d ≤ m − 4", in_softening, 0),
            above("smallest relative rise with ε, d = m − 3, r ≤ 0.99 √m ε", in_sphere, 0),
            at_most(
                "d = m − 3: the rise with ε ends at r = √m ε, relative error",
                worst_root(context, softening_rate, roots),
                ROOT,
            ),
        ]
    )


def gaussians_are_covered(context: Context) -> Finding:
    """Where ∇²k is positive for the kernel of the 25 Gaussians, with d = 3 and with the authors' program's d = 1."""
    cases = [Case(2, d, softening) for d in (3.0, 1.0) for softening in (3.0, 0.3)]
    largest = max(float(np.max(relative_laplacian(context, case, DISTANCES))) for case in cases)
    roots = [(case, case.softening * math.sqrt(2 / case.d)) for case in cases]  # m/(2 + d − m) with m = 2
    neighbours = 10.5  # distance of two modes of the grid
    numbers = [(*case, neighbours) for case in cases]
    exact = np.array([float(oracle.laplacian(*n)) for n in numbers])
    found = np.array([float(laplacian(context, case, neighbours)[0]) for case in cases])
    smallest = min(float(oracle.laplacian(*n) / oracle.unit(*n)) for n in numbers)
    counter = Subject.COUNTEREXAMPLE
    return Finding(
        [
            below("largest ∇²k, m = 2, d = 3 and 1, over its terms", largest, 0),
            above("smallest ∇²k between neighbouring modes by 50 digits, over its terms", smallest, 0.1, counter),
            # 0.1 above, 15 roundings: the terms hardly cancel
            at_most("cf.laplacian there, relative error", np.max(np.abs(found / exact - 1)), 200 * SPACING, counter),
            at_most(
                "place of the change of sign, ε √(2/3) for d = 3 and ε √2 for d = 1, relative error",
                worst_root(context, laplacian, roots),
                ROOT,
                counter,
            ),
        ]
    )
