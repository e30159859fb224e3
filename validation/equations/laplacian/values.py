"""Eq 14 and 15 (v1 Eq 24 and 25): the Laplacian of the Plummer kernel and its value at the charge."""

from __future__ import annotations

import mpmath
import numpy as np

import coulombfield as cf
from validation.context import Context

from ..convergence import Convergence, central_differences
from ..evidence import Finding, Plot, at_most
from . import oracle
from .cases import RATIOS, SPACING, Case, all_cases, laplacian, printed, with_ratios

IMAGES = (Case(3072, 1.0, 1.0), Case(3072, 3.0, 0.1), Case(3072, 0.5, 30.0), Case(12288, 3.0, 3.0))
"""Spaces of the paper's images, 32 × 32 × 3 and 64 × 64 × 3."""


def kernel_laplacian(context: Context) -> Finding:
    """Eq 14 against 50 digits; ``laplacian`` against 50 digits and against second differences of ``potential``."""
    cases = all_cases(context)
    numbers = with_ratios(cases) + with_ratios(list(IMAGES))
    formula = oracle.worst_difference(oracle.laplacian, printed, numbers)
    convergences = {m: _second_differences(context, m) for m in context.pick((1, 2, 3, 8, 20, 300), (1, 3, 8))}
    measurements = [
        at_most(f"formula against 50 digits, {len(numbers)} cases", formula, oracle.AGREES),
        at_most(f"cf.laplacian against 50 digits, {len(cases)} kernels, in roundings", _roundings(context, cases), 1),
        at_most("the same, m = 3072 and 12288", _roundings(context, list(IMAGES)), 1),
    ]
    if not context.quick:
        served = [Case(3, 1.0, softening) for softening in (1e-3, 1.0, 100.0)]
        worst = _roundings(context, served, "auto")
        measurements.append(at_most("the same, m = 3, d = 1, by the engine that is chosen for it", worst, 1))
    for m, convergence in convergences.items():
        # rounding costs some eps/h² of the potential, which is up to 100 times its Laplacian here
        name = f"m = {m}: cf.laplacian beside second differences of cf.potential"
        measurements += convergence.measurements(name, 1e-6)
    return Finding(measurements, [_plot(convergences)])


def laplacian_at_charge(context: Context) -> Finding:
    """Eq 15 against 50 digits, and ``laplacian`` at the very place of a charge."""
    cases = all_cases(context) + list(IMAGES)
    numbers = [(*case, 0.0) for case in cases]
    formula = oracle.worst_difference(oracle.laplacian, _printed_at_charge, numbers)
    worst = 0.0
    rng = context.rng("laplacian-at-charge")
    for case in cases:
        place = rng.standard_normal((1, case.m))  # not the origin: the distance has to come out as 0
        charge = cf.Charges(context.put(place), context.put(np.ones(1)))
        kernel = cf.Plummer(case.d, case.softening)
        value = float(context.host(cf.laplacian(context.put(place), charge, kernel, method="direct"))[0])
        with mpmath.workdps(oracle.DIGITS):
            exact = oracle.laplacian(*case, 0.0)
            worst = np.maximum(worst, float(abs(value / exact - 1)))
    return Finding(
        [
            at_most(f"formula against 50 digits, {len(cases)} kernels", formula, oracle.AGREES),
            at_most("cf.laplacian at the charge, relative error", worst, 8 * SPACING),  # one power, eight roundings
        ]
    )


def _printed_at_charge(m, d, softening, r):
    """Eq 15; ``r`` is 0."""
    return -m * d * softening ** -(d + 2)


def _roundings(context: Context, cases: list[Case], method: str = "direct") -> float:
    """Largest error of ``laplacian``, in what its roundings may add up to.

    Three roundings reach the fraction ε²/(ε² + r²), which is taken to the power d/2 + 2; some ten more follow. They are
    relative to the two terms of the Laplacian before these cancel.
    """
    worst = 0.0
    for case in cases:
        distances = np.array(RATIOS) * case.softening
        for r, value in zip(distances, laplacian(context, case, distances, method), strict=True):
            with mpmath.workdps(oracle.DIGITS):
                error = abs(value - oracle.laplacian(*case, r)) / oracle.unit(*case, r)
                worst = np.maximum(worst, float(error) / ((case.d + 10) * SPACING))
    return worst


def _second_differences(context: Context, m: int) -> Convergence:
    """Second differences of the potential of scattered charges along all axes at once."""
    rng = context.rng(f"kernel-laplacian-{m}")
    scale = 1 / np.sqrt(m)  # distances of about 1, the softening, in every dimension
    charges = cf.Charges(context.put(scale * rng.standard_normal((6, m))), context.put(rng.uniform(0.5, 1.5, 6)))
    targets, axes = scale * rng.standard_normal((16 if m <= 20 else 2, m)), np.eye(m)
    kernel = cf.Plummer(1.0, 1.0)

    def sum_along_axes(t: np.ndarray) -> np.ndarray:
        moved = (targets[:, None, :] + t[0] * axes).reshape(-1, m)
        values = context.host(cf.potential(context.put(moved), charges, kernel, method="direct"))
        return values.reshape(len(targets), m).sum(axis=1)

    exact = context.host(cf.laplacian(context.put(targets), charges, kernel, method="direct"))
    return central_differences(sum_along_axes, exact, np.zeros(1), np.ones(1), derivative=2)


def _plot(convergences: dict[int, Convergence]) -> Plot:
    return Plot(
        "laplacian-second-differences",
        "Second differences of the potential beside its Laplacian",
        "The error falls as h² until the potential's rounding, divided by h², takes over.",
        "step h [softenings]",
        "relative error",
        [convergence.curve(f"m = {m}") for m, convergence in convergences.items()],
        log_x=True,
        log_y=True,
    )
