r"""Sums of a smooth radial kernel over charges by its Fourier series: charges → modes → targets.

With the kernel's coefficients :math:`\hat F_k` (:mod:`coulombfield.sums.series`) and
:math:`\rho_k = \sum_j w_j e^{-i k b_j}`,

.. math:: \Phi(a) = \sum_k \hat F_k \rho_k e^{i k a}, \qquad E(a) = -\sum_k i k \hat F_k \rho_k e^{i k a}.

The idea of convolving with a regularised kernel by non-uniform transforms is of Potts and Steidl, SIAM J. Sci. Comput.
24 (2003) 2013; there the kernel is continued by polynomials.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import array_api_compat
import numpy as np

from ..arrays import Array
from . import transforms
from .request import Result
from .series import Axis, Radial, coefficients, find_axis, norms

SINGLE_PRECISION = 1e-5  # tolerance of a transform from which on single precision is enough for it
SAFETY = 0.5  # share of the budget that each of the two transforms may use


class Budget(NamedTuple):
    """Errors that are allowed; each decides on a parameter of its own."""

    kernel: float
    """Of the series, relative to max |F|; it oscillates as fast as the fastest modes."""
    edge: float
    """Of the bent coordinate's slope where two points are as far apart as they can be, relative."""
    potential: float
    """Of the transforms, root mean square, in Φ."""
    field: float
    """The same in E."""
    noise: float
    """Size of ρ_k beyond the series: √Σw² for unrelated charges, Σ|w| at most."""


def find_axes(extents: np.ndarray, radial: Radial, length: float, budget: Budget) -> list[Axis] | None:
    """An axis for each extent that is not 0; None if one takes too many modes."""
    used = [float(extent) for extent in extents if extent > 0]
    axes = [find_axis(extent, radial, length, budget.kernel / len(used), budget.edge) for extent in used]
    return None if None in axes else axes  # type: ignore[return-value]


def modes_per_axis(extent: float, radial: Radial, length: float, tolerance: float) -> float:
    """Modes along an axis with differences up to ``extent`` that :func:`periodic_sums` takes; inf if too many."""
    if extent == 0:
        return 1
    axis = find_axis(extent, radial, length, tolerance, _edge(extent, radial, tolerance))
    return math.inf if axis is None else axis.count


def periodic_sums(
    targets: Array,
    positions: Array,
    weights: Array,
    radial: Radial,
    length: float,
    tolerance: float,
    potential: bool,
    field: bool,
    *,
    noise: float | None = None,
) -> Result:
    r"""Sums :math:`\Phi_i = \sum_j w_j F(\|a_i - b_j\|^2)` and :math:`E = -\nabla\Phi`, terms i = j included.

    Parameters
    ----------
    targets : array, shape (T, m)
        Points a_i, m ≤ 3 [length]; ``positions`` itself where both are the same points.
    positions : array, shape (S, m)
        Points b_j [length].
    weights : array, shape (S,)
        w_j.
    radial : callable
        F(s) in float64 for a NumPy array of squared distances s.
    length : float
        Length on which F is smooth: its Fourier transform falls about as exp(−k · length), or faster.
    tolerance : float
        Error allowed of Φ, root mean square, relative to max|F| Σ|w|, and of E relative to max|F| Σ|w| / length. The
        series is held to it charge by charge, and the transforms in sum.
    potential, field : bool
        What is wanted.
    noise : float, optional
        Size of Σ w_j exp(ik·b_j) for wave numbers k ≫ 1/length, √Σw² for unrelated charges: the error of the transforms
        is in proportion to it. Where it is not given it is taken to be Σ|w|, which it can't exceed.

    Returns
    -------
    Result
        Potential of shape (T,) and field of shape (T, m), in the targets' dtype; NaN if something is not finite.

    Raises
    ------
    ValueError
        If the points are too far apart, in terms of ``length``, for a series.

    Notes
    -----
    A charge's term with itself is F(0), and its field 0, up to the transforms' error.
    """
    total = _sum_of_sizes(weights)
    _, extents = box_of(targets, positions)
    widest = float(np.max(extents, initial=0.0))
    allowed = tolerance * float(np.max(np.abs(radial(np.asarray([0.0, widest**2]))))) * total
    edge = _edge(widest, radial, tolerance)
    budget = Budget(tolerance, edge, allowed, allowed / length, total if noise is None else noise)
    return sums(targets, positions, weights, radial, length, budget, potential, field)


