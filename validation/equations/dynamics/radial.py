r"""Radially symmetric densities under Eq 3: finite volumes between spheres, in any dimension.

The field of a shell of charge is the package's field of points on it, placed by quadrature over the angle: the force of
a radial kernel depends on distances only, so the points of a sphere in m dimensions may lie in a half-plane, with
the weights of the sphere's area. Charges of either sign are carried upwind, positive ones along E and negative ones
against it, and what meets in a cell cancels. The exact solution for Coulomb's kernel of m dimensions is the oracle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import coulombfield as cf
from validation.context import Context

from ..densities import GaussianMixture, sphere_area
from .exact import radial

ANGLES = 32
CLUSTERING = 4  # of the angles near 0, where the distance between neighbouring shells is small
STEPS = 10_000  # far more than any flow here takes: charges that pile up need ever shorter ones
COURANT = 0.4  # cells crossed in a step; the two stages and the limited slopes are stable up to 0.5


@dataclass(frozen=True)
class Shells:
    """Cells between concentric spheres.

    Attributes
    ----------
    dimension : int
        Dimension m of the space.
    edges : array, shape (n + 1,)
        Radii of the spheres, from 0 [length].
    """

    dimension: int
    edges: np.ndarray

    @classmethod
    def graded(cls, dimension: int, count: int, finest: float, largest: float) -> Shells:
        """Cells about ``finest`` wide at the origin, growing in proportion to the radius, out to ``largest``."""
        low, high = 1e-9, 60.0  # stretch x of r = R sinh(x i/n) / sinh(x) by bisection
        for _ in range(80):
            stretch = 0.5 * (low + high)
            if largest * math.sinh(stretch / count) > finest * math.sinh(stretch):
                low = stretch
            else:
                high = stretch
        return cls(dimension, largest * np.sinh(stretch * np.arange(count + 1) / count) / math.sinh(stretch))

    @property
    def sphere(self) -> float:
        """Area of the unit sphere, ω_m."""
        return sphere_area(self.dimension)

    @property
    def areas(self) -> np.ndarray:
        """Areas of the spheres, shape (n + 1,)."""
        return self.sphere * self.edges ** (self.dimension - 1)

    @property
    def volumes(self) -> np.ndarray:
        """Volumes of the cells, shape (n,)."""
        return self.sphere / self.dimension * np.diff(self.edges**self.dimension)

    @property
    def centers(self) -> np.ndarray:
        """Middles of the cells, shape (n,) [length]."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Radii (n, 2) and shares (n, 2) of Gauss's rule for an average over each cell."""
        abscissae, weights = np.polynomial.legendre.leggauss(2)
        radii = self.centers[:, None] + 0.5 * np.diff(self.edges)[:, None] * abscissae
        shares = weights * radii ** (self.dimension - 1)
        return radii, shares / shares.sum(axis=1, keepdims=True)

    def averages(self, density: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Cell averages of a function of the radius, shape (n,)."""
        radii, shares = self.nodes()
        return (density(radii.ravel()).reshape(radii.shape) * shares).sum(axis=1)


@dataclass(frozen=True)
class Couplings:
    """What a unit charge spread over each cell does.

    Attributes
    ----------
    field : array, shape (n + 1, n)
        Its outward field at the spheres [length^(-d - 1)].
    potential : array, shape (n, n)
        Its potential, averaged over each cell [length^-d].
    """

    field: np.ndarray
    potential: np.ndarray


def couplings(context: Context, cells: Shells, kernel: cf.RadialKernel) -> Couplings:
    """Fields and potentials of shells, by ``coulombfield.field`` and ``coulombfield.potential``."""
    cosines, sines, shares = angles(cells.dimension)
    radii, node_shares = cells.nodes()
    edges = context.put(np.stack([cells.edges, np.zeros_like(cells.edges)], axis=1))
    inside = context.put(np.stack([radii.ravel(), np.zeros(radii.size)], axis=1))
    fields, potentials = [], []
    for shell, shell_shares in zip(radii, node_shares, strict=True):
        points = np.stack([np.outer(shell, cosines).ravel(), np.outer(shell, sines).ravel()], axis=1)
        charges = cf.Charges(context.put(points), context.put(np.outer(shell_shares, shares).ravel()))
        fields.append(context.host(cf.field(edges, charges, kernel, method="direct"))[:, 0])
        values = context.host(cf.potential(inside, charges, kernel, method="direct"))
        potentials.append((values.reshape(radii.shape) * node_shares).sum(axis=1))
    field, potential = np.stack(fields, axis=1), np.stack(potentials, axis=1)
    field[0] = 0.0  # at the origin by symmetry
    return Couplings(field, 0.5 * (potential + potential.T))


def angles(dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines and sines of angles from an axis, and their shares in the average over a sphere in m dimensions."""
    abscissae, weights = np.polynomial.legendre.leggauss(ANGLES)
    t = 0.5 * (abscissae + 1)
    y = 2 * t**CLUSTERING  # 1 - cosine
    sines = np.sqrt(y * (2 - y))
    shares = weights * t ** (CLUSTERING - 1) * sines ** (dimension - 3)
    return 1 - y, sines, shares / shares.sum()


@dataclass(frozen=True)
class Flow:
    """A solution over time.

    Attributes
    ----------
    cells : Shells
        Where.
    matrices : Couplings
        The kernel.
    times : array, shape (steps + 1,)
        From 0 [time].
    densities : array, shape (steps + 1, n)
        Cell averages of ρ.
    moving : array, shape (steps + 1, n)
        Cell averages of the density that moves: ρ itself, or p_x where the data are fixed.
    """

    cells: Shells
    matrices: Couplings
    times: np.ndarray
    densities: np.ndarray
    moving: np.ndarray

    @property
    def charges(self) -> np.ndarray:
        """Charge in each cell, shape (steps + 1, n)."""
        return self.densities * self.cells.volumes

    @property
    def fields(self) -> np.ndarray:
        """E at the spheres, shape (steps + 1, n + 1)."""
        return self.charges @ self.matrices.field.T

    @property
    def largest(self) -> np.ndarray:
        """|ρ|_max, shape (steps + 1,)."""
        return np.abs(self.densities).max(axis=1)

    @property
    def energy(self) -> np.ndarray:
        """F, shape (steps + 1,)."""
        return 0.5 * ((self.charges @ self.matrices.potential) * self.charges).sum(axis=1)

    @property
    def dissipation(self) -> np.ndarray:
        """∫|ρ| ‖E‖² over what moves, shape (steps + 1,)."""
        squares = self.fields**2
        moving = np.abs(self.moving) * self.cells.volumes
        return 0.5 * (moving * (squares[:, 1:] + squares[:, :-1])).sum(axis=1)


def evolve(
    cells: Shells, matrices: Couplings, density: np.ndarray, until: float, data: np.ndarray | None = None
) -> Flow:
    """Solution of Eq 3, by limited linear reconstruction and Heun's two stages.

    Parameters
    ----------
    cells, matrices : Shells, Couplings
        Grid and kernel.
    density : array, shape (n,)
        Cell averages of ρ at first, or of p_x if there are data.
    until : float
        Last time.
    data : array, shape (n,), optional
        Cell averages of p_y, which stays where it is while p_x moves along −E.

    Raises
    ------
    ArithmeticError
        If it takes too many steps.
    """

    def slope(now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fields = matrices.field @ ((now if data is None else now - data) * cells.volumes)
        return fields, rate(cells, fields, now)  # the field of p_x - p_y is -E

    widths = np.diff(cells.edges)
    now, rows, times = np.array(density), [np.array(density)], [0.0]
    while times[-1] < until * (1 - 1e-12):
        if len(rows) > STEPS:
            raise ArithmeticError(f"expected to reach time {until:g} in {STEPS} steps, got to {times[-1]:g}")
        fields, first = slope(now)
        speed = np.maximum(np.abs(fields[1:]), np.abs(fields[:-1]))
        step = min(COURANT / float((speed / widths).max()), until - times[-1])
        second = slope(now + step * first)[1]
        now = now + 0.5 * step * (first + second)
        rows.append(now)
        times.append(times[-1] + step)
    moving = np.stack(rows)
    return Flow(cells, matrices, np.asarray(times), moving if data is None else data - moving, moving)


def rate(cells: Shells, fields: np.ndarray, density: np.ndarray) -> np.ndarray:
    """−∇·(|ρ|E) of every cell: what crosses its two spheres; nothing crosses the outermost."""
    slopes = np.diff(density) / np.diff(cells.centers)
    left, right = np.append(0.0, slopes), np.append(slopes, 0.0)
    slope = np.where(left * right > 0, np.sign(left) * np.minimum(np.abs(left), np.abs(right)), 0.0)
    half = 0.5 * np.diff(cells.edges) * slope
    inner, outer = (density + half)[:-1], (density - half)[1:]  # either side of each sphere
    field = fields[1:-1]
    along = np.maximum(inner, 0) + np.maximum(-outer, 0)  # positive from within, negative from without
    against = np.maximum(outer, 0) + np.maximum(-inner, 0)
    flux = np.where(field > 0, field * along, field * against)
    through = np.concatenate([[0.0], cells.areas[1:-1] * flux, [0.0]])
    return -np.diff(through) / cells.volumes


def normal_averages(cells: Shells, deviation: float) -> np.ndarray:
    """Cell averages of a normal density around the origin."""
    density = GaussianMixture(np.ones(1), np.zeros((1, cells.dimension)), np.array([deviation]))
    return cells.averages(lambda r: radial(density, r))
