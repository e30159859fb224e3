"""The densities that the chapters on definitions and samples share, and plain sums in Python to compare with."""

from __future__ import annotations

import functools
import math

import numpy as np

import coulombfield as cf
from validation.context import Context

from .densities import GaussianMixture, quadrature

REAL_MEANS = np.array([[0.8, -0.3, 0.2], [-0.5, 0.7, -0.4]])
GENERATED_MEANS = np.array([[-0.9, -0.4, 0.3], [0.4, 0.9, -0.6]])
TARGETS = np.array([[0.0, 0.0, 0.0], [0.7, -0.2, 0.1], [-1.1, -0.5, 0.4], [0.3, 1.2, -0.8], [2.5, -1.5, 1.0]])
"""Points a, in units of the softening 1: between the densities, inside each, and outside; use the first m columns."""


def real_density(m: int) -> GaussianMixture:
    """p_y in m ≤ 3 dimensions: two humps of unequal weight and width."""
    return GaussianMixture(np.array([0.6, 0.4]), REAL_MEANS[:, :m], np.array([0.5, 0.4]))


def generated_density(m: int) -> GaussianMixture:
    """p_x in m ≤ 3 dimensions: two other humps."""
    return GaussianMixture(np.array([0.7, 0.3]), GENERATED_MEANS[:, :m], np.array([0.45, 0.55]))


def difference(m: int) -> GaussianMixture:
    """ρ = p_y − p_x."""
    return real_density(m) - generated_density(m)


def quadrature_charges(context: Context, density: GaussianMixture, order: int) -> cf.Charges:
    """A density as charges at the nodes of its quadrature."""
    nodes, weights = quadrature(density, order)
    return cf.Charges(context.put(nodes), context.put(weights))


@functools.cache
def mean_kernel(first: str, second: str, m: int, exponent: float, softening: float) -> float:
    """E k(a, b) for a from one density and b from another, each ``real`` or ``generated``."""
    p, q = ({"real": real_density, "generated": generated_density}[name](m) for name in (first, second))
    same = 2 * p.energy(exponent, softening)
    if first == second:
        return same
    return 0.5 * (same + 2 * q.energy(exponent, softening)) - (p - q).energy(exponent, softening)


def plummer(a: np.ndarray, b: np.ndarray, exponent: float, softening: float) -> float:
    """The kernel of Eq 5 for two points, in Python's own arithmetic."""
    square = math.fsum((float(u) - float(v)) ** 2 for u, v in zip(a, b, strict=True)) + softening**2
    return 1.0 / math.sqrt(square) ** exponent


def plain_mean(a: np.ndarray, points: np.ndarray, exponent: float, softening: float) -> float:
    """Mean of k(a, b) over points b, as a loop with exact summation."""
    return math.fsum(plummer(a, b, exponent, softening) for b in points) / len(points)


def plain_double_mean(first: np.ndarray, second: np.ndarray, exponent: float, softening: float) -> float:
    """Mean of k(a, b) over all pairs, those of a point with itself among them, as a double loop."""
    return math.fsum(plain_mean(a, second, exponent, softening) for a in first) / len(first)
