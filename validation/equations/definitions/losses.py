"""Eq 9 and 10 (v1 Eq 18–20): the losses of both players, and where the discriminator's is evaluated."""

from __future__ import annotations

import math

import numpy as np

import coulombfield as cf
from nets.losses import Reduction, generator_potential, potential_regression
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Finding, Subject, Verdict, above, at_most, standard_errors
from ..example_densities import difference, generated_density, mean_kernel, quadrature_charges, real_density
from ..registry import Entry

M = 2
EXPONENT, SOFTENING = 1.0, 1.0
REPLICATES = 100
REDUCTIONS: tuple[Reduction, Reduction] = ("sum", "expectation")
COUNTS = ((1, 1), (7, 7), (5, 12), (40, 8))  # (N_x, N_y)
ROUNDING = 64 * np.finfo(float).eps  # sums of up to 48 terms of one size, and their weights
WAVE = np.array([0.9, -0.6])  # of the test function cos(κ·a)


def _draw(context: Context, generated: int, real: int) -> tuple[np.ndarray, np.ndarray]:
    """D and the potential at N_x + N_y points: any numbers will do."""
    rng = context.rng("values")
    return rng.standard_normal((generated + real, 1)), rng.standard_normal(generated + real)


def _loss(context: Context, values: np.ndarray, potential: np.ndarray, generated: int, reduction: Reduction) -> float:
    put = context.put
    return float(potential_regression(put(values), put(potential), generated, reduction=reduction)[0])


def _half_squares(values: np.ndarray, potential: np.ndarray) -> float:
    return 0.5 * math.fsum((float(d) - float(phi)) ** 2 for d, phi in zip(values[:, 0], potential, strict=True))


def mean_cosine(density: GaussianMixture, wave: np.ndarray) -> float:
    """E cos(κ·a), in closed form."""
    damping = np.exp(-0.5 * density.deviations**2 * (wave @ wave))
    return float(density.weights @ (np.cos(density.means @ wave) * damping))


def _balls(density: GaussianMixture, variance: float) -> GaussianMixture:
    """The density with each point blurred by N(0, variance · I)."""
    return GaussianMixture(density.weights, density.means, np.sqrt(density.deviations**2 + variance))


def _species(variance: float) -> tuple[GaussianMixture, GaussianMixture]:
    return _balls(generated_density(M), variance), _balls(real_density(M), variance)


def _sampled_losses(context: Context, variance: float, generated: int, real: int) -> tuple[np.ndarray, float]:
    """Losses of D = cos(κ·a) against a potential of 0 over minibatches, and ½ E_p D² in closed form."""
    rng = context.rng("points")
    species = _species(variance)
    losses = []
    for _ in range(REPLICATES):
        points = np.concatenate([p.sample(n, rng) for p, n in zip(species, (generated, real), strict=True)])
        losses.append(_loss(context, np.cos(points @ WAVE)[:, None], np.zeros(len(points)), generated, "expectation"))
    return np.array(losses), 0.25 * (1 + 0.5 * sum(mean_cosine(p, 2 * WAVE) for p in species))


def discriminator_loss(context: Context) -> Finding:
    """Eq 9 on minibatches against plain sums, and its mean over minibatches against the expectation under p(a)."""
    worst = 0.0
    for generated, real in COUNTS:
        values, potential = _draw(context, generated, real)
        of_generated = _half_squares(values[:generated], potential[:generated]) / generated
        of_real = _half_squares(values[generated:], potential[generated:]) / real
        exact = 0.5 * (of_generated + of_real)
        worst = np.maximum(worst, abs(_loss(context, values, potential, generated, "expectation") - exact) / exact)
    count = context.pick(1000, 300)
    losses, claim = _sampled_losses(context, 1.0, 3 * count, count)
    return Finding(
        [
            at_most("half the mean over each species, halved, against plain sums, relative", worst, ROUNDING),
            standard_errors("mean over minibatches, N_x = 3 N_y, with balls of ε = 1, beside ½ E_p", losses, claim),
        ]
    )


