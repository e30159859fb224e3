r"""Exact solutions with which the dynamics are compared; no code of ``coulombfield`` is used.

With Coulomb's kernel of m dimensions, d = m − 2 and ε = 0, the field of a radial density is that of the charge within,
:math:`E = (m - 2) Q(r) / r^{m - 1}`. The charge within is constant along the paths of Eq 3, so that

.. math:: r^m = r_0^m \pm m (m - 2)\, Q_0(r_0)\, t, \qquad
          |\rho| = \frac{|\rho_0|}{1 + (m - 2)\, \omega_m |\rho_0|\, t},

with the plus sign for positive charges. Where paths of both signs reach a place, the smaller Q is the one that's there:
the charges have met before, and cancelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv

from ..densities import GaussianMixture, sphere_area


@dataclass(frozen=True)
class CoreAndHalo:
    """ρ = N(0, core² I) − N(0, halo² I), which is positive within one radius and negative beyond.

    Attributes
    ----------
    dimension : int
        Dimension m of the space, 3 or more.
    core, halo : float
        Standard deviations, core < halo [length].
    """

    dimension: int
    core: float = 1.0
    halo: float = 2.0

    @property
    def mixture(self) -> GaussianMixture:
        """The same for the oracles of fields and energies."""
        means = np.zeros((2, self.dimension))
        return GaussianMixture(np.array([1.0, -1.0]), means, np.array([self.core, self.halo]))

    @property
    def sphere(self) -> float:
        """Area of the unit sphere, ω_m."""
        return sphere_area(self.dimension)

    @property
    def rate(self) -> float:
        """(m − 2) ω_m, the λ of Eq 25 for Coulomb's kernel."""
        return (self.dimension - 2) * self.sphere

    @property
    def border(self) -> float:
        """Radius at which ρ = 0."""
        return math.sqrt(2 * self.dimension * math.log(self.halo / self.core) / (self.core**-2 - self.halo**-2))

    def density(self, radius: np.ndarray) -> np.ndarray:
        """ρ at radii, at first."""
        return radial(self.mixture, radius)

    def within(self, radius: float) -> float:
        """Charge within a radius, at first."""
        core, halo = (gammainc(self.dimension / 2, 0.5 * (radius / s) ** 2) for s in (self.core, self.halo))
        return float(core - halo)

    def paths(self, radius: float, time: float) -> tuple[float, float]:
        """Where the positive and the negative charge at a radius have come from; NaN where there is none."""
        m = self.dimension
        push = m * (m - 2) * time
        most = push * self.within(self.border)
        positive = negative = math.nan
        if self.border**m + most >= radius**m:
            positive = brentq(lambda r: r**m + push * self.within(r) - radius**m, 0, self.border, xtol=1e-14)
        if self.border**m - most <= radius**m:
            furthest = radius + push ** (1 / m) + self.border
            negative = brentq(lambda r: r**m - push * self.within(r) - radius**m, self.border, furthest, xtol=1e-14)
        return positive, negative

    def charge(self, radius: float, time: float) -> float:
        """Charge within a radius at a time."""
        return min(self.within(r) for r in self.paths(radius, time) if not math.isnan(r))

    def later(self, radius: float, time: float) -> float:
        """ρ at a radius and a time."""
        here = [r for r in self.paths(radius, time) if not math.isnan(r)]
        return self._thinned(min(here, key=self.within), time)

    def front(self, time: float) -> tuple[float, float, float]:
        """Radius at which opposite charges meet, and ρ just within and just beyond it."""

        def excess(radius: float) -> float:
            positive, negative = (self.within(r) for r in self.paths(radius, time))
            return positive - negative

        m = self.dimension
        most = m * (m - 2) * time * self.within(self.border)
        low, high = max(self.border**m - most, 0.0) ** (1 / m) * (1 + 1e-9), (self.border**m + most) ** (1 / m)
        low = max(low, 1e-6 * self.border)
        radius = brentq(excess, low, high * (1 - 1e-9), xtol=1e-13)
        inner, outer = (self._thinned(r, time) for r in self.paths(radius, time))
        return radius, inner, outer

    def _thinned(self, origin: float, time: float) -> float:
        before = float(self.density(np.array([origin]))[0])
        return before / (1 + self.rate * abs(before) * time)


def radial(mixture: GaussianMixture, radius: np.ndarray) -> np.ndarray:
    """Density of a mixture around the origin, at radii."""
    points = np.zeros((len(radius), mixture.dimension))
    points[:, 0] = radius
    return mixture.density(points)


def shell_paths(start: float, data: float, softening: float, times: np.ndarray, count: int) -> np.ndarray:
    r"""Radii of generated shells in three dimensions while the data are fixed, by their closed-form forces for d = 1.

    A sphere of radius s with charge 1 has the potential

    .. math:: M(r, s) = \frac{\sqrt{(r + s)^2 + \varepsilon^2} - \sqrt{(r - s)^2 + \varepsilon^2}}{2 r s},

    and :math:`\dot r_i = \frac1n \sum_j [\partial_r M(r_i, y_j) - \partial_r M(r_i, r_j)]`.

    Parameters
    ----------
    start, data : float
        Standard deviations of p_x at first and of p_y, both normal around 0 [length].
    softening : float
        ε of the kernel, whose exponent is 1 [length].
    times : array, shape (T,)
        When to look.
    count : int
        Shells of each, at the middles of equally likely intervals.

    Returns
    -------
    array, shape (T, count)
        Their radii.
    """
    likely = (np.arange(count) + 0.5) / count
    unit = np.sqrt(2 * gammaincinv(1.5, likely))
    fixed = data * unit

    def pull(r: np.ndarray, s: np.ndarray) -> np.ndarray:
        far, near = r[:, None] + s, r[:, None] - s
        far_length, near_length = np.hypot(far, softening), np.hypot(near, softening)
        slope = (far / far_length - near / near_length) / (2 * r[:, None] * s)
        return (slope - (far_length - near_length) / (2 * r[:, None] ** 2 * s)).mean(axis=1)

    solution = solve_ivp(
        lambda _, r: pull(r, fixed) - pull(r, r), (0, times[-1]), start * unit, t_eval=times, rtol=1e-8, atol=1e-10
    )
    return solution.y.T