def sums(
    targets: Array,
    positions: Array,
    weights: Array,
    radial: Radial,
    length: float,
    budget: Budget,
    potential: bool,
    field: bool,
) -> Result:
    """As :func:`periodic_sums`, with errors by a budget."""
    xp = array_api_compat.array_namespace(targets)
    centre, extents = box_of(targets, positions)
    largest = float(xp.max(xp.abs(weights))) if weights.shape[0] else 0.0
    if not math.isfinite(largest) or not np.isfinite(extents).all():
        finite = _finite_targets(targets, positions, weights)
        result = constant(targets, math.nan, math.nan, potential, field)
        if finite is not None:
            part = sums(targets[finite, :], positions, weights, radial, length, budget, potential, field)
            for whole, values in zip(result, part, strict=True):
                if whole is not None:
                    whole[finite] = values
        return result
    if largest == 0 or targets.shape[0] == 0:
        return constant(targets, 0.0, 0.0, potential, field)
    used = np.flatnonzero(extents > 0)
    if not used.size:
        value = float(radial(np.zeros(1))[0]) * float(xp.sum(weights, dtype=xp.float64))
        return constant(targets, value, 0.0, potential, field)
    axes = find_axes(extents, radial, length, budget)
    if axes is None:
        raise ValueError("the points are too far apart for a Fourier series of the kernel")
    axes, oversampling = rounded_up(axes)
    series, peak = coefficients(axes, radial)
    if peak == 0:
        return constant(targets, 0.0, 0.0, potential, field)

    # In units of the largest weight and value from here on, so that single precision holds all numbers.
    scale = largest * peak
    allowed = [SAFETY * error / scale for error in (budget.potential, budget.field)]
    # Each ρ_k is off by tolerance times noise, and independently of the others.
    size, slope, curvature = norms(series, axes)
    tolerance, wave = min(
        [(allowed[0] / size, slope / size)] * potential + [(allowed[1] / slope, curvature / slope)] * field
    )
    tolerance *= largest / budget.noise
    places = _Places(targets, positions, centre, used, axes)
    dtype = places.precision(tolerance, wave)
    rho = transforms.to_modes(
        places.angles(positions, dtype),
        xp.astype(weights / largest, dtype),
        tuple(axis.count for axis in axes),
        tolerance,
        oversampling,
    )
    modes = times_even(rho, xp.asarray(series))

    # The field in a unit in which it may err as much as the potential.
    unit = allowed[0] / allowed[1] if potential and field else 1.0
    error = allowed[0] if potential else allowed[1]
    packed = _packed(modes, axes, unit, potential, field)
    tolerance = error / max(math.sqrt(float(xp.sum(xp.abs(part) ** 2, dtype=xp.float64))) for part in packed)
    dtype = places.precision(tolerance, wave)
    found = transforms.to_points(
        xp.astype(packed, dtype, copy=False), places.angles(targets, dtype), tolerance, oversampling
    )
    rows = [row for pair in found for row in (pair.real, pair.imag)]
    result = constant(targets, 0.0, 0.0, potential, field)
    if potential:
        result.potential[:] = rows.pop(0) * scale
    if field:
        for axis, row in zip(used, rows, strict=False):
            result.field[:, int(axis)] = row * (scale / unit)
    return result


