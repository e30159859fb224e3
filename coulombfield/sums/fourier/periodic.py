r"""Sums of a smooth radial kernel over charges by its Fourier series: charges → modes → targets.

With the kernel's coefficients :math:`\hat F_k` (:mod:`.fourier.series`) and
:math:`\rho_k = \sum_j w_j e^{-i k b_j}`,

.. math:: \Phi(a) = \sum_k \hat F_k \rho_k e^{i k a}, \qquad E(a) = -\sum_k i k \hat F_k \rho_k e^{i k a}.

The idea of convolving with a regularised kernel by non-uniform transforms is of Potts and Steidl, SIAM J. Sci. Comput.
24 (2003) 2013; there the kernel is continued by polynomials.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from ...arrays import Array, namespace
from ..request import Request, Result
from . import transforms
from .series import Axis, Radial, coefficients, find_axis, norms

MOST_GRID_POINTS = 2**24  # 256 MiB in double precision
SINGLE_PRECISION = 1e-5  # tolerance of a transform from which on single precision is enough for it


class Layout(NamedTuple):
    """A box of points and the Fourier series in it."""

    centre: np.ndarray
    """Shape (m,) [length]."""
    used: np.ndarray
    """Numbers of the axes along which points differ."""
    axes: list[Axis]
    """One for each axis that is used."""
    oversampling: float
    """Points of the transforms' grid for each mode and axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of modes."""
        return tuple(axis.size for axis in self.axes)

    @property
    def grid_points(self) -> int:
        """Points of the transforms' grid."""
        return math.prod(transforms.grid_size(size, self.oversampling) for size in self.shape)


class Budget(NamedTuple):
    """Errors that are allowed to the transforms."""

    first: float
    """Tolerance of the transform from the charges to the modes."""
    second: float
    """Largest tolerance of the transform from the modes to the targets."""
    potential: float
    """Root mean square over the box of the second transform's error in Φ."""
    field: float
    """The same in E."""


def plan_numbers(layout: Layout, budget: Budget) -> dict[str, float]:
    """A layout and a budget as finite numbers by names."""
    numbers = {f"centre {axis}": float(place) for axis, place in enumerate(layout.centre)}
    numbers["oversampling"] = layout.oversampling
    for used, axis in zip(layout.used, layout.axes, strict=True):
        numbers |= {f"{name} {used}": float(number) for name, number in axis._asdict().items()}
    return numbers | {name: number for name, number in budget._asdict().items() if math.isfinite(number)}


def plan_of_numbers(numbers: Mapping[str, float], request: Request) -> tuple[Layout, Budget] | None:
    """What :func:`plan_numbers` made numbers of; None if one that a request needs is missing or no good."""
    dimension = request.targets.shape[1]
    used = [axis for axis in range(dimension) if f"modes {axis}" in numbers]
    try:
        axes = [
            Axis(numbers[f"half_period {axis}"], numbers[f"bend {axis}"], int(numbers[f"modes {axis}"]))
            for axis in used
        ]
        centre = np.array([numbers[f"centre {axis}"] for axis in range(dimension)])
        found = Layout(centre, np.array(used, np.int64), axes, numbers["oversampling"])
        budget = Budget(*(numbers.get(name, math.inf) for name in Budget._fields))
    except KeyError:
        return None
    wanted = [budget.first, budget.second, *[budget.potential] * request.potential, *[budget.field] * request.field]
    sound = all(0 < number < math.inf for number in [*wanted, *itertools.chain(*axes)])
    sound = sound and found.oversampling in transforms.OVERSAMPLINGS
    return (found, budget) if sound and found.grid_points <= MOST_GRID_POINTS else None


def layout(
    centre: np.ndarray, extents: np.ndarray, radial: Radial, length: float, kernel: float, edge: float
) -> Layout | None:
    """The fewest modes for two errors as :func:`find_axis` defines them; None if an axis takes too many."""
    used = np.flatnonzero(extents > 0)
    axes = []
    for extent in extents[used]:
        axis = find_axis(float(extent), radial, length, kernel / len(used), edge)
        if axis is None:
            return None
        axes.append(axis)
    return Layout(centre, used, axes, 2.0)


