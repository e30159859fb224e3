"""What does hold of the energy: a strictly positive definite kernel, F = 0 only for equal densities, F convex in ρ."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
from scipy.special import jv, kv

import coulombfield as cf
from coulombfield.calculus import observed_order
from validation.context import Context

from ..densities import GaussianMixture
from ..evidence import Finding, Measurement, Verdict, above, at_most, near, significantly_off, standard_errors
from ..registry import Entry

EPSILON = float(np.finfo(float).eps)
DIGITS = 50
GRAMS = ((1, 0.5, 1.0), (2, 1.0, 1.0), (3, 3.0, 1.0), (5, 4.5, 2.0), (2, 3.0, 0.1))
"""Dimension m, exponent d and softening ε of the Gram matrices: d below, at and above m − 2 and m."""


def positive_definite(context: Context) -> Finding:
    """Smallest eigenvalues of Gram matrices to 50 digits and by the package; Bochner's theorem by quadrature."""
    rng = context.rng("theorem1-gram")
    smallest, differences, energies = [], [], []
    for m, d, eps in GRAMS:
        points = eps * rng.standard_normal((8, m))
        kernel, on_device = cf.Plummer(d, eps), context.put(points)
        units = [cf.Charges(on_device[j : j + 1], context.put(np.ones(1))) for j in range(8)]
        gram = np.stack([context.host(cf.potential(on_device, unit, kernel, method="direct")) for unit in units])
        values, vectors = _eigensystem(points, d, eps)
        scale = values[-1]
        smallest.append(values[0] / scale)
        differences.append(abs(np.linalg.eigvalsh(gram)[0] - values[0]) / scale)
        softest = cf.Charges(on_device, context.put(vectors[:, 0].copy()))
        twice = 2 * cf.electrostatic_energy(softest, kernel, method="direct")
        energies.append(abs(twice - values[0]) / scale)
    cases = list(itertools.product(context.pick((1, 2, 3, 5, 8), (1, 3, 5)), (1.0, 2.0, 3.0), (0.3, 1.0)))
    bochner, lowest = [], []
    for m, d, eps in cases:
        distances = eps * np.array([0.0, 0.1, 1.0, 3.0])
        targets = np.zeros((4, m))
        targets[:, 0] = distances
        unit = cf.Charges(context.put(np.zeros((1, m))), context.put(np.ones(1)))
        package = context.host(cf.potential(context.put(targets), unit, cf.Plummer(d, eps), method="direct"))
        inverse, transform = _from_transform(m, d, eps, distances)
        bochner.append(np.abs(inverse / package - 1).max())
        lowest.append(transform.min())
    return Finding(
        [
            above(
                f"smallest over largest eigenvalue, {len(GRAMS)} Gram matrices of 8 points, 50 digits",
                np.min(smallest),
                0.0,
            ),
            # backward error of 8 × 8: entries have a relative error of a few units
            at_most(
                "smallest eigenvalue by the package, distance from that over the largest",
                np.max(differences),
                32 * EPSILON,
            ),
            at_most("twice the energy of its eigenvector's charges, the same", np.max(energies), 32 * EPSILON),
            above(f"smallest Fourier transform of k, {len(cases)} cases", np.min(lowest), 0.0),
            # of the trapezoidal rule with some 20 oscillations; the integrand is at most 100 times its integral
            at_most("k as the Fourier integral of that positive function, relative error", np.max(bochner), 1e-10),
        ]
    )


def _eigensystem(points: np.ndarray, d: float, softening: float) -> tuple[np.ndarray, np.ndarray]:
    """Rising eigenvalues and eigenvectors of the Gram matrix, computed to 50 digits from the kernel's definition."""
    with mpmath.workdps(DIGITS):
        rows = [[mpmath.mpf(float(x)) for x in point] for point in points]
        square, power = mpmath.mpf(softening) ** 2, -mpmath.mpf(d) / 2
        count = len(rows)
        gram = mpmath.matrix(count, count)
        for i, j in itertools.product(range(count), repeat=2):
            gram[i, j] = (sum((x - y) ** 2 for x, y in zip(rows[i], rows[j], strict=True)) + square) ** power
        values, vectors = mpmath.eigsy(gram)
        return np.array([float(v) for v in values]), np.array(vectors.tolist(), dtype=float)


