"""How ρ changes while the data are fixed (§2.3.1): samples, a grid and shells with closed-form forces."""

from __future__ import annotations

import math

import numpy as np

import coulombfield as cf
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Curve, Finding, Measurement, Plot, Subject, above, at_most, significantly_off, standard_errors
from .exact import CoreAndHalo, shell_paths
from .local import EXPONENT, SOFTENING, radial_integral
from .radial import Shells, couplings, evolve, normal_averages


def fixed_data(context: Context) -> Finding:
    """Samples of p_x moved along −E past fixed data: their statistics against three laws, and over time."""
    law, count = CoreAndHalo(3, 0.6, 1.2), context.pick(800, 200)
    printed, corrected = Subject.PRINTED, Subject.CORRECTED
    kernel, rng = cf.Plummer(EXPONENT, SOFTENING), context.rng("dynamics-fixed")
    samples = []
    for _ in range(16):
        real, generated, others = (s * rng.standard_normal((count, 3)) for s in (law.core, law.halo, law.halo))
        charges = cf.signed_charges(context.put(real), context.put(others))  # others, so that the mean has no bias
        gradient = cf.field(context.put(generated), charges, kernel)
        slope = -4 * generated * np.exp(-2 * (generated**2).sum(axis=1))[:, None]  # of ψ = exp(-2r²)
        change = (-context.host(gradient) * slope).sum(axis=1).mean()  # of the mean of ψ over p_x
        samples.append(-change)  # of ∫ψρ
    changes = np.array(samples)

    def claim(carried: GaussianMixture | None) -> float:
        """−∫ψ ∇·(w E) = ∫∇ψ·w E, with w the density of a mixture, or |ρ|."""

        def integrand(r: np.ndarray, points: np.ndarray) -> np.ndarray:
            weight = np.abs(law.density(r)) if carried is None else carried.density(points)
            return -4 * r * np.exp(-2 * r**2) * weight * law.mixture.field(points, EXPONENT, SOFTENING)[:, 0]

        return radial_integral(law, integrand)

    generated_density = GaussianMixture(np.ones(1), np.zeros((1, 3)), np.array([law.halo]))
    measurements = [
        standard_errors("data fixed: change of ∫ψρ by Eq 3 as printed", changes, claim(None), printed),
        significantly_off("data fixed: change of ∫ψρ, not Eq 3's", changes, claim(None), corrected, least=10.0),
        standard_errors("data fixed: change of ∫ψρ by −∇·(p_x E)", changes, claim(generated_density), corrected),
    ]
    later, plot = against_density(context)
    return Finding([*measurements, *later], [plot])


def against_density(context: Context) -> tuple[list[Measurement], Plot]:
    """Mean distance of moved samples from the middle, against a grid and against shells with closed-form forces."""
    core, halo, softening = 1.0, 0.5, 0.5  # p_y and p_x, d = 1
    times = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    replicates, count, step = 16, context.pick(1000, 500), context.pick(0.25, 0.5)
    kernel, rng = cf.Plummer(1.0, softening), context.rng("dynamics-particles")
    shells = shell_paths(halo, core, softening, times, context.pick(400, 200)).mean(axis=1)
    cells = Shells.graded(3, context.pick(120, 60), 3.0 / context.pick(120, 60), 12.0)
    matrices = couplings(context, cells, kernel)
    real, generated = (normal_averages(cells, deviation) for deviation in (core, halo))
    flow = evolve(cells, matrices, generated, times[-1], data=real)
    mean = (flow.moving * cells.volumes) @ np.sqrt(cells.averages(lambda r: r**2))
    grid = np.interp(times, flow.times, mean)
    spread = np.empty((replicates, len(times)))
    for replicate in range(replicates):
        data, points = core * rng.standard_normal((count, 3)), halo * rng.standard_normal((count, 3))
        spread[replicate, 0] = np.linalg.norm(points, axis=1).mean()
        now = 0.0
        for column, until in enumerate(times[1:], start=1):
            while now < until - 1e-9:
                first = velocity(context, data, points, kernel)
                second = velocity(context, data, points + step * first, kernel)
                points = points + 0.5 * step * (first + second)
                now += step
            spread[replicate, column] = np.linalg.norm(points, axis=1).mean()
    error = spread.std(axis=0, ddof=1) / math.sqrt(replicates)
    away = np.abs(spread.mean(axis=0) - shells) / error
    moved = (spread[:, -1].mean() - spread[:, 0].mean()) / error[-1]
    what = f"data fixed: mean radius of {replicates} × {count} samples"
    detail = f"at t = {times[-1]:g}: {spread[:, -1].mean():.4f} ± {error[-1]:.1g} against {shells[-1]:.4f}"
    corrected = Subject.CORRECTED
    plot = Plot(
        "dynamics-particles",
        "Generated samples against their density, data fixed",
        f"Mean distance from the middle, {replicates} × {count} samples; grid and shells solve ρ̇ = −∇·(p_x E).",
        "t",
        "mean distance",
        [
            Curve("samples", times.tolist(), spread.mean(axis=0).tolist(), "o"),
            Curve("grid", flow.times.tolist(), mean.tolist()),
            Curve("shells", times.tolist(), shells.tolist(), "s"),
        ],
    )
    return [
        at_most(f"{what} against shells, most standard errors", away.max(), 4.0, corrected, detail),
        at_most("grid against shells, relative", np.abs(grid / shells - 1).max(), 5e-3, corrected),
        above(f"{what}, last from first, in standard errors", moved, 20.0, corrected),
    ], plot


def velocity(context: Context, data: np.ndarray, points: np.ndarray, kernel: cf.RadialKernel) -> np.ndarray:
    """−E at generated samples."""
    here = context.put(points)
    return -context.host(cf.field(here, cf.signed_charges(context.put(data), here), kernel))
