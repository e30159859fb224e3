"""Pictures of a set of points: the potential on a grid, and histograms of density."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import NamedTuple

import array_api_compat
import numpy as np

from ..arrays import Array, backend, to_numpy
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
    for name, given in (("lower", lower), ("upper", upper), ("shape", shape)):
        if len(given) != len(chosen):
            raise ValueError(f"{name}: expected {len(chosen)} numbers, one an axis, got {len(given)}")
    if any(isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1 for n in shape):
        raise ValueError(f"shape: expected integers of 1 or more, got {tuple(shape)}")
    if through is not None and len(through) != dimension:
        raise ValueError(f"through: expected {dimension} coordinates, got {len(through)}")
    xp, device = backend(positions=positions), array_api_compat.device(positions)
    coordinates = tuple(np.linspace(a, b, int(n)) for a, b, n in zip(lower, upper, shape, strict=True))
    points = np.empty((int(np.prod(shape)), dimension))
    points[:] = 0.0 if through is None else np.asarray(through, dtype=float)
    points[:, chosen] = np.stack([x.ravel() for x in np.meshgrid(*coordinates, indexing="ij")], axis=1)
    targets = xp.asarray(points, dtype=positions.dtype, device=device)
    values = potential(targets, charges, kernel, rtol=rtol, method=method)
    return GridPotential(coordinates, xp.reshape(values, tuple(int(n) for n in shape)))


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
    backend(points=points)
    check_points("points", points)
    chosen = _chosen_axes(axes, points.shape[1])
    each = [bins] * len(chosen) if isinstance(bins, int) else list(bins)
    if len(each) != len(chosen) or any(isinstance(n, bool) or n < 1 for n in each):
        raise ValueError(f"bins: expected a positive integer or {len(chosen)} of them, one an axis, got {bins}")
    on_host = to_numpy(points)[:, chosen].astype(float)
    if limits is None:
        if not np.isfinite(on_host).all():
            raise ValueError("points: some are NaN or infinite, so that they have no extent; give limits")
    elif len(limits) != len(chosen) or any(not low < high for low, high in limits):
        raise ValueError(f"limits: expected {len(chosen)} pairs (low, high) with low < high, got {limits}")
    else:
        on_host = on_host[np.isfinite(on_host).all(axis=1)]
    counts, edges = np.histogramdd(on_host, bins=[int(n) for n in each], range=limits)
    volumes = np.ones(())
    for border in edges:
        volumes = np.multiply.outer(volumes, np.diff(border))
    return Density(tuple(edges), counts / (max(1, points.shape[0]) * volumes))


def _chosen_axes(axes: Sequence[int] | None, dimension: int) -> list[int]:
    chosen = list(range(dimension)) if axes is None else list(axes)
    if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(dimension)):
        raise ValueError(f"axes: expected different integers from 0 to {dimension - 1}, got {axes}")
    return chosen