def _from_transform(m: int, d: float, softening: float, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Inverse Fourier transform at distances r of the transform of k, and the transform at the nodes.

    .. math:: \hat k(\omega) = \frac{2 \pi^{m/2}}{\Gamma(d/2)} \left(\frac{\omega}{2\varepsilon}\right)^{(d - m)/2}
        K_{(m - d)/2}(\varepsilon\omega), \qquad
        k(r) = (2\pi)^{-m/2} \int_0^\infty \hat k(\omega)\, \omega^{m-1}\,
        (r\omega)^{1 - m/2} J_{m/2 - 1}(r\omega)\, d\omega

    The trapezoidal rule in log ω.
    """
    step = 0.01
    nodes = np.exp(np.arange(-40 / min(d, m), math.log(45.0), step)) / softening
    transform = 2 * math.pi ** (m / 2) / math.gamma(d / 2) * (nodes / (2 * softening)) ** ((d - m) / 2)
    transform *= kv((m - d) / 2, softening * nodes)
    order = m / 2 - 1
    found = []
    for r in distances:
        z = np.maximum(r * nodes, 1e-10)
        wave = np.where(r * nodes < 1e-8, 2.0**-order / math.gamma(order + 1), z**-order * jv(order, z))
        found.append((2 * math.pi) ** (-m / 2) * step * (transform * nodes**m * wave).sum())
    return np.array(found), transform


def zero_energy(context: Context) -> Finding:
    """Energies between mixtures by samples against one-dimensional integrals; equal ones; shifts that go to 0."""
    kernel, m = cf.Plummer(1.0, 0.5), 2
    one = GaussianMixture(np.ones(1), np.zeros((1, m)), np.ones(1))
    wider = GaussianMixture(np.ones(1), np.zeros((1, m)), np.array([1.5]))
    aside = GaussianMixture(np.ones(1), np.array([[0.8, 0.0]]), np.ones(1))
    # means at distance √(2 (1 − 0.3²)) from 0 in four directions: mean 0 and covariance I, like the first
    corners = math.sqrt(2 * (1 - 0.3**2)) * np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    same_moments = GaussianMixture(np.full(4, 0.25), corners, np.full(4, 0.3))
    replicates, count = context.pick((64, 250), (24, 250))
    measurements: list[Measurement] = []
    for name, real, claim_zero in (
        ("equal densities", one, True),
        ("a wider one", wider, False),
        ("one aside", aside, False),
        ("one of equal mean and covariance", same_moments, False),
    ):
        rng = context.rng(f"theorem1-energy-{name}")
        found = np.array(
            [
                cf.interaction_energy(
                    context.put(real.sample(count, rng)),
                    context.put(one.sample(count, rng)),
                    kernel,
                    unbiased=True,
                    method="direct",
                )
                for _ in range(replicates)
            ]
        )
        exact = (real - one).energy(kernel.exponent, kernel.softening)
        what = f"F between N(0, I) and {name}, from samples"
        measurements.append(standard_errors(what, found, exact))
        if claim_zero:
            measurements.append(at_most("|F| of equal densities, by integrals", abs(exact), 1e-14))
        else:
            measurements += [
                significantly_off(f"{what}, from 0", found, 0.0),
                above(f"{what}, by integrals", exact, 0.0),
            ]
    points = context.rng("theorem1-shift").standard_normal((50, m))
    shifts = (1e-1, 1e-2, 1e-3, 1e-4)
    energies = []
    for shift in shifts:
        moved = points + shift * np.array([0.6, 0.8])
        energies.append(cf.interaction_energy(context.put(points), context.put(moved), kernel, method="direct"))
    measurements += [
        above("F̂ between 50 samples and the same shifted by 1e-4", energies[-1], 100 * EPSILON),  # several means near 1
        near("order with which it vanishes with the shift", observed_order(shifts, energies), 2, 0.01),
    ]
    return Finding(measurements)


def convexity(context: Context) -> Finding:
    """F along segments between charge distributions: exactly quadratic, with 2 F(ρ1 − ρ0) > 0 as second derivative."""
    rng = context.rng("theorem1-convex")
    errors, lowest, gaps, count = [], [], [], context.pick(40, 12)
    for _ in range(count):
        m, d, eps = int(rng.integers(1, 6)), float(rng.uniform(0.5, 4)), float(rng.uniform(0.3, 2))
        positions = rng.standard_normal((10, m))
        ends = rng.standard_normal((2, 10))
        ends -= ends.mean(axis=1, keepdims=True)  # differences of densities have the total charge 0
        first, last, between = (_energy(positions, q, d, eps) for q in (ends[0], ends[1], ends[1] - ends[0]))
        size = _energy(positions, np.abs(ends).sum(axis=0), d, eps)
        lowest.append(between / size)
        for t in (0.1, 0.5, 0.8):
            charges = cf.Charges(context.put(positions), context.put((1 - t) * ends[0] + t * ends[1]))
            found = cf.electrostatic_energy(charges, cf.Plummer(d, eps), method="direct")
            gaps.append(((1 - t) * first + t * last - found) / size)
            errors.append(abs(gaps[-1] - t * (1 - t) * between / size))
    return Finding(
        [
            above(
                f"smallest (1 − t)F(ρ0) + tF(ρ1) − F((1 − t)ρ0 + tρ1), {3 * count} cases, relative to Σ|q q k|",
                np.min(gaps),
                0.0,
            ),
            # sums of 100 terms
            at_most("its difference from t(1 − t) F(ρ1 − ρ0), the same", np.max(errors), 100 * EPSILON),
            above("smallest F(ρ1 − ρ0), the same", np.min(lowest), 0.0),
        ]
    )


def _energy(positions: np.ndarray, weights: np.ndarray, d: float, softening: float) -> float:
    """½ Σ q q k as a correctly rounded sum over pairs."""
    pairs = itertools.product(range(len(weights)), repeat=2)
    terms = (
        weights[i] * weights[j] * (float(((positions[i] - positions[j]) ** 2).sum()) + softening**2) ** (-d / 2)
        for i, j in pairs
    )
    return 0.5 * math.fsum(terms)


ENTRIES = (
    Entry(
        name="positive-definite",
        place="§2.3.2 (ii), what it leans on",
        title="The kernel is strictly positive definite",
        statement=(
            r"\sum_{i,j} c_i c_j\, k(\mathbf{a}_i, \mathbf{a}_j) > 0\ \ (c \neq 0);\qquad"
            r" \hat k(\omega) \propto (\omega/\epsilon)^{(d-m)/2} K_{(m-d)/2}(\epsilon\omega) > 0"
        ),
        plain="Σ c_i c_j k(a_i, a_j) > 0 unless c = 0, in every dimension, for all d > 0, ε > 0",
        check=positive_definite,
        expected=Verdict.HOLDS,
        how="smallest eigenvalues of Gram matrices to 50 digits; the kernel as Fourier integral of a positive function",
        code=("coulombfield.Plummer", "coulombfield.potential", "coulombfield.electrostatic_energy"),
    ),
    Entry(
        name="zero-energy",
        place="§2.3, §2.3.2 (ii)",
        title="The energy is 0 only for equal densities",
        statement=(
            r"F(\rho) \geq 0,\qquad F(\rho) = 0\ \Leftrightarrow\ \Phi(\mathbf{a}) = 0\ \forall\mathbf{a}"
            r"\ \Leftrightarrow\ p_x = p_y"
        ),
        plain="F(ρ) ≥ 0, and F(ρ) = 0 only if Φ = 0 everywhere, only if p_x = p_y",
        check=zero_energy,
        expected=Verdict.HOLDS,
        how="energies between mixtures from samples, against one-dimensional integrals and against 0",
        code=("coulombfield.interaction_energy",),
    ),
    Entry(
        name="energy-convex",
        place="A.3, what does hold",
        title="The energy is convex in ρ",
        statement=(
            r"F((1-t)\rho_0 + t\rho_1) = (1-t)F(\rho_0) + tF(\rho_1) - t(1-t)F(\rho_1-\rho_0)"
            r" \leq (1-t)F(\rho_0) + tF(\rho_1)"
        ),
        plain="F((1−t)ρ₀ + tρ₁) = (1−t)F(ρ₀) + tF(ρ₁) − t(1−t)F(ρ₁−ρ₀), convex in ρ",
        check=convexity,
        expected=Verdict.HOLDS,
        how="the package's energies along segments against correctly rounded sums over pairs",
        code=("coulombfield.electrostatic_energy",),
    ),
)
