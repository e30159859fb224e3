"""RMSprop's update of a whole flat parameter vector in one pass."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.shares import share_rows


@Primitive
def rmsprop(
    parameters: Array, gradient: Array, square: Array, rate: float, decay: float, epsilon: float
) -> tuple[Array, Array]:
    r"""One RMSprop step (Tieleman & Hinton 2012, lecture 6.5).

    .. math::
        v \leftarrow \rho v + (1 - \rho) g^2, \quad \theta \leftarrow \theta - \alpha\,g / (\sqrt{v} + \epsilon)

    All arrays have shape (P,). Averages below the smallest normal number become 0, as Adam's moments do.

    Returns
    -------
    parameters, square : array, shape (P,)
        In the memory of the arguments of these names.
    """
    xp = module_of(parameters)
    square *= decay
    square += gradient * gradient * (1 - decay)
    square *= square >= float(xp.finfo(square.dtype).tiny)
    denominator = xp.sqrt(square)
    denominator += epsilon
    parameters -= gradient / denominator * rate
    return parameters, square


@rmsprop.version("numpy")
def _rmsprop(
    parameters: np.ndarray, gradient: np.ndarray, square: np.ndarray, *numbers: float
) -> tuple[np.ndarray, np.ndarray]:
    share_rows(_rmsprop_part, (parameters, gradient, square), *numbers)
    return parameters, square


@jit
def _rmsprop_part(parameters, gradient, square, rate, decay, epsilon):
    real = parameters.dtype.type
    tiny, zero = np.finfo(parameters.dtype).tiny, real(0)
    rate, keep, take, epsilon = real(rate), real(decay), real(1 - decay), real(epsilon)
    for i in range(parameters.size):
        g = gradient[i]
        v = keep * square[i] + take * (g * g)
        v = zero if v < tiny else v
        square[i] = v
        parameters[i] -= rate * g / (np.sqrt(v) + epsilon)


@rmsprop.version("cupy")
def _rmsprop_cupy(parameters, gradient, square, rate, decay, epsilon):
    xp = module_of(parameters)
    tiny = float(xp.finfo(parameters.dtype).tiny)
    return _kernel(xp)(gradient, rate, decay, 1 - decay, epsilon, tiny, parameters, square)


@functools.cache
def _kernel(xp: ModuleType) -> Any:
    return xp.ElementwiseKernel(
        "T g, T rate, T keep, T take, T epsilon, T tiny",
        "T p, T v",
        """
        v = keep * v + take * (g * g);
        v = v < tiny ? T(0) : v;
        p -= rate * g / (sqrt(v) + epsilon);
        """,
        "rmsprop",
    )
