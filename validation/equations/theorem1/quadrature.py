r"""Integrals of densities against the Laplacian of a kernel, shell by shell around one point.

The kernel depends on the distance alone, so all the charge of a sphere around a may lie at one point of it:

.. math:: \int \rho(b)\, \nabla_a^2 k(a, b)\,db = \int_0^\infty \omega_m r^{m-1} \bar\rho(r)\, \nabla^2 k(r)\,dr,

with the mean ρ̄(r) of ρ over the sphere and the area ω_m of the unit sphere. The nodes of a quadrature in log r become
point charges for ``coulombfield.laplacian``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import gamma, gammainc, hyp0f1, ive

import coulombfield as cf
from validation.context import Context

from ..densities import GaussianMixture, sphere_area

PANEL = 0.25  # in log r, of 16 Gauss-Legendre nodes: a Gaussian as narrow as 1/10 of its distance is resolved
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)
REACH = 10.0  # standard deviations; exp(−50) is 2e-22


class Shells(NamedTuple):
    """A density around a point as charges on shells.

    Attributes
    ----------
    dimension : int
        Dimension m of the space.
    radii, charges : array, shape (S,)
        Radii of the shells [length] and the charge on each.
    """

    dimension: int
    radii: np.ndarray
    charges: np.ndarray

    @property
    def sizes(self) -> Shells:
        """The same with the charges' absolute values: what rounding errors are relative to."""
        return self._replace(charges=np.abs(self.charges))


def shells(mean: Callable[[np.ndarray], np.ndarray], m: int, start: float, stop: float) -> Shells:
    """Charges of the shells between two radii, from the density's mean over spheres."""
    ends = np.linspace(math.log(start), math.log(stop), max(2, math.ceil(math.log(stop / start) / PANEL) + 1))
    half = np.diff(ends) / 2
    radii = np.exp((ends[:-1, None] + half[:, None] * (1 + NODES)).ravel())
    shares = (half[:, None] * NODE_WEIGHTS).ravel()
    return Shells(m, radii, sphere_area(m) * radii**m * mean(radii) * shares)


def shells_of(
    density: GaussianMixture, centre: np.ndarray, softening: float, start: float = 0.0, stop: float = math.inf
) -> Shells:
    """Charges of a mixture's shells around a point; those cut off hold less than rounding."""
    m = density.dimension
    distances = np.linalg.norm(density.means - centre, axis=1)
    finest = min(softening, float(density.deviations.min()), stop) * math.exp(-40 / m)  # r^m is exp(−40) of its size
    farthest = float((distances + REACH * density.deviations).max())
    return shells(lambda radii: spherical_mean(density, centre, radii), m, max(start, finest), min(stop, farthest))


def spherical_mean(density: GaussianMixture, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    r"""Mean of a mixture over spheres around a point, shape of the radii [charge / length^m].

    A normal density at distance D has the mean

    .. math:: N(D)\, e^{-r^2 / (2\sigma^2)}\, {}_0F_1\left(\tfrac m2; \tfrac{z^2}{4}\right), \qquad z = r D / \sigma^2,

    in which 0F1 is a Bessel function I of order m/2 − 1, scaled by its growth where z is large.
    """
    half, total = density.dimension / 2, np.zeros_like(radii)
    for weight, mean, deviation in zip(density.weights, density.means, density.deviations, strict=True):
        distance = float(np.linalg.norm(mean - centre))
        z = radii * distance / deviation**2
        small = hyp0f1(half, np.minimum(z, 1.0) ** 2 / 4) * np.exp(-np.minimum(z, 1.0))
        large = np.maximum(z, 1.0)
        scaled = np.where(z < 1.0, small, gamma(half) * (2 / large) ** (half - 1) * ive(half - 1, large))
        norm = weight * (2 * math.pi * deviation**2) ** -half
        total += norm * np.exp(-((radii - distance) ** 2) / (2 * deviation**2)) * scaled
    return total


def field_divergence(context: Context, charges: Shells, exponent: float, softening: float) -> float:
    """∇·E = −∫ρ∇²k at the centre of the shells, by the package [charge · length^(−d − 2)]."""
    positions = np.zeros((len(charges.radii), charges.dimension))
    positions[:, 0] = charges.radii
    found = cf.laplacian(
        context.put(np.zeros((1, charges.dimension))),
        cf.Charges(context.put(positions), context.put(charges.charges)),
        cf.Plummer(exponent, softening),
        method="direct",
    )
    return -float(context.host(found)[0])


def divergence_of(
    context: Context, density: GaussianMixture, centre: np.ndarray, exponent: float, softening: float
) -> float:
    """∇·E of a whole mixture at a point, by the package."""
    return field_divergence(context, shells_of(density, centre, softening), exponent, softening)


def unsoftened_divergence(density: GaussianMixture, exponent: float, radius: float = math.inf) -> float:
    r"""Limit ε → 0 of −∫ρ∇²k at 0 over a ball, for normal densities around 0.

    For d < m − 2 it is the absolutely convergent integral

    .. math:: d (m - 2 - d) \int \rho\, r^{-2-d}, \qquad
        \int N(0, \sigma^2 I)\, r^{-p}
        = (2\sigma^2)^{-p/2}\, \Gamma\bigl(\tfrac{m-p}{2}\bigr) / \Gamma\bigl(\tfrac m2\bigr)

    (with the lower incomplete gamma function for a ball), and for d = m − 2 it is (m − 2) ω_m ρ(0).
    """
    m = density.dimension
    if exponent == m - 2:
        return exponent * sphere_area(m) * float(density.density(np.zeros((1, m)))[0])
    order, power = (m - 2 - exponent) / 2, 2 + exponent
    inside = gammainc(order, radius**2 / (2 * density.deviations**2))
    moments = (2 * density.deviations**2) ** (-power / 2) * gamma(order) / gamma(m / 2) * inside
    return float(exponent * (m - 2 - exponent) * (density.weights @ moments))


def density_laplacian(density: GaussianMixture, point: np.ndarray) -> float:
    """∇²ρ of a mixture [charge / length^(m + 2)]."""
    total = 0.0
    for weight, mean, deviation in zip(density.weights, density.means, density.deviations, strict=True):
        one = GaussianMixture(np.array([weight]), mean[None], np.array([deviation]))
        square = float(((point - mean) ** 2).sum())
        total += float(one.density(point[None])[0]) * (square / deviation**2 - density.dimension) / deviation**2
    return total


def density_gradient(density: GaussianMixture, point: np.ndarray) -> np.ndarray:
    """∇ρ of a mixture, shape (m,) [charge / length^(m + 1)]."""
    total = np.zeros(density.dimension)
    for weight, mean, deviation in zip(density.weights, density.means, density.deviations, strict=True):
        one = GaussianMixture(np.array([weight]), mean[None], np.array([deviation]))
        total -= float(one.density(point[None])[0]) * (point - mean) / deviation**2
    return total
