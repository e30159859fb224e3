r"""Errors of field sums, against sums in a wider type at sampled targets.

The oracle adds up differences in NumPy, in float64 for float32 data and in long double for float64 data, straight from
Eq 5 and its gradient; it shares no code with the engines. Errors are measured as ``rtol`` is defined: root mean square
over the targets, relative to that of the sums of the terms' magnitudes. The plain relative error, which is larger where
terms cancel, stands beside it.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import library, to_numpy
from coulombfield.rng import Streams

from .cases import Problem

MOST_TARGETS = 64
FEWEST_TARGETS = 16
WORK = 5e8  # numbers that an oracle may form, which bounds its time to some seconds
TILE = 2**18  # numbers of a tile of differences


class Oracle(NamedTuple):
    """Sums at some targets, t of them, and the sums of their terms' magnitudes."""

    rows: np.ndarray
    """Which targets, shape (t,)."""
    potential: np.ndarray
    """Shape (t,)."""
    potential_size: np.ndarray
    """Σ_j |q_j k|, shape (t,)."""
    field: np.ndarray
    """Shape (t, m)."""
    field_size: np.ndarray
    """Σ_j |q_j| ‖∇k‖, shape (t,)."""


class Errors(NamedTuple):
    """Errors of a result; None for what it does not hold, NaN or inf where it is not finite."""

    error_potential: float | None
    """Root mean square, relative to that of the magnitudes' sums."""
    error_field: float | None
    l2_potential: float | None
    """Norm of the error, relative to that of the sums."""
    l2_field: float | None


def oracle(problem: Problem, *, softening: float | None = None, exclude_self: bool = False) -> Oracle:
    """Exact sums at sampled targets.

    Parameters
    ----------
    problem : Problem
        N charges at their own places.
    softening : float, optional
        Another ε than the kernel's [length]; 0 for peers that have none.
    exclude_self : bool
        Leave out the terms i = j.
    """
    count, dimension = problem.points.shape
    wide = np.float64 if problem.points.dtype == np.float32 else np.longdouble
    targets = min(count, MOST_TARGETS, max(FEWEST_TARGETS, int(WORK / (max(count, 1) * (dimension + 12)))))
    rows = np.sort(Streams(seed=1).stream("targets").choice(count, targets, replace=False))
    exponent = round(problem.case.kernel.exponent)
    square = wide(problem.case.kernel.softening if softening is None else softening) ** 2
    points, weights = problem.points, problem.weights
    here = points[rows].astype(wide)
    potential, potential_size, field_size = (np.zeros(targets, wide) for _ in range(3))
    field = np.zeros((targets, dimension), wide)
    step = max(1, TILE // (targets * dimension))
    for first in range(0, count, step):
        charges = slice(first, first + step)
        difference = here[:, None, :] - points[charges].astype(wide)[None]
        s = np.einsum("tjm,tjm->tj", difference, difference)
        with np.errstate(divide="ignore"):
            root = 1 / np.sqrt(s + square)
        if exclude_self:
            root[rows[:, None] == np.arange(first, first + s.shape[1])[None]] = 0
        values = weights[charges].astype(wide) * functools.reduce(operator.mul, [root] * exponent)
        slopes = exponent * values * root * root
        potential += values.sum(axis=1)
        potential_size += np.abs(values).sum(axis=1)
        field_size += (np.abs(slopes) * np.sqrt(s)).sum(axis=1)
        field += np.einsum("tj,tjm->tm", slopes, difference)
    return Oracle(rows, potential, potential_size, field, field_size)


def errors(potential: Any, field: Any, exact: Oracle) -> Errors:
    """Errors of a potential and of a field of shapes (N,) and (N, m), either of which may be None."""
    of_potential = _relative(potential, exact.rows, exact.potential, exact.potential_size)
    of_field = _relative(field, exact.rows, exact.field, exact.field_size)
    return Errors(of_potential[0], of_field[0], of_potential[1], of_field[1])


def _relative(
    found: Any, rows: np.ndarray, exact: np.ndarray, sizes: np.ndarray
) -> tuple[float, float] | tuple[None, None]:
    if found is None:
        return None, None
    found = found.cpu() if hasattr(found, "cpu") else found  # PyTorch's may lie on a GPU
    off = _norm((to_numpy(found) if library(type(found)) == "cupy" else np.asarray(found))[rows] - exact)
    return off / _norm(sizes), off / _norm(exact)


def _norm(values: np.ndarray) -> float:
    return math.sqrt(float(np.sum(np.square(values))))
