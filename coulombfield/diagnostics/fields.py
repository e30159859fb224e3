"""Divergence and curl of a field by finite differences, and whether they are what they should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import array_api_compat
import numpy as np

from ..arguments import finite_number
from ..arrays import Array, backend, floating, to_numpy
from ..calculus import best_step, directional_derivative
from ..charges import Charges, check_points
from ..kernels import RadialKernel
from ..sums import field, laplacian


class FieldCheck(NamedTuple):
    """How far a field is from being that of its charges [charge · kernel / length²]."""

    divergence: float
    """Largest \\|∇·E + ∇²Φ\\| over the targets, ∇·E by differences and ∇²Φ by :func:`coulombfield.laplacian`."""
    curl: float
    """Largest \\|∂_i E_j − ∂_j E_i\\|, by differences."""
    scale: float
    """Largest \\|∂_i E_j\\|: what the two are to be compared with."""


def jacobian(field: Callable[[Array], Array], points: Array, step: float) -> Array:
    r"""Derivatives of a vector field by central differences.

    .. math:: J_{aij} = \frac{\partial E_j}{\partial a_i}
        = \frac{E_j(a + h e_i) - E_j(a - h e_i)}{2 h} + O(h^2)

    Parameters
    ----------
    field : callable
        The field E: from points of shape (T, m) to vectors of that shape.
    points : array, shape (T, m)
        Where to look [length].
    step : float
        The step h [length]; :func:`coulombfield.calculus.best_step` times the length over which the field varies.

    Returns
    -------
    array, shape (T, m, m)
        J, of the library, dtype and device of the points; it takes 2 m evaluations.
    """
    (points,) = floating(points=points)
    xp = backend(points=points)
    check_points("points", points)
    finite_number("step", step, "positive")
    axes = xp.eye(points.shape[1], dtype=points.dtype, device=array_api_compat.device(points))
    along = [directional_derivative(field, points, axes[i, :], step) for i in range(points.shape[1])]
    return xp.stack(along, axis=1)


def divergence(field: Callable[[Array], Array], points: Array, step: float) -> Array:
    """Divergence ∇·E at each point by central differences, shape (T,); arguments as for :func:`jacobian`."""
    slopes = jacobian(field, points, step)
    xp = backend(slopes=slopes)
    return xp.sum(xp.linalg.diagonal(slopes), axis=-1)


def curl(field: Callable[[Array], Array], points: Array, step: float) -> Array:
    """Curl in any dimension, ∂_i E_j − ∂_j E_i at each point, shape (T, m, m); arguments as for :func:`jacobian`."""
    slopes = jacobian(field, points, step)
    return slopes - backend(slopes=slopes).matrix_transpose(slopes)


def check_field(
    targets: Array,
    charges: Charges,
    kernel: RadialKernel,
    *,
    step: float | None = None,
    rtol: float | None = None,
    method: str = "auto",
) -> FieldCheck:
    r"""Largest violation of ∇·E = −∇²Φ and of ∇ × E = 0 at the targets.

    Parameters
    ----------
    targets : array, shape (T, m)
        Where to look [length], T ≥ 1.
    charges : Charges
        The charges.
    kernel : RadialKernel
        The kernel.
    step : float, optional
        Step of the differences [length]; the kernel's own length, or 1 if it has none, times
        :func:`coulombfield.calculus.best_step` if it is left out.
    rtol, method
        As for :func:`coulombfield.potential`. With ``rtol`` the differences can't be smaller than its error over the
        step.

    Returns
    -------
    FieldCheck
        Floats. Exact sums come to about eps^(2/3) of the scale in float64, that is 1e-10, where the charges' fields
        don't cancel.

    Raises
    ------
    TypeError, ValueError
        As for :func:`coulombfield.field`, and if there is no target or the step is not positive.
    """
    laplacians = laplacian(targets, charges, kernel, rtol=rtol, method=method)
    _, targets = floating(positions=charges.positions, targets=targets)
    if targets.shape[0] == 0:
        raise ValueError("targets: expected at least one point, got none")
    if step is None:
        step = best_step(targets.dtype) * (kernel.profile.length or 1.0)
    slopes = to_numpy(
        jacobian(lambda points: field(points, charges, kernel, rtol=rtol, method=method), targets, step)
    ).astype(float)
    expected = -to_numpy(laplacians).astype(float)
    return FieldCheck(
        divergence=float(np.max(np.abs(np.trace(slopes, axis1=1, axis2=2) - expected))),
        curl=float(np.max(np.abs(slopes - np.swapaxes(slopes, 1, 2)))),
        scale=float(np.max(np.abs(slopes))),
    )
