"""Theorem 1 along its flow: the energy, whether and how fast the densities meet."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

import coulombfield as cf
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Curve, Finding, Measurement, Plot, Subject, above, at_most, below, near
from .decay import SPIKE, spike_flow
from .exact import CoreAndHalo
from .local import EXPONENT, SOFTENING, cloud
from .radial import Flow, Shells, couplings, evolve, normal_averages


def dissipation(context: Context) -> Finding:
    """Fall of F in every step against the mean of ∫|ρ|‖E‖² over it, on finer and finer grids."""
    law = CoreAndHalo(5)
    counts = tuple(context.pick(200, 80) // share for share in (4, 2, 1))
    measurements: list[Measurement] = []
    curves = []
    tolerance = context.pick(0.02, 0.05)  # of the coarser grid, whose error falls in proportion to its cells or faster
    for name, exponent, softening in (("core and halo, d = 3, ε = 0.5", 3.0, 0.5), ("spike, d = 1, ε = 1", 1.0, 1.0)):
        errors, rises = [], []
        for count in counts:
            if exponent == 3:
                cells = Shells.graded(5, count, 3.0 / count, 16.0)
                matrices = couplings(context, cells, cf.Plummer(exponent, softening))
                flow, mixture = evolve(cells, matrices, cells.averages(law.density), 20.0), law.mixture
            else:
                flow, mixture = spike_flow(context, 1.0, 1.0, 40.0, count), SPIKE
            fall, loss = rates(flow)
            errors.append(float(np.abs(fall / loss - 1).max()))
            rises.append(float(np.diff(flow.energy).max()))
        order = -float(np.polyfit(np.log(counts), np.log(errors), 1)[0])
        measurements += [
            at_most(f"{name}: −ΔF/Δt over ∫|ρ|‖E‖² − 1, worst of {len(fall)} steps", errors[-1], tolerance),
            # the scheme is of order 2 where ρ is smooth and 1 at fronts
            near(f"{name}: order of that difference in the cells and steps", order, 1.5, 0.75),
            below(f"{name}: largest change of F in a step", max(rises), 0.0),
            at_most(
                f"{name}: E at first against the oracle, over the largest",
                field_error(flow, mixture, exponent, softening),
                5e-3,
            ),
            near(
                f"{name}: F at first over the oracle's", flow.energy[0] / mixture.energy(exponent, softening), 1, 5e-3
            ),
        ]
        middle = 0.5 * (flow.times[1:] + flow.times[:-1])
        curves += [
            Curve(f"{name}: −ΔF/Δt", middle.tolist(), (fall / loss[0]).tolist(), "o"),
            Curve(f"{name}: ∫|ρ|‖E‖²", flow.times.tolist(), (flow.dissipation / loss[0]).tolist()),
        ]
    plot = Plot(
        "dynamics-energy",
        "Fall of the energy against ∫|ρ|‖E‖²",
        "Dots are differences of F between steps, lines the integral: they agree to the grid's error, fronts included.",
        "t",
        "relative to the first",
        curves,
    )
    return Finding(measurements, [plot])


def rates(flow: Flow) -> tuple[np.ndarray, np.ndarray]:
    """−ΔF/Δt and the mean of ∫|ρ|‖E‖² for each step."""
    loss = flow.dissipation
    return -np.diff(flow.energy) / np.diff(flow.times), 0.5 * (loss[1:] + loss[:-1])


def field_error(flow: Flow, mixture: GaussianMixture, exponent: float, softening: float) -> float:
    """Largest error of E on a grid's spheres at first."""
    points = np.zeros((len(flow.cells.edges), mixture.dimension))
    points[:, 0] = flow.cells.edges
    exact = mixture.field(points, exponent, softening)[:, 0]
    return float(np.abs(flow.fields[0] - exact).max() / np.abs(exact).max())


