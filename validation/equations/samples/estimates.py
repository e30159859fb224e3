"""What the checks of Eq 8 and 30–35 measure: densities, potential, energy and field of finite samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import coulombfield as cf
from validation.context import Context

from ..convergence import central_differences
from ..definitions.losses import mean_cosine
from ..evidence import Finding, Plot, Subject, at_most, standard_errors
from ..example_densities import TARGETS, difference, generated_density, plain_double_mean, plain_mean, real_density

ROUNDING = float(np.finfo(float).eps)
COUNTS = ((1, 1), (5, 12), (9, 4))  # (N_y, N_x)
KERNELS = ((1.0, 1.0), (3.0, 0.5), (1.5, 2.0))  # (d, ε)
WAVES = np.array([[0.9, -0.6], [-0.3, 1.4], [1.8, 0.5]])  # of the test functions cos(κ·a)


def _samples(context: Context, m: int, real: int, generated: int) -> tuple[np.ndarray, np.ndarray]:
    rng = context.rng("samples")
    return rng.standard_normal((real, m)) + 0.5, 1.3 * rng.standard_normal((generated, m))


def minibatch_potential(context: Context) -> Finding:
    """The potential of signed charges against loops over both species, at other points and at the samples."""
    measurements = []
    # the default engine of few dimensions is compiled for each m and d
    for method, dimensions in context.pick((("auto", (2,)), ("direct", (1, 2, 5))), (("direct", (1, 2, 5)),)):
        worst, cases = 0.0, 0
        for m in dimensions:
            for real, generated in COUNTS:
                y, x = _samples(context, m, real, generated)
                targets = np.concatenate([context.rng("targets").standard_normal((4, m)), y, x])
                charges = cf.signed_charges(context.put(y), context.put(x))
                for d, softening in KERNELS[: None if method == "direct" else 1]:
                    kernel = cf.Plummer(d, softening)
                    found = context.host(cf.potential(context.put(targets), charges, kernel, method=method))
                    for a, value in zip(targets, found, strict=True):
                        attraction, repulsion = (plain_mean(a, points, d, softening) for points in (y, x))
                        # a sum of N terms rounds N times, a value of the kernel about 2 + d times
                        unit = (real + generated + 2 + d) * ROUNDING * (attraction + repulsion)
                        worst, cases = np.maximum(worst, abs(value - (attraction - repulsion)) / unit), cases + 1
        what = f"Σ q k against loops, {method}, {cases} values, in (N + 2 + d) ε of rounding of Σ|q| k"
        measurements.append(at_most(what, worst, 1.0))
    return Finding(measurements)


def sample_densities(context: Context) -> Finding:
    """Integrals of test functions over ρ̂ as the charges carry it, beside those over p_y − p_x and p̂_y − p̂_x."""
    rng = context.rng("samples")
    y, x = real_density(2).sample(12, rng), generated_density(2).sample(5, rng)
    charges = cf.signed_charges(context.put(y), context.put(x))
    positions, weights = context.host(charges.positions), context.host(charges.weights)
    printed, corrected = 0.0, 0.0
    for wave in WAVES:
        found = math.fsum(weights * np.cos(positions @ wave))
        estimated = [math.fsum(np.cos(points @ wave)) / len(points) for points in (y, x)]
        true = [mean_cosine(p(2), wave) for p in (real_density, generated_density)]
        printed = np.maximum(printed, abs(found - (true[0] - true[1])))
        corrected = np.maximum(corrected, abs(found - (estimated[0] - estimated[1])))
    return Finding(
        [
            at_most("∫ρ̂ f beside ∫(p_y − p_x) f, N_y = 12, N_x = 5", printed, 32 * ROUNDING),
            at_most("∫ρ̂ f beside ∫(p̂_y − p̂_x) f", corrected, 32 * ROUNDING, Subject.CORRECTED),
        ]
    )


def unbiased_densities(context: Context) -> Finding:
    """Means over many draws of integrals of test functions, beside those over the densities."""
    rng, replicates = context.rng("samples"), context.pick(2000, 500)
    measurements = []
    for name, density, charged, sign in (
        ("p̂_x", generated_density(2), cf.generated_charges, -1),
        ("p̂_y", real_density(2), cf.real_charges, +1),
    ):
        values = np.empty((replicates, len(WAVES)))
        for replicate in range(replicates):
            points = density.sample(7, rng)
            values[replicate] = sign * context.host(charged(context.put(points)).weights) @ np.cos(points @ WAVES.T)
        measurements += [
            standard_errors(f"∫{name} cos(κ·a), κ = {wave}, N = 7", values[:, i], mean_cosine(density, wave))
            for i, wave in enumerate(WAVES)
        ]
    return Finding(measurements)


def minibatch_energy(context: Context) -> Finding:
    """Both forms of the minibatch's energy against double loops that keep the terms i = j."""
    worst = dict.fromkeys(("three means", "½ (mean Φ̂(y) − mean Φ̂(x))", "½ Σ q q k of the signed charges"), 0.0)
    for m in (1, 2, 5):
        for real, generated in COUNTS:
            y, x = _samples(context, m, real, generated)
            on_device = context.put(y), context.put(x)
            charges = cf.signed_charges(*on_device)
            for d, softening in KERNELS:
                kernel = cf.Plummer(d, softening)
                of_y, between, of_x = (
                    plain_double_mean(first, second, d, softening) for first, second in ((y, y), (y, x), (x, x))
                )
                exact, size = 0.5 * (of_y - 2 * between + of_x), 0.5 * (of_y + 2 * between + of_x)
                at_samples = context.host(cf.potential(charges.positions, charges, kernel, method="direct"))
                found = (
                    cf.interaction_energy(*on_device, kernel, method="direct"),
                    0.5 * (at_samples[:real].mean() - at_samples[real:].mean()),
                    cf.electrostatic_energy(charges, kernel, method="direct"),
                )
                unit = (2 * (real + generated) + 2 + d) * ROUNDING * size
                for form, value in zip(worst, found, strict=True):
                    worst[form] = np.maximum(worst[form], abs(value - exact) / unit)
    return Finding(
        [
            at_most(f"{form}, against double loops, in (2N + 2 + d) ε of rounding", error, 1.0)
            for form, error in worst.items()
        ]
    )


