r"""Eq 20 (v1 Eq 30): bounds of ∇²k that don't depend on ε.

Let u = ε²/r² and p = m − 2 − d ≥ 0. The lower bound says :math:`p\,(1 + u)^{2 + d/2} > p + m u`. Both sides are p at
u = 0, and the left one is convex, so it's true for every u > 0 exactly where its slope at 0 is no less:
p (d + 4) ≥ 2 m, which is (m − 4 − d)(d + 2) ≥ 0, or d ≤ m − 4. For m − 4 < d < m − 2 it's true only above the positive
root of the equality, at small r; for d = m − 2, p = 0 and it's never true.

For m − 4 ≤ d ≤ m − 2 the least of :math:`r^{d + 2} \nabla^2 k` over all ε lies where ∂∇²k/∂ε = 0, at
u = (d + 4 − m)/m, so that

.. math:: \nabla^2 k(a, b) \ge -2 d \left(\frac{m}{d + 4}\right)^{2 + d/2} r^{-2 - d},

with equality there. At d = m − 4 this is the printed bound.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
from scipy.optimize import minimize_scalar

from validation.context import Context

from ..evidence import Curve, Finding, Map, Plot, Subject, above, at_most, below, near
from . import oracle
from .cases import (
    DISTANCES,
    Case,
    farthest,
    laplacian,
    printed,
    relative_laplacian,
    sign_change,
    softening_rate,
    theorem_cases,
    with_ratios,
)

CLOSE = np.geomspace(1e-2, 30, 120)
"""Distances in units of ε where the room above the lower bound exceeds rounding: at d = m − 4 it falls as (ε/r)⁴."""
ROOT = 1e-7
"""Relative error of a root: near d = m − 4 it lies at large r, where values are flat and rounding counts for more."""
EVERY, FIRST, NONE, OTHER = range(4)
LABELS = (
    "16, 17, 18 and 20 for every r > 0",
    "16 and 17 for every r > 0, 18 and 20 only near",
    "none for every r > 0",
)


def bounds(context: Context) -> Finding:
    """Both bounds of Eq 20 over all r, where the lower one ends, and the sharp one that holds for every r."""
    cases, safe, limited = (theorem_cases(context, **limits) for limits in ({}, {"most": 4}, {"least": 4}))
    between = [case for case in limited if case.d < case.m - 2]
    last = [case for case in limited if case.d == case.m - 2]
    numbers = with_ratios(cases[:: context.pick(2, 5)], (1e-5, 0.1, 1.0, 10.0, 1e3, 1e6))
    exact = {number: (oracle.laplacian(*number), number) for number in numbers}
    upper = max(float(value / oracle.unit(*number)) for value, number in exact.values())
    formula = oracle.worst_difference(oracle.laplacian, printed, numbers)
    room = {case: _room(context, case, CLOSE) for case in cases}
    far = [_exact_room(*number) for number in numbers if number[1] <= number[0] - 4]
    never = max(float(np.max(relative_laplacian(context, case, DISTANCES))) for case in last)  # the bound is 0 there
    sharp = [_sharpest(context, case) for case in limited]
    excess = max(float(np.max(_scaled(context, case, DISTANCES[1:]) / (-2 * _factor(case)))) for case in limited) - 1
    condition = Subject.CONDITION
    regions, differing = _regions(context)
    measurements = [
        above("least room above the lower bound, d ≤ m − 2, over d r^(−d−2)", min(map(np.min, room.values())), 0),
        below(f"upper bound: largest ∇²k by 50 digits, {len(numbers)} cases, over its terms", upper, 0, condition),
        at_most("the equality by 50 digits", formula, oracle.AGREES, condition),
        above("d ≤ m − 4: least room above the lower bound", min(np.min(room[case]) for case in safe), 0, condition),
        above("d ≤ m − 4: the same by 50 digits, up to r = 1e6 ε", min(far), 0, condition),
        below("d = m − 2: most room above the lower bound, over ∇²k's terms", never, 0, condition),
        at_most(
            f"m − 4 < d < m − 2: r where the bound ends, {len(between)} kernels, relative error",
            np.max([_boundary_error(context, case) for case in between]),
            ROOT,
            condition,
        ),
        near(
            f"m − 4 < d: least ∇²k over −2 d (m/(d + 4))^(2 + d/2) r^(−d−2), {len(limited)} kernels",
            farthest((value for value, _ in sharp), 1),
            1,
            1e-12,
            condition,
        ),
        # flat at its bottom: rounding moves a minimum by its square root
        at_most(
            "the same: its place, r = ε √(m/(d + 4 − m)), relative error",
            np.max([p for _, p in sharp]),
            1e-5,
            condition,
        ),
        at_most("the same: most that a value lies below it, relative", excess, 1e-12, condition),
        at_most(
            "signs of cf.laplacian in the (d, m) plane: cells that differ from the limits", differing, 0, condition
        ),
    ]
    return Finding(measurements, [_bound_plot(context), regions])


def _scaled(context: Context, case: Case, ratios: np.ndarray) -> np.ndarray:
    """∇²k r^(d + 2) / d at distances in units of ε."""
    r = ratios * case.softening
    return laplacian(context, case, r) * r ** (case.d + 2) / case.d


def _room(context: Context, case: Case, ratios: np.ndarray) -> np.ndarray:
    """How far ∇²k lies above the printed lower bound, in d r^(−d − 2)."""
    return _scaled(context, case, ratios) - (2 + case.d - case.m)


def _exact_room(m: int, d: float, softening: float, r: float) -> float:
    """The same to 50 digits, over what is left of it at large distances, so that it stays a number of usual size."""
    with mpmath.workdps(oracle.DIGITS):
        scaled = oracle.laplacian(m, d, softening, r) * mpmath.mpf(r) ** (d + 2) / d
        return float((scaled - (2 + d - m)) * (1 + (mpmath.mpf(r) / softening) ** 4))


def _factor(case: Case) -> float:
    """(m/(d + 4))^(2 + d/2)."""
    return (case.m / (case.d + 4)) ** (2 + case.d / 2)


def _boundary_error(context: Context, case: Case) -> float:
    """Relative distance between where the package's values cross the printed bound, and the root of the equality."""
    m, d, _ = case
    p = m - 2 - d
    u = sign_change(lambda u: p * math.expm1((2 + d / 2) * math.log1p(u)) - m * u)
    expected = 1 / math.sqrt(u)
    found = sign_change(lambda ratio: float(_room(context, case, np.array([ratio]))[0]), least=1e-3, most=1e3)
    return abs(found / expected - 1)


