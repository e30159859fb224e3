r"""Densities whose potentials are one-dimensional integrals: the oracle for everything that is stated for densities.

The Plummer kernel is a mixture of Gaussians,

.. math:: (r^2 + \varepsilon^2)^{-d/2}
          = \frac{1}{\Gamma(d/2)} \int_0^\infty t^{d/2 - 1} e^{-t \varepsilon^2} e^{-t r^2}\,dt,

and a Gaussian density convolved with a Gaussian is one. So the potential of a normal density with standard
deviation σ is

.. math:: \Phi(a) = \frac{1}{\Gamma(d/2)} \int_0^\infty t^{d/2 - 1} e^{-t\varepsilon^2}
          (1 + 2 t \sigma^2)^{-m/2} e^{-c \|a - \mu\|^2}\,dt, \qquad c = \frac{t}{1 + 2 t \sigma^2}.

With t = e^u the integrand is smooth and decays at both ends, where the trapezoidal rule converges faster than any
power of its step. No code of ``coulombfield`` is used.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

STEP = 0.125  # in u; the error is about exp(-pi² / STEP), far below rounding
SMALLEST = 90.0  # the integrand falls as exp(u d/2) to the left: cut at exp(-45)
LARGEST = 60.0  # and as exp(-ε² e^u) to the right


@dataclass(frozen=True)
class GaussianMixture:
    r"""Signed mixture of isotropic normal densities, :math:`\rho(a) = \sum_i w_i N(a; \mu_i, \sigma_i^2 I)`.

    Parameters
    ----------
    weights : array, shape (K,)
        Charges w of the components, of any sign [charge].
    means : array, shape (K, m)
        Their centres μ [length].
    deviations : array, shape (K,)
        Their standard deviations σ, positive, per coordinate [length].
    """

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray

    @property
    def dimension(self) -> int:
        """Dimension m of the space."""
        return self.means.shape[1]

    def density(self, points: np.ndarray) -> np.ndarray:
        """ρ at points (T, m), shape (T,) [charge / length^m]."""
        squares = self._squares(points)
        norms = (2 * math.pi * self.deviations**2) ** (-self.dimension / 2)
        return np.exp(-squares / (2 * self.deviations**2)) @ (self.weights * norms)

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws from a mixture whose weights are positive, shape (count, m) [length]."""
        if np.min(self.weights) < 0:
            raise ValueError(f"weights: expected positive numbers to draw from, got {self.weights}")
        chosen = rng.choice(len(self.weights), count, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((count, self.dimension))
        return self.means[chosen] + self.deviations[chosen, None] * noise

    def __sub__(self, other: GaussianMixture) -> GaussianMixture:
        return GaussianMixture(
            np.concatenate([self.weights, -other.weights]),
            np.concatenate([self.means, other.means]),
            np.concatenate([self.deviations, other.deviations]),
        )

    def potential(self, points: np.ndarray, exponent: float, softening: float) -> np.ndarray:
        """Φ (Eq 1 with the kernel of Eq 5) at points (T, m), shape (T,) [charge · length^-d]."""
        nodes, shares = _nodes(exponent, softening)
        return np.stack([self._integrate(row, nodes, shares)[0] for row in self._squares(points)])

    def field(self, points: np.ndarray, exponent: float, softening: float) -> np.ndarray:
        """E = −∇Φ (Eq 6) at points (T, m), shape (T, m) [charge · length^(-d - 1)]."""
        nodes, shares = _nodes(exponent, softening)
        rows = [self._integrate(row, nodes, shares)[1] for row in self._squares(points)]
        return np.stack([row @ (point - self.means) for row, point in zip(rows, points, strict=True)])

    def field_divergence(self, points: np.ndarray, exponent: float, softening: float) -> np.ndarray:
        """∇·E = −∇²Φ (Eq 12) at points (T, m), shape (T,) [charge · length^(-d - 2)]."""
        nodes, shares = _nodes(exponent, softening)
        return np.stack([self._integrate(row, nodes, shares)[2] for row in self._squares(points)])

    def energy(self, exponent: float, softening: float) -> float:
        """F = ½ ∬ ρ ρ k (Eq 7) [charge² · length^-d]."""
        nodes, shares = _nodes(exponent, softening)
        total = 0.0
        for weight, mean, deviation in zip(self.weights, self.means, self.deviations, strict=True):
            spread = GaussianMixture(self.weights, self.means, np.hypot(self.deviations, deviation))
            squares = spread._squares(mean[None])[0]
            total += 0.5 * weight * spread._integrate(squares, nodes, shares)[0]
        return float(total)

    def _squares(self, points: np.ndarray) -> np.ndarray:
        return ((points[:, None, :] - self.means) ** 2).sum(axis=2)

    def _integrate(self, squares: np.ndarray, t: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Potential, field over (point − mean) for each component, and divergence of the field, at one point."""
        stretch = 1 + 2 * t[:, None] * self.deviations**2
        c = t[:, None] / stretch
        terms = shares[:, None] * self.weights * stretch ** (-self.dimension / 2) * np.exp(-c * squares)
        divergence = (terms * (2 * self.dimension * c - 4 * c**2 * squares)).sum()
        return float(terms.sum()), (terms * 2 * c).sum(axis=0), float(divergence)


def quadrature(density: GaussianMixture, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (Q, m) and weights (Q,) of Gauss–Hermite's rule of this many nodes per dimension, for each component.

    Σ weights · f(nodes) converges to ∫ ρ f faster than any power of the order, for an analytic f.
    """
    m = density.dimension
    abscissae, shares = np.polynomial.hermite.hermgauss(order)
    grid = np.array(list(itertools.product(abscissae, repeat=m)))
    products = np.array(list(itertools.product(shares, repeat=m))).prod(axis=1) / math.pi ** (m / 2)
    nodes = density.means[:, None, :] + math.sqrt(2) * density.deviations[:, None, None] * grid
    return nodes.reshape(-1, m), (density.weights[:, None] * products).ravel()


def sphere_area(m: int) -> float:
    """Area ω_m of the unit sphere in m dimensions."""
    return 2 * math.pi ** (m / 2) / math.gamma(m / 2)


def _nodes(exponent: float, softening: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes t and weights of ∫ t^(d/2 − 1) e^(−t ε²) … dt / Γ(d/2)."""
    u = np.arange(-SMALLEST / exponent, math.log(LARGEST / softening**2), STEP) + 1e-3
    t = np.exp(u)
    return t, STEP * np.exp(0.5 * exponent * u - t * softening**2 - math.lgamma(0.5 * exponent))