def fastest(plan: Layout, budget: Budget, targets: int, charges: int, outputs: int) -> tuple[Layout, float]:
    """The layout with the grid for which the transforms take the shortest, and their time on one core [s].

    The time is inf if no grid will do. A grid's size is rounded up to one that its Fourier transform likes, and the
    modes that it has room for are taken.
    """
    if not plan.axes:
        return plan, 0.0
    choices = []
    for oversampling in transforms.OVERSAMPLINGS:
        axes = [
            axis._replace(modes=(math.floor(transforms.grid_size(axis.size, oversampling) / oversampling) - 1) // 2)
            for axis in plan.axes
        ]
        rounded = plan._replace(axes=axes, oversampling=oversampling)
        first, second = min(budget.first, budget.second), budget.second
        dtypes = ["complex64" if tolerance >= SINGLE_PRECISION else "complex128" for tolerance in (first, second)]
        time = transforms.seconds(charges, 1, rounded.shape, budget.first, oversampling, dtypes[0])
        time += transforms.seconds(targets, (outputs + 1) // 2, rounded.shape, second, oversampling, dtypes[1])
        choices.append((rounded, time if rounded.grid_points <= MOST_GRID_POINTS else math.inf))
    return min(choices, key=lambda choice: (choice[1], choice[0].grid_points))


def sums(
    targets: Array,
    positions: Array,
    weights: Array,
    kernel: Coefficients,
    plan: Layout,
    budget: Budget,
    potential: bool,
    field: bool,
    *,
    exclude_self: bool = False,
) -> Result:
    r"""Sums :math:`\Phi_i = \sum_j w_j F(\|a_i - b_j\|^2)` and :math:`E = -\nabla\Phi` of finite numbers.

    Parameters
    ----------
    targets : array, shape (T, m)
        Points a_i, m ≤ 3 [length]; ``positions`` itself where both are the same points.
    positions : array, shape (S, m)
        Points b_j [length].
    weights : array, shape (S,)
        w_j.
    kernel : Coefficients
        Those of the radial function F(s) of the squared distance.
    plan, budget
        Modes and the errors allowed to the transforms.
    potential, field : bool
        What is wanted.
    exclude_self : bool
        Target i is charge i, and the terms i = j are left out.

    Returns
    -------
    Result
        Potential of shape (T,) and field of shape (T, m), in the targets' dtype.

    Notes
    -----
    A charge's term with itself is F(0), and its field 0, up to the transforms' error.
    """
    xp = namespace(targets)
    series = Series(kernel, plan, budget, float(xp.max(xp.abs(weights))), potential, field)
    result = constant(targets, 0.0, 0.0, potential, field)
    if series.vanishes:
        return result
    own = weights[: targets.shape[0]] if exclude_self else None
    if not plan.axes:
        series.write_at_one_place(float(xp.sum(weights, dtype=xp.float64)), own, result)
        return result
    series.write(targets, series.waves(series.modes_of(positions, weights)), own, result)
    return result


class Waves(NamedTuple):
    """The modes of a potential and a field, ready to be summed at targets."""

    packed: Array
    """Complex, shape (pairs, n_1, ..., n_m): the potential first, if wanted, then the field's axes."""
    tolerance: float
    """That their transform may have."""
    unit: float
    """What the field's modes are multiplied by [length]."""


class Coefficients(NamedTuple):
    """A kernel's Fourier series."""

    series: np.ndarray
    """Of the modes k ≥ 0, shape (K_1 + 1, ..., K_m + 1), in units of ``peak``."""
    peak: float
    """About the kernel's largest size."""
    at_zero: float
    """What a charge's own term in the series is: the kernel's value at distance 0, where its field is 0."""

    @classmethod
    def of(cls, radial: Radial, plan: Layout) -> Coefficients:
        """Those of a kernel that is made periodic beyond the box of all points."""
        return cls(*coefficients(plan.axes, radial), float(radial(np.zeros(1))[0]))


class Series:
    """A plan with its kernel's coefficients: charges → modes → targets, each for all points or for some at a time.

    Parameters
    ----------
    kernel : Coefficients
        Those of the kernel.
    plan, budget, potential, field
        As for :func:`sums`.
    largest : float
        Largest size of a charge, of all that there are.

    Attributes
    ----------
    vanishes : bool
        All sums are 0.
    """

    def __init__(
        self, kernel: Coefficients, plan: Layout, budget: Budget, largest: float, potential: bool, field: bool
    ):
        self.plan, self.budget, self.largest = plan, budget, largest
        self._wanted = potential, field
        self._series, self._peak, self._at_zero = kernel
        self.vanishes = largest == 0 or self._peak == 0
        # In units of the largest weight and value, so that single precision holds all numbers.
        self._scale = largest * self._peak
        if plan.axes and not self.vanishes:
            size, slope, curvature = norms(self._series, plan.axes)
            self._places = _Places(plan, wave=curvature / slope if field else slope / size)

    def modes_of(self, positions: Array, weights: Array) -> Array:
        """ρ of charges in units of the largest weight; that of several sets of charges is the sum of theirs."""
        xp = namespace(positions)
        dtype = self._places.precision(min(self.budget.first, self.budget.second), xp)
        return transforms.to_modes(
            self._places.angles(positions, dtype),
            xp.astype(weights / self.largest, dtype),
            self.plan.shape,
            self.budget.first,
            self.plan.oversampling,
        )

    def waves(self, rho: Array) -> Waves:
        """What is summed at targets, from ρ of all charges; its memory is used again."""
        xp = namespace(rho)
        (potential, field), budget = self._wanted, self.budget
        modes = times_even(rho, xp.asarray(self._series))
        # The field in a unit in which it may err as much as the potential.
        # Without a potential any length will do that keeps the modes in the range of single precision.
        axes = self.plan.axes
        unit = budget.potential / budget.field if potential and field else 1 / float(axes[0].wave_numbers[-1])
        error = (budget.potential if potential else budget.field * unit) / self._scale
        packed = _packed(modes, axes, unit, potential, field)
        norm = max(math.sqrt(float(xp.sum(xp.abs(part) ** 2, dtype=xp.float64))) for part in packed)
        tolerance = min(budget.second, error / norm) if norm > 0 else budget.second
        dtype = self._places.precision(tolerance, xp)
        return Waves(xp.astype(packed, dtype, copy=False), tolerance, unit)

    def write(self, targets: Array, waves: Waves, own: Array | None, result: Result) -> None:
        """Write the sums at targets into a result for them; ``own`` are their charges, whose own terms are left out."""
        xp, (potential, field) = namespace(targets), self._wanted
        angles = self._places.angles(targets, waves.packed.dtype)
        found = transforms.to_points(waves.packed, angles, waves.tolerance, self.plan.oversampling)
        # In the result's dtype first: a float32 row times a number of a float64 request may leave its range.
        rows = [xp.astype(row, targets.dtype, copy=False) for pair in found for row in (pair.real, pair.imag)]
        if potential:
            result.potential[:] = rows.pop(0) * self._scale - self._term(own)
        if field:
            for number, row in zip(self.plan.used, rows, strict=False):
                result.field[:, int(number)] = row * (self._scale / waves.unit)

    def write_at_one_place(self, total: float, own: Array | None, result: Result) -> None:
        """The same where all points are one, from the sum of all charges."""
        if result.potential is not None:
            result.potential[:] = self._at_zero * total - self._term(own)

    def _term(self, own: Array | None) -> Any:
        """Potential of charges at their own places, which is 0 for none."""
        if own is None:
            return 0.0
        xp = namespace(own)
        return self._at_zero * xp.astype(own, xp.float64)


def box_of(targets: Array, positions: Array) -> tuple[np.ndarray, np.ndarray]:
    """Centre of the box around all points and the longest difference along each axis; NaN if a point is NaN."""
    xp = namespace(targets)
    parts = [part for part in ([positions] if targets is positions else [targets, positions]) if part.shape[0]]
    if not parts:
        return np.zeros(targets.shape[1]), np.zeros(targets.shape[1])
    dimension = targets.shape[1]
    low = np.min([[float(xp.min(part[:, axis])) for axis in range(dimension)] for part in parts], axis=0)
    high = np.max([[float(xp.max(part[:, axis])) for axis in range(dimension)] for part in parts], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        return low / 2 + high / 2, high - low


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
    xp, device = namespace(like), array_api_compat.device(like)
    return Result(
        xp.full(like.shape[0], value, dtype=like.dtype, device=device) if potential else None,
        xp.full(like.shape, slope, dtype=like.dtype, device=device) if field else None,
    )


class _Places:
    """Points as angles of the periods, computed once for each precision."""

    def __init__(self, plan: Layout, wave: float):
        self._plan = plan
        half_period = max(axis.half_period for axis in plan.axes)
        self._rounding = wave * half_period * 2.0**-24  # of an angle in single precision, times the typical mode number
        self._known: tuple[Array, Any, list[Array]] | None = None

    def precision(self, tolerance: float, xp: ModuleType) -> Any:
        """The complex dtype that a transform to a tolerance needs."""
        return xp.complex64 if tolerance >= max(SINGLE_PRECISION, self._rounding) else xp.complex128

    def angles(self, points: Array, dtype: Any) -> list[Array]:
        xp = namespace(points)
        if self._known is not None and self._known[0] is points and self._known[1] == dtype:
            return self._known[2]
        real = xp.float32 if dtype == xp.complex64 else xp.float64
        angles = []
        for number, axis in zip(self._plan.used, self._plan.axes, strict=True):
            column = points[:, int(number)]
            if real == xp.float64:
                column = xp.astype(column, xp.float64)
            angle = (column - float(self._plan.centre[number])) * (math.pi / axis.half_period)
            angles.append(xp.astype(angle, real, copy=False))
        self._known = points, dtype, angles
        return angles


def _packed(modes: Array, axes: list[Axis], unit: float, potential: bool, field: bool) -> Array:
    """Modes of the real outputs in pairs, the first of a pair as the real part and the second as the imaginary one.

    Potential first, if wanted, then the field's axes times ``unit``. Shape (pairs, 2K + 1, ...).
    """
    xp = namespace(modes)
    along = []
    for number, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[number] = axis.size
        wave = xp.asarray(axis.wave_numbers * unit, dtype=xp.float64)
        along.append(xp.reshape(xp.astype(wave, modes.dtype), tuple(shape)))
    factors = [xp.ones((1,) * len(axes), dtype=modes.dtype)] * potential + [-1j * wave for wave in along] * field
    packed = xp.empty(((len(factors) + 1) // 2, *modes.shape), dtype=modes.dtype)
    for number, part in enumerate(packed):
        first, *second = factors[2 * number : 2 * number + 2]
        xp.multiply(modes, first + 1j * second[0] if second else first, out=part)
    return packed