def theorem(context: Context) -> Finding:
    """What F comes down to: from densities, and from p_x at one point, which the flow leaves a point."""
    condition = Subject.CONDITION
    softening, data = SOFTENING, GaussianMixture(np.ones(1), np.zeros((1, 3)), np.array([0.6]))
    real, kernel = cloud(context, data), cf.Plummer(EXPONENT, softening)
    begin = np.array([[1.6, -1.0, 0.6]])
    place = begin
    for _ in range(60):  # a step of 4 brings the point nearer by about half: the pull is some ε^-3 per length
        charges = cf.Charges(
            context.put(np.concatenate([context.host(real.positions), place])),
            context.put(np.append(context.host(real.weights), -1.0)),
        )
        place = place - 4 * context.host(cf.field(context.put(place), charges, kernel))
    point = cf.generated_charges(context.put(place))
    own = cf.self_energy(point, kernel)
    between = float(context.host(cf.potential(point.positions, real, kernel, method="direct"))[0])
    left = data.energy(EXPONENT, softening) - between + own
    # p_x as a Gaussian too narrow to tell from a point
    narrow = GaussianMixture(np.ones(1), np.zeros((1, 3)), np.array([1e-6]))
    exact = (data - narrow).energy(EXPONENT, softening)
    start = (data - GaussianMixture(np.ones(1), begin, np.array([1e-6]))).energy(EXPONENT, softening)
    measurements = [
        at_most("p_x at one point, data fixed: F once it rests, over F at first", left / start, 1e-3),
        near(
            "p_x at one point: F that is left over its exact value at the middle of p_y",
            left / exact,
            1,
            1e-4,
            condition,
        ),
    ]
    count = context.pick(100, 50)
    curves = []
    for exponent, softening in context.pick(((1.0, 0.3), (3.0, 0.3), (1.0, 2.0)), ((1.0, 0.3),)):
        name = f"d = {exponent:g}, ε = {softening:g}"
        law = CoreAndHalo(5)
        cells = Shells.graded(5, count, 3.0 / count, 20.0)
        matrices = couplings(context, cells, cf.Plummer(exponent, softening))
        moving = evolve(cells, matrices, cells.averages(law.density), 3e4)
        real_part, generated = (normal_averages(cells, deviation) for deviation in (law.core, law.halo))
        fixed = evolve(cells, matrices, generated, 3e4, data=real_part)
        for what, flow in ((f"both move, {name}", moving), (f"data fixed, {name}", fixed)):
            curves.append(energy_curve(what, flow))
            rise = np.diff(flow.energy).max() / flow.energy[0]
            measurements += [
                at_most(
                    f"densities, {what}: F over F at first, last", flow.energy[-1] / flow.energy[0], 1e-3, condition
                ),
                # once F is small the errors of the grid's own F show
                at_most(f"densities, {what}: largest change of F in a step, over F at first", rise, 1e-5, condition),
            ]
    spike = spike_flow(context, 1.0, 1.0, 3e4, context.pick(100, 60))
    growth = spike.largest.max() / spike.largest[0]
    measurements += [
        at_most("the spike, d = 1: F over F at first, last", spike.energy[-1] / spike.energy[0], 1e-3, condition),
        above("the spike, d = 1: |ρ|_max before it falls, over the first", growth, 4.0, condition),
    ]
    plot = Plot(
        "dynamics-equalize",
        "Energy until the densities have met (Theorem 1)",
        "Core and halo, and the spike whose largest |ρ| grows first. F falls in each, to the errors of the grid.",
        "t",
        "F(t) / F(0)",
        [*curves[:5], energy_curve("the spike, both move, d = 1, ε = 1", spike)],
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


def energy_curve(label: str, flow: Flow) -> Curve:
    """F over F at first, thinned out to times in geometric progression."""
    picked = np.unique(np.searchsorted(flow.times, np.geomspace(flow.times[1], flow.times[-1] * (1 - 1e-9), 80)))
    return Curve(label, flow.times[picked].tolist(), (flow.energy[picked] / flow.energy[0]).tolist())


def faster(context: Context) -> Finding:
    """Times in which |ρ|_max falls by half, for one ρ at many sizes L and ε = 0.05."""
    exponents = context.pick((0.5, 1.0, 2.0, 3.0), (1.0, 3.0))
    sizes = context.pick((0.1, 0.3, 1.0, 3.0, 10.0, 30.0), (0.1, 1.0, 10.0, 30.0))
    count, condition = context.pick(90, 60), Subject.CONDITION
    times = np.array([[halving(context, d, size, count) for size in sizes] for d in exponents])
    one = exponents.index(1.0)
    measurements = [
        below(f"L = {sizes[i]:g}: time to halve |ρ|_max, d = 3 over d = 1", times[-1, i] / times[one, i], 1.0)
        for i in (0, -1)
    ]
    law = CoreAndHalo(5)
    coulomb = 1 / (law.rate * float(law.density(np.zeros(1))[0]))
    large = times[:, -1] / times[:, -2]
    for d, ratio in zip(exponents, large, strict=True):
        slope = math.log(ratio) / math.log(sizes[-1] / sizes[-2])
        measurements.append(
            near(f"d = {d:g}: the time grows as L to the power d + 2, for L ≫ ε", slope, d + 2, 0.02, condition)
        )
    unit = sizes.index(1.0)
    measurements += [
        near(
            "d = 3, L = 1: time over the exact one for ε = 0, 1/(3 ω_5 |ρ|_max)",
            times[-1, unit] / coulomb,
            1,
            0.1,
            condition,
        ),
        *(
            below(
                f"L = {sizes[0]:g}: time for d = {b:g} over that for d = {a:g}",
                times[j + 1, 0] / times[j, 0],
                1.0,
                condition,
            )
            for j, (a, b) in enumerate(pairwise(exponents))
        ),
    ]
    plot = Plot(
        "dynamics-faster",
        "Time to halve the largest |ρ|, for several d",
        "One density at sizes L: the time grows as L^(d+2), so a larger d is faster below about 1 and slower above.",
        "L",
        "time",
        [Curve(f"d = {d:g}", sizes, row, "o-") for d, row in zip(exponents, times, strict=True)],
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


def halving(context: Context, exponent: float, size: float, count: int, softening: float = 0.05) -> float:
    """Time in which |ρ|_max falls by half, from a core and halo of a size."""
    law = CoreAndHalo(5, size, 2 * size)
    cells = Shells.graded(5, count, 3.0 * size / count, 14.0 * size)
    matrices = couplings(context, cells, cf.Plummer(exponent, softening))
    density = cells.averages(law.density)
    fields = matrices.field @ (density * cells.volumes)
    # |ρ|/ρ̇ at the middle; it thins out ever more slowly
    until = 4.0 / (5 * abs(fields[1]) / cells.edges[1])
    flow = evolve(cells, matrices, density, until)
    past = int(np.argmax(flow.largest < 0.5 * flow.largest[0]))
    if past == 0:
        return math.nan
    inverse = 1 / flow.largest[[past - 1, past]]  # nearly linear in time, as in Eq 26
    return float(np.interp(2 / flow.largest[0], inverse, flow.times[[past - 1, past]]))