def box_of(targets: Array, positions: Array) -> tuple[np.ndarray, np.ndarray]:
    """Centre of the box around all points and the longest difference along each axis; NaN if a point is NaN."""
    xp = array_api_compat.array_namespace(targets)
    parts = [part for part in ([positions] if targets is positions else [targets, positions]) if part.shape[0]]
    if not parts:
        return np.zeros(targets.shape[1]), np.zeros(targets.shape[1])
    dimension = targets.shape[1]
    low = np.min([[float(xp.min(part[:, axis])) for axis in range(dimension)] for part in parts], axis=0)
    high = np.max([[float(xp.max(part[:, axis])) for axis in range(dimension)] for part in parts], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        return low / 2 + high / 2, high - low


def rounded_up(axes: list[Axis]) -> tuple[list[Axis], float]:
    """The axes with as many modes as the transforms' grid has room for anyway, and its points a mode."""
    oversampling = 2.0
    sizes = [transforms.grid_size(axis.count, oversampling) for axis in axes]
    return [
        axis._replace(modes=(math.floor(size / oversampling) - 1) // 2) for axis, size in zip(axes, sizes, strict=True)
    ], oversampling


def times_even(modes: Array, series: Array) -> Array:
    """Each mode times the coefficient for its |k|, in place; shapes (2K + 1, ...) and (K + 1, ...)."""
    for signs in itertools.product((False, True), repeat=series.ndim):
        half = tuple(
            slice(count - 1) if negative else slice(count - 1, None)
            for negative, count in zip(signs, series.shape, strict=True)
        )
        mirrored = tuple(slice(None, 0, -1) if negative else slice(None) for negative in signs)
        modes[half] *= series[mirrored]
    return modes


def constant(like: Array, value: float, slope: float, potential: bool, field: bool) -> Result:
    """A result for these targets with the same numbers everywhere."""
    xp, device = array_api_compat.array_namespace(like), array_api_compat.device(like)
    return Result(
        xp.full(like.shape[0], value, dtype=like.dtype, device=device) if potential else None,
        xp.full(like.shape, slope, dtype=like.dtype, device=device) if field else None,
    )


class _Places:
    """Points as angles of the periods, computed once for each precision."""

    def __init__(self, targets: Array, positions: Array, centre: np.ndarray, used: np.ndarray, axes: list[Axis]):
        self._same = targets is positions
        self._centre, self._used, self._axes = centre, used, axes
        self._known: tuple[Array, str, list[Array]] | None = None
        self._xp = array_api_compat.array_namespace(targets)

    def precision(self, tolerance: float, wave: float) -> str:
        """The complex dtype for a transform to a tolerance, whose result has the typical wave number ``wave``."""
        xp = self._xp
        phase = wave * max(axis.half_period for axis in self._axes) * float(xp.finfo(xp.float32).eps) / 4
        return xp.complex64 if tolerance >= max(SINGLE_PRECISION, 4 * phase) else xp.complex128

    def angles(self, points: Array, dtype) -> list[Array]:
        xp = self._xp
        if self._known is not None and self._known[0] is points and self._known[1] == dtype:
            return self._known[2]
        real = xp.float32 if dtype == xp.complex64 else xp.float64
        angles = []
        for number, axis in zip(self._used, self._axes, strict=True):
            column = points[:, int(number)]
            if real == xp.float64:
                column = xp.astype(column, xp.float64)
            angle = (column - float(self._centre[number])) * (math.pi / axis.half_period)
            angles.append(xp.astype(angle, real, copy=False))
        self._known = points, dtype, angles
        return angles


def _packed(modes: Array, axes: list[Axis], unit: float, potential: bool, field: bool) -> Array:
    """Modes of the real outputs in pairs, the first of a pair as the real part and the second as the imaginary one.

    Potential first, if wanted, then the field's axes times ``unit``. Shape (pairs, 2K + 1, ...).
    """
    xp = array_api_compat.array_namespace(modes)
    along = []
    for number, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[number] = axis.count
        wave = xp.asarray(axis.wave_numbers * unit, dtype=xp.float64)
        along.append(xp.reshape(xp.astype(wave, modes.dtype), tuple(shape)))
    factors = [xp.ones((1,) * len(axes), dtype=modes.dtype)] * potential + [-1j * wave for wave in along] * field
    packed = xp.empty(((len(factors) + 1) // 2, *modes.shape), dtype=modes.dtype)
    for number, part in enumerate(packed):
        first, *second = factors[2 * number : 2 * number + 2]
        xp.multiply(modes, first + 1j * second[0] if second else first, out=part)
    return packed


def _finite_targets(targets: Array, positions: Array, weights: Array) -> Array | None:
    """Indices of the targets that are finite, if it is only because of targets that something is not."""
    xp = array_api_compat.array_namespace(targets)
    if targets is positions or not xp.all(xp.isfinite(positions)) or not xp.all(xp.isfinite(weights)):
        return None
    finite = xp.nonzero(xp.all(xp.isfinite(targets), axis=1))[0]
    return None if finite.shape[0] == targets.shape[0] else finite


def _edge(extent: float, radial: Radial, tolerance: float) -> float:
    """Relative error allowed of the farthest terms, where that of the largest term is ``tolerance``."""
    farthest, nearest = np.abs(radial(np.asarray([extent * extent, 0.0])))
    return float(min(1e-2, tolerance * nearest / farthest)) if farthest > 0 else 1e-2


def _sum_of_sizes(weights: Array) -> float:
    xp = array_api_compat.array_namespace(weights)
    return float(xp.sum(xp.abs(weights), dtype=xp.float64))