def _sharpest(context: Context, case: Case) -> tuple[float, float]:
    """Least of ∇²k r^(d + 2) over the sharp bound, and the relative error of its place."""
    expected = math.sqrt(case.m / (case.d + 4 - case.m))
    found = minimize_scalar(
        lambda log: float(_scaled(context, case, np.array([math.exp(log)]))[0]),
        bounds=(math.log(expected) - 1.5, math.log(expected) + 1),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return found.fun / (-2 * _factor(case)), abs(math.exp(found.x) / expected - 1)


def _regions(context: Context) -> tuple[Plot, int]:
    """Which of Eq 16, 17, 18 and 20 hold for every r > 0 by the package's values; cells that differ from the limits."""
    dimensions = list(range(1, 15))
    exponents = [0.25 + 0.5 * i for i in range(context.pick(24, 12))]
    codes = [[_code(context, Case(m, d, 1.0)) for d in exponents] for m in dimensions]
    expected = [[EVERY if d <= m - 4 else FIRST if d <= m - 2 else NONE for d in exponents] for m in dimensions]
    differing = int(np.sum(np.array(codes) != np.array(expected)))
    limits = [
        Curve(f"d = m − {less}", [1 - less, 14.5 - less], [1, 14.5], style) for less, style in ((2, "-"), (4, "--"))
    ]
    paper = Curve("25 Gaussians (m = 2, d = 3; the authors' code: d = 1)", [3.0, 1.0], [2.0, 2.0], "o")
    labels = LABELS if OTHER not in np.array(codes) else (*LABELS, "another combination")
    plot = Plot(
        "laplacian-regions",
        "Where the signs that the proof of Theorem 1 uses hold",
        "Colours: signs of the package's values at distances from 0.001 ε to 1000 ε. Lines: the limits d = m − 2 of "
        "Eq 16 and 17, and d = m − 4 of Eq 18 and of the lower bound of Eq 20.",
        "exponent d",
        "dimension m",
        [*limits, paper],
        regions=Map(exponents, dimensions, codes, labels),
    )
    return plot, differing


def _code(context: Context, case: Case) -> int:
    values = laplacian(context, case, DISTANCES)
    negative, rising = bool(np.all(values < 0)), bool(np.all(np.diff(values) > 0))
    softer = bool(np.all(softening_rate(context, case, DISTANCES) > 0))
    bounded = bool(np.all(_room(context, case, CLOSE) > 0)) and negative
    holding = (negative, rising, softer, bounded)
    known = {(True,) * 4: EVERY, (True, True, False, False): FIRST, (False,) * 4: NONE}
    return known.get(holding, OTHER)


def _bound_plot(context: Context) -> Plot:
    m, ratios = 6, np.geomspace(0.1, 30, 150)
    cases = [Case(m, d, 1.0) for d in (2.0, 3.0, 4.0)]
    names = {2.0: "d = m − 4", 3.0: "d = m − 3", 4.0: "d = m − 2"}
    curves = [Curve(names[c.d], list(ratios), list(_scaled(context, c, ratios) / (2 * _factor(c)))) for c in cases]
    curves += [
        Curve(f"printed bound, {names[c.d]}", [0.1, 30], [-(m - 2 - c.d) / (2 * _factor(c))] * 2, "--") for c in cases
    ]
    return Plot(
        "laplacian-lower-bound",
        f"∇²k beside the lower bound of Eq 20, m = {m}",
        "In units of the sharp bound 2 d (m/(d + 4))^(2 + d/2) r^(−d−2): each curve reaches −1 and no more, but for "
        "d > m − 4 it falls below the bound that is printed.",
        "distance r [ε]",
        "∇²k over the sharp bound [1]",
        curves,
        log_x=True,
    )