def discriminator_loss_sum(context: Context) -> Finding:
    """v1's sum against a plain sum, and how many times Eq 9 it is."""
    worst, factor_error, angle = 0.0, 0.0, 0.0
    for generated, real in COUNTS:
        values, potential = _draw(context, generated, real)
        exact = _half_squares(values, potential)
        worst = np.maximum(worst, abs(_loss(context, values, potential, generated, "sum") - exact) / exact)
        on_device = context.put(values), context.put(potential)
        summed, expected = (
            context.host(potential_regression(on_device[0], on_device[1], generated, reduction=reduction)[1])
            for reduction in REDUCTIONS
        )
        if generated == real:
            factor_error = np.maximum(factor_error, float(np.abs(summed / expected / (2 * real) - 1).max()))
        else:
            angle = np.maximum(angle, float(np.ptp(summed / expected)))
    return Finding(
        [
            at_most("against a plain sum, relative", worst, ROUNDING),
            at_most("its gradient over 2N times Eq 9's, N_x = N_y = N, less 1", factor_error, ROUNDING),
            above("spread of that factor over the points where N_x ≠ N_y: no constant", angle, 1.0),
        ]
    )


def evaluation_points(context: Context) -> Finding:
    """The density p(a) in two units of length: a density of lengths a has to scale by unit^−m."""
    points = context.rng("units").standard_normal((50, M))
    unit, width = 1000.0, 0.5

    def density(scale: float, power: int) -> np.ndarray:
        blurred = [
            GaussianMixture(p.weights, scale * p.means, np.hypot(scale * p.deviations, (scale * width) ** (power / 2)))
            for p in (generated_density(M), real_density(M))
        ]
        return 0.5 * (blurred[0].density(scale * points) + blurred[1].density(scale * points))

    def change(power: int) -> float:
        return float(np.abs(density(unit, power) * unit**M / density(1.0, power) - 1).max())

    count = context.pick(1000, 300)
    losses, claim = _sampled_losses(context, width**2, 3 * count, count)
    what = "p(a) in metres beside millimetres, relative, covariance"
    return Finding(
        [
            at_most(f"{what} ε I", change(1), 1e-12),
            at_most(f"{what} ε² I", change(2), 1e-12, Subject.CORRECTED),
            standard_errors("mean loss over points with balls ε² I beside ½ E_p", losses, claim, Subject.CORRECTED),
        ]
    )


def generator_loss(context: Context) -> Finding:
    """Eq 10 against a plain sum, and at D = Φ against the integral over densities."""
    worst = 0.0
    for count in (1, 7, 40):
        values, _ = _draw(context, count, 1)
        values = values[:count]
        exact = -0.5 * math.fsum(values[:, 0]) / count
        worst = np.maximum(worst, abs(float(generator_potential(context.put(values))[0]) - exact))
    at_generated, _ = _learned(context)
    between, same = (mean_kernel("generated", other, M, EXPONENT, SOFTENING) for other in ("real", "generated"))
    return Finding(
        [
            at_most("against a plain sum", worst, ROUNDING),
            standard_errors("at D = Φ, beside −½ ∫ p_x Φ", at_generated, -0.5 * (between - same)),
        ]
    )


def learned_energy(context: Context) -> Finding:
    """v1 Eq 19 as the losses of both species, against a plain sum, and at D = Φ against the energy of the densities."""
    worst = 0.0
    for generated, real in COUNTS:
        values, _ = _draw(context, generated, real)
        x, y = values[:generated], values[generated:]
        exact = 0.5 * (math.fsum(y[:, 0]) / real - math.fsum(x[:, 0]) / generated)
        found = float(generator_potential(context.put(x))[0]) - float(generator_potential(context.put(y))[0])
        worst = np.maximum(worst, abs(found - exact))
    at_generated, at_real = _learned(context)
    return Finding(
        [
            at_most("the generator's loss on x less that on y, against plain sums", worst, ROUNDING),
            standard_errors("at D = Φ, beside F(ρ)", at_generated - at_real, difference(M).energy(EXPONENT, SOFTENING)),
        ]
    )


