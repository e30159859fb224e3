"""How particles are distributed: radii that hold parts of a mass, pair correlations, waves, and speeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from ..arguments import check_count, entries, finite_number
from ..arrays import Array, backend, floating, to_numpy
from ..charges import check_like, check_points
from ..periodic import Box
from .mechanics import centre_of_mass

TILE_NUMBERS = 2**20  # phases in memory at once


class Histogram(NamedTuple):
    """A function by bins."""

    edges: np.ndarray
    """Ends of the bins, shape (bins + 1,)."""
    values: np.ndarray
    """The function in each bin, shape (bins,)."""

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])


def lagrangian_radii(
    positions: Array,
    masses: Array,
    fractions: Sequence[float] = (0.1, 0.5, 0.9),
    *,
    centre: Sequence[float] | None = None,
) -> np.ndarray:
    """Radii of the spheres that hold parts of the mass [length].

    Parameters
    ----------
    positions : array, shape (N, m)
        [length], N ≥ 1.
    masses : array, shape (N,)
        [mass].
    fractions : sequence of float
        Parts of the whole mass, each more than 0 and at most 1.
    centre : sequence of float, optional
        Of the spheres [length]; the centre of mass without it.

    Returns
    -------
    array, shape (len(fractions),)
        For each the distance of the particle by which the mass inside, itself included, reaches that part.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array or out of range.
    """
    parts = [finite_number("fractions", part, "positive") for part in entries("fractions", fractions, "numbers")]
    if parts and max(parts) > 1:
        raise ValueError(f"fractions: expected numbers of at most 1, got {max(parts):g}")
    middle = centre_of_mass(positions, masses)
    if centre is not None:
        middle = np.asarray([finite_number("centre", x) for x in entries("centre", centre, "numbers", len(middle))])
    distances = np.linalg.norm(_host("positions", positions) - middle, axis=1)
    order = np.argsort(distances, kind="stable")
    inside = np.cumsum(to_numpy(floating(masses=masses)[0]).astype(float)[order])
    # Rounding may leave the last sum below the whole.
    rows = np.searchsorted(inside / inside[-1], np.asarray(parts) * (1 - 1e-12))
    return distances[order][np.minimum(rows, len(order) - 1)]


def radial_distribution(
    positions: Array,
    others: Array | None = None,
    *,
    longest: float,
    bins: int = 100,
    volume: float | None = None,
    box: Box | Sequence[float] | None = None,
) -> Histogram:
    r"""Pair distribution function g(r): pairs at a distance, in parts of those of particles without correlations.

    .. math:: g(r) = \frac{V}{N (N - 1)} \frac{\#\{i \ne j : r_{ij} \in \text{shell}\}}{V_\text{shell}}

    and :math:`V / (N_a N_b)` in front of pairs of two kinds.

    Parameters
    ----------
    positions : array, shape (N, m)
        [length], N ≥ 2.
    others : array, shape (N_b, m), optional
        Particles of another kind; without it the pairs are among the first.
    longest : float
        Largest r [length].
    bins : int
        Shells of equal width from 0 on.
    volume : float, optional
        V [length^m]; that of the box without it, if it is periodic along all axes.
    box : Box or sequence of float, optional
        :class:`coulombfield.periodic.Box`, or the edges of one that is periodic along all axes: distances are those to
        the nearest image, and ``longest`` is at most half a period. Without it space is open, and g falls off by the
        particles at the surface, which have no neighbours outside.

    Returns
    -------
    Histogram
        g by shells.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array or out of range, or there is neither a volume nor a box.

    Notes
    -----
    M. P. Allen, D. J. Tildesley, *Computer Simulation of Liquids*, 2017, section 8.2. A tree counts the pairs.
    """
    x = _host("positions", positions)
    y = x if others is None else _host("others", others)
    check_like("others", y, "positions", x)
    least = 2 if others is None else 1
    if len(x) < least or not len(y):
        raise ValueError(f"positions: expected at least {least} particles, got {min(len(x), len(y))}")
    check_count("bins", bins, least=1)
    longest, dimension = finite_number("longest", longest, "positive"), x.shape[1]
    sides = None
    if box is not None:
        sides = _periods(box, dimension)
        least = sides[sides > 0].min() / 2
        if longest > least:
            raise ValueError(f"longest: expected at most half a period of the box, {least:g}, got {longest:g}")
        repeats = sides > 0
        for points in (x, y):  # copies of the arguments
            # The remainder of a tiny negative number is the period itself.
            points[:, repeats] = np.mod(points[:, repeats], sides[repeats]) % sides[repeats]
    if volume is None:
        if sides is None or not sides.all():
            raise ValueError("volume: expected a number where there is no box, or one with an open axis, got None")
        volume = float(sides.prod())
    volume = finite_number("volume", volume, "positive")
    edges = np.linspace(0, longest, bins + 1)
    trees = KDTree(x, boxsize=sides), KDTree(y, boxsize=sides)
    pairs = np.diff(trees[0].count_neighbors(trees[1], edges).astype(float))
    # Those at no distance, of which each particle of one kind is one with itself.
    pairs[0] += float(trees[0].count_neighbors(trees[1], 0.0)) - (len(x) if others is None else 0)
    shells = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1) * np.diff(edges**dimension)
    possible = len(x) * (len(x) - 1 if others is None else len(y))
    return Histogram(edges, pairs / shells * volume / possible)


def _periods(box: Box | Sequence[float], dimension: int) -> np.ndarray:
    """Period along each axis [length], 0 where it is open."""
    if not isinstance(box, Box):
        return np.asarray([finite_number("box", side, "positive") for side in entries("box", box, "edges", dimension)])
    if box.dimension != dimension:
        raise ValueError(f"box: expected {dimension} axes like positions, got {box.dimension}")
    periods = np.zeros(dimension)
    periods[list(box.axes)] = box.sides
    return periods


def structure_factor(positions: Array, wave_vectors: Array, charges: Array | None = None) -> np.ndarray:
    r"""Static structure factor.

    .. math:: S(k) = \frac{\bigl|\sum_i q_i e^{-i k \cdot x_i}\bigr|^2}{\sum_i q_i^2}

    Parameters
    ----------
    positions : array, shape (N, m)
        [length].
    wave_vectors : array, shape (K, m)
        k [1 / length]; in a periodic box 2π n / L for integers n.
    charges : array, shape (N,), optional
        q, for the structure factor of charges; all 1 without it.

    Returns
    -------
    array, shape (K,)
        1 on average for particles without correlations; N at k = 0 for like particles.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array, or all charges are 0.

    Notes
    -----
    J.-P. Hansen, I. R. McDonald, *Theory of Simple Liquids*, 2013, section 4.1. N K waves, in tiles of 2^20.
    """
    x, k = _host("positions", positions), _host("wave_vectors", wave_vectors)
    check_like("wave_vectors", k, "positions", x)
    q = np.ones(len(x)) if charges is None else _host_vector("charges", charges)
    if q.shape != (len(x),):
        raise ValueError(f"charges: expected shape ({len(x)},) like positions, got {q.shape}")
    size = float(q @ q)
    if not size:
        raise ValueError("charges: expected some other than 0, got none")
    rows = max(1, TILE_NUMBERS // max(1, len(x)))
    waves = [np.exp(-1j * (k[i : i + rows] @ x.T)) @ q for i in range(0, len(k), rows)]
    return np.abs(np.concatenate([np.zeros(0, complex), *waves])) ** 2 / size


def speed_distribution(velocities: Array, *, bins: int = 50, largest: float | None = None) -> Histogram:
    """Density of speeds [time / length]: parts of the particles by unit of speed, 1 in all.

    Parameters
    ----------
    velocities : array, shape (N, m)
        [length / time], N ≥ 1.
    bins : int
        Bins of equal width from 0 on.
    largest : float, optional
        End of the last bin [length / time]; the largest speed without it. Faster particles count in N only.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array or out of range.
    """
    speeds = np.linalg.norm(_host("velocities", velocities), axis=1)
    if not len(speeds):
        raise ValueError("velocities: expected at least one particle, got none")
    if largest is None and not np.isfinite(speeds).all():
        raise ValueError("velocities: expected finite numbers, or a largest speed beside them")
    check_count("bins", bins, least=1)
    end = float(speeds.max()) or 1.0 if largest is None else finite_number("largest", largest, "positive")
    counts, edges = np.histogram(speeds, bins, (0.0, end))
    return Histogram(edges, counts / (len(speeds) * np.diff(edges)))


def maxwell_density(speeds: Array, width: float, dimension: int = 3) -> np.ndarray:
    r"""Density of speeds in equilibrium, Maxwell's distribution, to hold beside :func:`speed_distribution`.

    .. math:: p(v) = \frac{2\, v^{m - 1}}{(2 \sigma^2)^{m/2}\, \Gamma(m/2)}\, e^{-v^2 / 2 \sigma^2},
        \qquad \sigma = \sqrt{T / \text{mass}}

    Parameters
    ----------
    speeds : array, shape (K,)
        v ≥ 0 [length / time].
    width : float
        σ > 0 [length / time].
    dimension : int
        m.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array or out of range.
    """
    v = _host_vector("speeds", speeds)
    width = finite_number("width", width, "positive")
    check_count("dimension", dimension, least=1)
    norm = 2 / ((2 * width**2) ** (dimension / 2) * math.gamma(dimension / 2))
    return norm * v ** (dimension - 1) * np.exp(-0.5 * (v / width) ** 2)


def _host(name: str, points: Array) -> np.ndarray:
    (points,) = floating(**{name: points})
    backend(**{name: points})
    check_points(name, points)
    return to_numpy(points).astype(float)


def _host_vector(name: str, numbers: Array) -> np.ndarray:
    (numbers,) = floating(**{name: numbers})
    backend(**{name: numbers})
    if numbers.ndim != 1:
        raise ValueError(f"{name}: expected shape (count,), got {tuple(numbers.shape)}")
    return _host(name, numbers[:, None])[:, 0]
