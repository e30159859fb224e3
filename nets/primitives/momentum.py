"""The update of gradient descent with momentum, of a whole flat parameter vector in one pass."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.shares import share_rows


@Primitive
def momentum(parameters: Array, gradient: Array, velocity: Array, rate: float, keep: float) -> tuple[Array, Array]:
    r"""One step of gradient descent with momentum (Polyak 1964).

    .. math:: u \leftarrow \mu u + g, \quad \theta \leftarrow \theta - \alpha u

    with :math:`\mu` given as ``keep``. All arrays have shape (P,). Velocities below the smallest normal number
    become 0, as Adam's moments do.

    Returns
    -------
    parameters, velocity : array, shape (P,)
        In the memory of the arguments of these names.
    """
    xp = module_of(parameters)
    velocity *= keep
    velocity += gradient
    velocity *= abs(velocity) >= float(xp.finfo(velocity.dtype).tiny)
    parameters -= velocity * rate
    return parameters, velocity


@momentum.version("numpy")
def _momentum(
    parameters: np.ndarray, gradient: np.ndarray, velocity: np.ndarray, *numbers: float
) -> tuple[np.ndarray, np.ndarray]:
    share_rows(_momentum_part, (parameters, gradient, velocity), *numbers)
    return parameters, velocity


@jit
def _momentum_part(parameters, gradient, velocity, rate, keep):
    real = parameters.dtype.type
    tiny, zero = np.finfo(parameters.dtype).tiny, real(0)
    rate, keep = real(rate), real(keep)
    for i in range(parameters.size):
        u = keep * velocity[i] + gradient[i]
        u = zero if abs(u) < tiny else u
        velocity[i] = u
        parameters[i] -= rate * u


@momentum.version("cupy")
def _momentum_cupy(parameters, gradient, velocity, rate, keep):
    xp = module_of(parameters)
    return _kernel(xp)(gradient, rate, keep, float(xp.finfo(parameters.dtype).tiny), parameters, velocity)


@functools.cache
def _kernel(xp: ModuleType) -> Any:
    return xp.ElementwiseKernel(
        "T g, T rate, T keep, T tiny",
        "T p, T u",
        """
        u = keep * u + g;
        u = fabs(u) < tiny ? T(0) : u;
        p -= rate * u;
        """,
        "momentum",
    )
