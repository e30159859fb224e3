"""Pictures of a set of points: the potential on a grid, and histograms of density."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import NamedTuple

import array_api_compat
import numpy as np

from ..arguments import check_count, entries, finite_number
from ..arrays import Array, backend, floating, to_numpy
from ..charges import Charges, check_charges, check_points
from ..kernels import RadialKernel
from ..sums import potential


class GridPotential(NamedTuple):
    """The potential on a rectangular grid."""

    coordinates: tuple[np.ndarray, ...]
    """Coordinates along each axis of the grid [length], one array of float64 an axis."""
    values: Array
    """Φ [charge · kernel], with one index an axis ('ij' order), of the library, dtype and device of the charges."""


class Density(NamedTuple):
    """A histogram whose integral over its box is the share of the points that lie in it."""

    edges: tuple[np.ndarray, ...]
    """Borders of the bins along each axis [length], float64."""
    values: np.ndarray
    """Share of the points in a bin over its volume [1 / length^axes], float64."""


def potential_on_grid(
    charges: Charges,
    kernel: RadialKernel,
    *,
    lower: Sequence[float],
    upper: Sequence[float],
    shape: Sequence[int],
    axes: Sequence[int] | None = None,
    through: Sequence[float] | None = None,
    rtol: float | None = None,
    method: str = "auto",
) -> GridPotential:
    """Potential of charges on a grid over all axes, or over some of them through a given point.

    Parameters
    ----------
    charges : Charges
        The charges, in m dimensions.
    kernel : RadialKernel
        The kernel.
    lower, upper : sequence of float
        First and last coordinate of the grid along each of its axes [length].
    shape : sequence of int
        Points of the grid along each of its axes, 1 or more; one point stands at ``lower``.
    axes : sequence of int, optional
        Which axes of space the grid spans, each once; all m if it is left out.
    through : sequence of float, optional
        A point that the grid contains, or would if it went on: m coordinates [length], of which those outside ``axes``
        count; the origin if it is left out.
    rtol, method
        As for :func:`coulombfield.potential`.

    Returns
    -------
    GridPotential
        Coordinates and values.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; as for :func:`coulombfield.potential`.

    Notes
    -----
    Memory is m numbers a point of the grid.
    """
    check_charges(charges)
    positions = charges.positions
    dimension = positions.shape[1]
    chosen = _chosen_axes(axes, dimension)
    first, last = (
        [finite_number(name, x) for x in entries(name, given, "numbers, one an axis", len(chosen))]
        for name, given in (("lower", lower), ("upper", upper))
    )
    sizes = entries("shape", shape, "integers, one an axis", len(chosen))
    for size in sizes:
        check_count("shape", size, least=1)
    point = [0.0] * dimension if through is None else entries("through", through, "coordinates", dimension)
    xp, device = backend(positions=positions), array_api_compat.device(positions)
    coordinates = tuple(np.linspace(a, b, int(n)) for a, b, n in zip(first, last, sizes, strict=True))
    points = np.empty((math.prod(map(int, sizes)), dimension))
    points[:] = [finite_number("through", x) for x in point]
    points[:, chosen] = np.stack([x.ravel() for x in np.meshgrid(*coordinates, indexing="ij")], axis=1)
    targets = xp.asarray(points, dtype=positions.dtype, device=device)
    values = potential(targets, charges, kernel, rtol=rtol, method=method)
    return GridPotential(coordinates, xp.reshape(values, tuple(map(int, sizes))))


def density_histogram(
    points: Array,
    *,
    bins: int | Sequence[int] = 64,
    axes: Sequence[int] | None = None,
    limits: Sequence[tuple[float, float]] | None = None,
) -> Density:
    """Density of points over all axes or some of them, the others integrated out.

    Parameters
    ----------
    points : array, shape (count, m)
        The points [length].
    bins : int or sequence of int
        Bins along each of the axes; their number in all is what memory is needed for.
    axes : sequence of int, optional
        Which axes of space, each once; all m if it is left out.
    limits : sequence of (low, high), optional
        The box of the bins [length]; the points' own extent if it is left out, at which no point may be NaN or
        infinite.

    Returns
    -------
    Density
        Borders and values, NumPy arrays of float64 whatever the library of the points. Points outside ``limits``, and
        those with a NaN, lie in no bin but count among all. Without points it is 0 everywhere.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    (points,) = floating(points=points)
    backend(points=points)
    check_points("points", points)
    chosen = _chosen_axes(axes, points.shape[1])
    kind = f"positive integers, {len(chosen)} or one for all axes"
    each = [bins] * len(chosen) if isinstance(bins, numbers.Integral) else entries("bins", bins, kind, len(chosen))
    for number in each:
        check_count("bins", number, least=1)
    on_host = to_numpy(points)[:, chosen].astype(float)
    if limits is None:
        if not np.isfinite(on_host).all():
            raise ValueError("points: some are NaN or infinite, so that they have no extent; give limits")
    else:
        kind = "pairs (low, high) with low < high"
        pairs = [entries("limits", pair, kind, 2) for pair in entries("limits", limits, kind, len(chosen))]
        limits = [(finite_number("limits", low), finite_number("limits", high)) for low, high in pairs]
        if any(not low < high for low, high in limits):
            raise ValueError(f"limits: expected {len(chosen)} {kind}, got {limits}")
        on_host = on_host[np.isfinite(on_host).all(axis=1)]
    counts, edges = np.histogramdd(on_host, bins=[int(n) for n in each], range=limits)
    volumes = np.ones(())
    for border in edges:
        volumes = np.multiply.outer(volumes, np.diff(border))
    return Density(tuple(edges), counts / (max(1, points.shape[0]) * volumes))


def _chosen_axes(axes: Sequence[int] | None, dimension: int) -> list[int]:
    kind = f"different integers from 0 to {dimension - 1}"
    chosen = list(range(dimension)) if axes is None else entries("axes", axes, kind)
    for axis in chosen:
        check_count("axes", axis)
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(dimension)):
        raise ValueError(f"axes: expected {kind}, got {axes}")
    return chosen
