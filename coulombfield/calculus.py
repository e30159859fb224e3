"""Central finite differences and observed orders of convergence, for arrays of any library."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat
import numpy as np

from .arrays import Array, namespace


def best_step(dtype: Any, derivative: int = 1) -> float:
    """Step of a central difference that balances truncation and rounding, for a function that varies over lengths of 1.

    Parameters
    ----------
    dtype : dtype or str
        What the function computes in: float32 or float64, of any library.
    derivative : int
        Order of the derivative, 1 or 2.

    Returns
    -------
    float
        The power of two next to ``machine_epsilon(dtype) ** (1 / (derivative + 2))``: the error of the difference is
        h² from the Taylor series and machine epsilon / h^derivative from cancellation.
    """
    return 2.0 ** round(math.log2(machine_epsilon(dtype)) / (derivative + 2))


def machine_epsilon(dtype: Any) -> float:
    """Distance from 1 to the next number in float32 or float64, of any library."""
    for name in ("float32", "float64"):
        if name in str(dtype):
            return float(np.finfo(name).eps)
    raise TypeError(f"dtype: expected float32 or float64, got {dtype}")


def directional_derivative(function: Callable[[Array], Any], x: Array, direction: Array, step: float) -> Any:
    r"""Central difference of a function along a direction.

    .. math:: \frac{f(x + h v) - f(x - h v)}{2 h} = v\cdot\nabla f(x) + O(h^2)

    Parameters
    ----------
    function : callable
        f, from an array like ``x`` to a number or an array.
    x : array
        The point.
    direction : array
        The direction v, of the shape of ``x``.
    step : float
        The step h > 0; :func:`best_step` for a function and a direction of size 1.

    Returns
    -------
    number or array
        What ``function`` returns.
    """
    return (function(x + step * direction) - function(x - step * direction)) * (0.5 / step)


def second_directional_derivative(function: Callable[[Array], Any], x: Array, direction: Array, step: float) -> Any:
    r"""Central second difference of a function along a direction.

    .. math:: \frac{f(x + h v) - 2 f(x) + f(x - h v)}{h^2} = v\cdot\nabla^2 f(x)\,v + O(h^2)

    Parameters and Returns are those of :func:`directional_derivative`.
    """
    ends = function(x + step * direction) + function(x - step * direction)
    return (ends - 2.0 * function(x)) / (step * step)


def difference_tolerance(
    size: float, step: float, dtype: Any, *, derivative: int = 1, truncation: float = 1.0, safety: float = 8.0
) -> float:
    r"""Error that a central difference may show against the exact derivative.

    .. math:: c\,\bigl(S\,\epsilon / h^n + T\,S\,h^2\bigr)

    Parameters
    ----------
    size : float
        S, the size of the terms that make up the function, *before* they cancel: a sum of magnitudes.
    step : float
        The step h.
    dtype : dtype or str
        What the function computes in.
    derivative : int
        Its order n, 1 or 2.
    truncation : float
        T, the (n + 2)-th derivative along the direction relative to S.
    safety : float
        c, the allowance for sums of rounding errors and for constants left out above.

    Returns
    -------
    float
        The tolerance, in the unit of the derivative.
    """
    return safety * size * (machine_epsilon(dtype) / step**derivative + truncation * step**2)


def observed_order(steps: Sequence[float], errors: Sequence[float]) -> float:
    r"""Order p of convergence for which the errors are closest to :math:`C h^p`, by least squares of the logarithms.

    Raises
    ------
    ValueError
        If there are fewer than two pairs, or a number is not positive.
    """
    if len(steps) != len(errors) or len(steps) < 2:
        raise ValueError(f"steps, errors: expected two or more of each, got {len(steps)} and {len(errors)}")
    if min(*steps, *errors) <= 0:
        raise ValueError("steps, errors: expected positive numbers; an error of 0 has no order")
    slope, _ = np.polyfit(np.log(np.asarray(steps, dtype=float)), np.log(np.asarray(errors, dtype=float)), 1)
    return float(slope)


def random_direction(rng: np.random.Generator, like: Array) -> Array:
    """Direction of length 1, uniform over the sphere, as an array like the one given."""
    v = rng.standard_normal(like.shape)
    v /= max(float(np.linalg.norm(v)), np.finfo(float).tiny)
    xp = namespace(like)
    return xp.asarray(v, dtype=like.dtype, device=array_api_compat.device(like))
