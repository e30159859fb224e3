r"""§2.4: the variance of a minibatch's potential.

With N_y real and N_x generated samples the variance at a fixed point is

.. math:: \mathrm{Var}\,\hat\Phi(a) = \frac{\mathrm{Var}\,k(a, y)}{N_y} + \frac{\mathrm{Var}\,k(a, x)}{N_x},

and k² is the kernel of twice the exponent, so that Var k = E k² − (E k)² are one-dimensional integrals as well.
"""

from __future__ import annotations

import itertools

import numpy as np

import coulombfield as cf
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Curve, Finding, Plot, Verdict, above, near, standard_errors
from ..example_densities import difference, generated_density, real_density
from ..registry import Entry

GRID = np.array(list(itertools.product(np.linspace(-21, 21, 5), repeat=2)))  # centres of the paper's 25 Gaussians
PAPER_BATCH = 128
M, SOFTENING = 2, 1.0


def kernel_variance(density: GaussianMixture, points: np.ndarray, d: float, softening: float) -> np.ndarray:
    """Var k(a, b) at points a, for b from a density."""
    return density.potential(points, 2 * d, softening) - density.potential(points, d, softening) ** 2


def _grid_mixture(weights: np.ndarray) -> GaussianMixture:
    return GaussianMixture(weights / weights.sum(), GRID, np.ones(len(GRID)))


def potential_variance(context: Context) -> Finding:
    """Variance of Φ̂ over minibatches against the formula; its size beside Φ on the paper's 25 Gaussians."""
    rng = context.rng("grid")
    measurements = []
    real, generated = _grid_mixture(np.ones(25)), _grid_mixture(rng.uniform(0.5, 1.5, 25))
    for d, softening in ((1.0, 1.0), (3.0, 3.0)):
        points = generated.sample(context.pick(200, 60), rng)
        variances = [kernel_variance(p, points, d, softening) / PAPER_BATCH for p in (real, generated)]
        signal = (real - generated).potential(points, d, softening)
        ratio = float(np.sqrt((variances[0] + variances[1]).mean() / (signal**2).mean()))
        case = f"25 modes off by up to half, N = {PAPER_BATCH}, d = {d:g}, ε = {softening:g}"
        measurements.append(above(f"standard deviation of Φ̂ over Φ, root mean squares, {case}", ratio, 1.0))

    point, curves = np.array([[0.4, -0.3]]), []
    species = real_density(M), generated_density(M)
    batches = (4, 16, 64, 256)
    replicates = context.pick(2000, 600)
    for d, share in ((1.0, 1), (3.0, 3)):
        kernel, target = cf.Plummer(d, SOFTENING), context.put(point)
        of_real, of_generated = (float(kernel_variance(p, point, d, SOFTENING)[0]) for p in species)
        phi = float(difference(M).potential(point, d, SOFTENING)[0])
        found, exact = [], []
        for batch in batches:
            squares = np.empty(replicates)
            for replicate in range(replicates):
                samples = species[0].sample(batch, rng), species[1].sample(share * batch, rng)
                charges = cf.signed_charges(*map(context.put, samples))
                squares[replicate] = (float(cf.potential(target, charges, kernel, method="direct")[0]) - phi) ** 2
            found.append(float(squares.mean()))
            exact.append(of_real / batch + of_generated / (share * batch))
            case = f"d = {d:g}, N_y = {batch}, N_x = {share * batch}"
            measurements.append(standard_errors(f"mean (Φ̂ − Φ)² beside the formula, {case}", squares, exact[-1]))
        slope = np.polyfit(np.log(batches), np.log(found), 1)[0]
        # a variance of R normal numbers is off by √(2/R) = 6 % (quick), over a range of log 64
        measurements.append(near(f"slope of log variance against log N, d = {d:g}", slope, -1, 0.08))
        curves += [
            Curve(f"measured, d = {d:g}, N_x = {share} N_y", batches, found, "o"),
            Curve(f"formula, d = {d:g}", batches, exact),
        ]
    plot = Plot(
        "samples-potential-variance",
        "Variance of a minibatch's potential",
        "At a fixed point, over many minibatches, beside Var k(a, y)/N_y + Var k(a, x)/N_x: it falls as 1/N.",
        "N_y",
        "Var Φ̂(a) [length^−2d]",
        curves,
        log_x=True,
        log_y=True,
    )
    return Finding(measurements, [plot])


ENTRIES = (
    Entry(
        name="potential-variance",
        place="§2.4, after Eq 8",
        title="The estimate of the potential has a very high variance",
        statement=(
            r"\mathrm{Var}\,\hat{\Phi}(\mathbf{a}) \gg \Phi^2(\mathbf{a})\ \ \left[\, = \frac{\mathrm{Var}\,"
            r"k(\mathbf{a}, \mathbf{y})}{N_y} + \frac{\mathrm{Var}\,k(\mathbf{a}, \mathbf{x})}{N_x} \right]"
        ),
        plain="Φ̂ has a very high variance  [Var k(a, y)/N_y + Var k(a, x)/N_x]",
        check=potential_variance,
        expected=Verdict.HOLDS,
        how="integrals of k and k² on the 25 Gaussians; the formula by Monte Carlo at a fixed point, N_y from 4 to 256",
        code=("coulombfield.potential", "coulombfield.signed_charges"),
    ),
)