def _minibatch(context: Context) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points a, real and generated samples."""
    rng = context.rng("samples")
    return TARGETS[:, :2], real_density(2).sample(7, rng), generated_density(2).sample(4, rng)


def _plain_energy(y: np.ndarray, x: np.ndarray, d: float, softening: float) -> complex:
    """F̂ (Eq 33) of real or complex positions."""

    def mean(first: np.ndarray, second: np.ndarray) -> complex:
        squares = ((first[:, None, :] - second) ** 2).sum(axis=2)
        return ((squares + softening**2) ** (-d / 2)).mean()

    return 0.5 * (mean(y, y) - 2 * mean(y, x) + mean(x, x))


def _complex_steps(points: np.ndarray) -> Iterator[tuple[tuple[int, int], np.ndarray, float]]:
    """Each coordinate moved along the imaginary axis: a derivative without differences, exact to rounding."""
    step = 1e-30
    for index in np.ndindex(*points.shape):
        moved = points.astype(complex)
        moved[index] += 1j * step
        yield index, moved, step


def _plain_field(a: np.ndarray, y: np.ndarray, x: np.ndarray, d: float, softening: float) -> np.ndarray:
    """−Σ q ∇k at points a, by complex steps of k."""
    field = np.empty_like(a)
    for index, moved, step in _complex_steps(a):
        means = [
            ((((moved[index[0]] - points) ** 2).sum(axis=1) + softening**2) ** (-d / 2)).mean() for points in (y, x)
        ]
        field[index] = -(means[0] - means[1]).imag / step
    return field


def minibatch_field(context: Context) -> Finding:
    """The field against derivatives of Φ̂ and, at the samples, of F̂ with N_y = 7 and N_x = 4."""
    targets, y, x = _minibatch(context)
    rng = context.rng("directions")
    on_device = context.put(y), context.put(x)
    charges = cf.signed_charges(*on_device)
    measurements, curves = [], []
    for d, softening in KERNELS[: context.pick(3, 2)]:
        kernel, case = cf.Plummer(d, softening), f"d = {d:g}, ε = {softening:g}"

        def field(points, kernel=kernel):
            return context.host(cf.field(context.put(points), charges, kernel, method="direct"))

        exact = _plain_field(targets, y, x, d, softening)
        worst = float(np.abs(field(targets) - exact).max() / np.abs(exact).max())
        measurements.append(at_most(f"Ê(a) against complex steps of k, {case}, relative", worst, 64 * ROUNDING))

        at_samples = {"y": (field(y), y, -len(y)), "x": (field(x), x, len(x))}
        for name, (found, points, factor) in at_samples.items():
            gradient = np.empty_like(points)
            for index, moved, step in _complex_steps(points):
                pair = (moved, x) if name == "y" else (y, moved)
                gradient[index] = _plain_energy(*pair, d, softening).imag / step
            worst = float(np.abs(found - factor * gradient).max() / np.abs(found).max())
            what = f"Ê({name}_i) beside {factor} ∇F̂ by complex steps, {case}, relative"
            measurements.append(at_most(what, worst, 64 * ROUNDING))
            side = {"y": "real", "x": "generated"}[name]
            given = context.host(cf.energy_gradient(*on_device, kernel, with_respect_to=side, method="direct"))
            worst = float(np.abs(given - gradient).max() / np.abs(gradient).max())
            measurements.append(at_most(f"energy_gradient in {name} beside ∇F̂, {case}, relative", worst, 64 * ROUNDING))
            direction = rng.standard_normal(points.shape)
            direction /= np.linalg.norm(direction)

            def energy(moved, name=name, kernel=kernel):
                pair = (moved, on_device[1]) if name == "y" else (on_device[0], moved)
                return cf.interaction_energy(*pair, kernel, method="direct")

            convergence = central_differences(
                energy,
                (found * direction).sum() / factor,
                context.put(points),
                context.put(direction),
                length=softening,
            )
            # ε^(2/3) = 4e-11 of F̂, which is some ten times its slope along a direction
            measurements += convergence.measurements(f"F̂ as {name} moves, {case}", 2e-9)
            curves.append(convergence.curve(f"{name} moves, {case}"))
    plot = Plot(
        "samples-field-steps",
        "Field at the samples as the slope of the energy",
        "Central differences of F̂ as samples move, against −Ê(y)/N_y and Ê(x)/N_x: second order down to rounding.",
        "step [softening]",
        "relative error",
        curves,
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


def minibatch_field_v1(context: Context) -> Finding:
    """The minibatch's field beside the integral over ρ, which v1 prints, and over ρ̂."""
    targets, y, x = _minibatch(context)
    d, softening = KERNELS[0]
    charges = cf.signed_charges(context.put(y), context.put(x))
    found = context.host(cf.field(context.put(targets), charges, cf.Plummer(d, softening), method="direct"))
    size = np.abs(found).max()
    of_density = difference(2).field(targets, d, softening)
    of_samples = _plain_field(targets, y, x, d, softening)
    what = "Ê(a) beside −∫{} ∇k, N_y = 7, N_x = 4, relative"
    return Finding(
        [
            at_most(what.format("ρ"), np.abs(found - of_density).max() / size, 64 * ROUNDING),
            at_most(what.format("ρ̂"), np.abs(found - of_samples).max() / size, 64 * ROUNDING, Subject.CORRECTED),
        ]
    )


