"""Densities for the proof of Theorem 1: counter-examples, and extrema of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, root

from ..densities import GaussianMixture
from .quadrature import density_gradient

NARROW, WIDE = 0.1, 10.0
"""Standard deviations of the real data's two components around the generated samples' of 1."""


class Extremum(NamedTuple):
    """A density with one of its extrema.

    Attributes
    ----------
    what : str
        Which kind of extremum.
    density : GaussianMixture
        The density.
    point : array, shape (m,)
        Where ∇ρ = 0.
    """

    what: str
    density: GaussianMixture
    point: np.ndarray


def radial(m: int, weights: Sequence[float], deviations: Sequence[float]) -> GaussianMixture:
    """Signed mixture of normal densities around 0."""
    return GaussianMixture(np.array(weights), np.zeros((len(weights), m)), np.array(deviations))


def spiked(m: int, weight: float, narrow: float = NARROW) -> GaussianMixture:
    """ρ = w N(0, narrow² I) + (1 − w) N(0, 10² I) − N(0, I): a spike of real data amid generated samples.

    Nowhere else is |ρ| more than the (2π)^(−m/2) of the third term, where w > 2 narrow^m.
    """
    return radial(m, (weight, 1 - weight, -1.0), (narrow, WIDE, 1.0))


def counter_example() -> GaussianMixture:
    """The density at whose maximum the field converges for d = 1, in m = 5 dimensions."""
    return spiked(5, 3e-4)


def counter_example_for(m: int, exponent: float) -> GaussianMixture:
    """The same for any d < m − 2: the spike's part of ∫ρ r^(−2−d) is 3 narrow^(m − 2 − d), at most a half."""
    narrow = min(NARROW, (1 / 6) ** (1 / (m - 2 - exponent)))
    return spiked(m, 3 * narrow**m, narrow)


def sign_change(density: GaussianMixture) -> float:
    """Radius of the ball around 0 within which ρ keeps its sign, for a counter-example."""
    m = density.dimension

    def along(r: float) -> float:
        point = np.zeros((1, m))
        point[0, 0] = r
        return float(density.density(point)[0])

    radii = np.geomspace(1e-3 * float(density.deviations.min()), WIDE, 400)
    first = next(i for i, r in enumerate(radii) if along(r) * along(0.0) < 0)
    return float(brentq(along, radii[first - 1], radii[first], xtol=1e-15))


def largest_elsewhere(density: GaussianMixture) -> float:
    """Largest |ρ(r)| / |ρ(0)| at r > 0 of a radial density, from 1/100 of its narrowest length on."""
    points = np.zeros((4001, density.dimension))
    points[1:, 0] = np.geomspace(1e-2 * float(density.deviations.min()), 10 * float(density.deviations.max()), 4000)
    values = np.abs(density.density(points))
    return float(values[1:].max() / values[0])


def extrema(m: int) -> list[Extremum]:
    """Extrema of either sign in m dimensions, one of them at no centre of symmetry."""
    origin = np.zeros(m)
    aside = np.zeros((4, m))
    aside[1, :2] = 1.5, 0.5
    aside[2, :2] = -1.0, 0.7
    mixture = GaussianMixture(np.array([0.6, 0.4, -0.5, -0.5]), aside, np.array([0.7, 0.5, 1.0, 1.3]))
    found = root(lambda point: density_gradient(mixture, point), aside[1], tol=1e-14)
    # a dent half as deep as the hill that it is in
    dent = 0.5 * 0.3**m
    return [
        Extremum("maximum of the counter-example", spiked(m, 30 * NARROW**m), origin),
        Extremum("negative minimum", radial(m, (1.0, -1.0), (2.0, 1.0)), origin),
        Extremum("positive minimum", radial(m, (1.0 + dent, -dent, -1.0), (1.0, 0.3, 5.0)), origin),
        Extremum("maximum of a lopsided mixture", mixture, found.x),
    ]


def weight_without_divergence(spike: float, wide: float, unit: float) -> float:
    """Weight w of the spike for which ∇·E(0) = 0, from the ∇·E(0) of the three components alone."""
    return (unit - wide) / (spike - wide)