def _learned(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """The generator's loss at D = Φ on generated samples, and the same on real ones, for each replicate."""
    rng = context.rng("samples")
    charges = quadrature_charges(context, difference(M), 16)  # Φ to 1e-5, far below what sampling leaves
    count = context.pick(150, 60)
    losses = np.empty((2, REPLICATES))
    for replicate in range(REPLICATES):
        for species, density in enumerate((generated_density(M), real_density(M))):
            points = context.put(density.sample(count, rng))
            values = cf.potential(points, charges, cf.Plummer(EXPONENT, SOFTENING), method="direct")
            losses[species, replicate] = float(generator_potential(values[:, None])[0])
    return losses[0], losses[1]


ENTRIES = (
    Entry(
        name="discriminator-loss",
        iclr=(9,),
        title="The discriminator's loss",
        statement=(
            r"\mathcal{L}_D(D; G) = \frac{1}{2} E_{p_a}\left( (D(\mathbf{a}) - \hat{\Phi}(\mathbf{a}))^2 \right)"
        ),
        plain="L_D(D; G) = ½ E_p(a) (D(a) − Φ̂(a))²",
        check=discriminator_loss,
        expected=Verdict.HOLDS,
        how="definition: plain sums for N_x = N_y and N_x ≠ N_y; Monte Carlo over p(a) against a closed form",
        code=("nets.losses.potential_regression",),
    ),
    Entry(
        name="discriminator-loss-sum",
        arxiv=(18,),
        title="The discriminator's loss in v1: a sum",
        statement=(
            r"\mathcal{L}_D = \frac{1}{2} \sum_{i=1}^{N_x + N_y}"
            r" \left( D(\mathbf{a}_i) - \hat{\Phi}(\mathbf{a}_i) \right)^2"
        ),
        plain="L_D = ½ Σ_{i ≤ N_x + N_y} (D(a_i) − Φ̂(a_i))²",
        check=discriminator_loss_sum,
        expected=Verdict.HOLDS,
        how="definition: a plain sum; it is 2N times Eq 9 where N_x = N_y = N, and no multiple of it elsewhere",
        code=("nets.losses.potential_regression",),
    ),
    Entry(
        name="evaluation-points",
        place="§2.4, after Eq 10",
        title="Where the discriminator is evaluated: samples in Gaussian balls",
        statement=(
            r"p(\mathbf{a}) = \frac{1}{2}\int \mathcal{N}(\mathbf{a}; G(\mathbf{z}), \epsilon \mathbf{I})"
            r" p_z(\mathbf{z})\, d\mathbf{z} + \frac{1}{2}\int \mathcal{N}(\mathbf{a}; \mathbf{y}, \epsilon \mathbf{I})"
            r" p_y(\mathbf{y})\, d\mathbf{y}"
        ),
        plain="p(a) = ½ ∫ N(a; G(z), ε I) p_z dz + ½ ∫ N(a; y, ε I) p_y dy",
        check=evaluation_points,
        expected=Verdict.MISPRINT,
        truth="covariance ε² I if ε is the kernel's, a length: εI holds in one unit of length only (the same at ε = 1)",
        how="the density in two units of length; losses at points in balls against a closed form by Monte Carlo",
        code=("nets.losses.potential_regression",),
    ),
    Entry(
        name="generator-loss",
        iclr=(10,),
        arxiv=(20,),
        title="The generator's loss",
        statement=(
            r"\mathcal{L}_G(G; D) = -\frac{1}{2} E_{p_z}\left( D(G(\mathbf{z})) \right)"
            r"\ \left[\mathrm{v1:}\ -\frac{1}{2}\frac{1}{N_x}\sum_{i=1}^{N_x} D(\mathbf{x}_i)\right]"
        ),
        plain="L_G(G; D) = −½ E D(G(z))  [v1: −½ (1/N_x) Σ D(x_i)]",
        check=generator_loss,
        expected=Verdict.HOLDS,
        how="definition: plain sums; at D = Φ Monte Carlo against −½ ∫ p_x Φ by one-dimensional integrals",
        code=("nets.losses.generator_potential",),
    ),
    Entry(
        name="learned-energy",
        arxiv=(19,),
        title="The energy as the discriminator knows it",
        statement=(
            r"\frac{1}{2} \left( \frac{1}{N_y} \sum_{i=1}^{N_y} D(\mathbf{y}_i)"
            r" - \frac{1}{N_x} \sum_{i=1}^{N_x} D(\mathbf{x}_i) \right)"
        ),
        plain="F ≈ ½ ((1/N_y) Σ D(y_i) − (1/N_x) Σ D(x_i))",
        check=learned_energy,
        expected=Verdict.HOLDS,
        how="definition: plain sums; at D = Φ Monte Carlo against F(ρ) by one-dimensional integrals",
        code=("nets.losses.generator_potential", "coulombfield.potential"),
    ),
)