def _replicates(context: Context, m: int, d: float) -> tuple[np.ndarray, np.ndarray]:
    """Φ̂ and Ê at the fixed points of many minibatches with N_y = 8 and N_x = 5: shapes (R, T) and (R, T, m)."""
    rng, count = context.rng(f"minibatches {m} {d}"), context.pick(2000, 500)
    targets, kernel = context.put(TARGETS[:, :m]), cf.Plummer(d, 1.0)
    potentials, fields = np.empty((count, len(TARGETS))), np.empty((count, len(TARGETS), m))
    for replicate in range(count):
        samples = real_density(m).sample(8, rng), generated_density(m).sample(5, rng)
        charges = cf.signed_charges(*map(context.put, samples))
        values, slopes = cf.potential_and_field(targets, charges, kernel, method="direct")
        potentials[replicate], fields[replicate] = context.host(values), context.host(slopes)
    return potentials, fields


def unbiased_potential(context: Context) -> Finding:
    """Mean of Φ̂ at fixed points over many minibatches, beside Φ."""
    measurements = []
    for m, d in context.pick(((1, 1.0), (2, 1.0), (2, 3.0), (3, 1.0)), ((2, 1.0), (3, 1.0))):
        found, exact = _replicates(context, m, d)[0], difference(m).potential(TARGETS[:, :m], d, 1.0)
        measurements += [
            standard_errors(f"Φ̂(a), m = {m}, d = {d:g}, point {i + 1}", found[:, i], exact[i])
            for i in range(len(TARGETS))
        ]
    return Finding(measurements)


def unbiased_field(context: Context) -> Finding:
    """Mean of Ê at fixed points over many minibatches, beside E."""
    measurements = []
    for m, d in context.pick(((2, 1.0), (3, 1.0), (2, 3.0)), ((2, 1.0),)):
        found, exact = _replicates(context, m, d)[1], difference(m).field(TARGETS[:, :m], d, 1.0)
        measurements += [
            standard_errors(f"Ê(a), m = {m}, d = {d:g}, point {i + 1}, axis {j + 1}", found[:, i, j], exact[i, j])
            for i in range(len(TARGETS))
            for j in range(m)
        ]
    return Finding(measurements)
