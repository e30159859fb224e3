"""Adam's update of a whole flat parameter vector in one pass."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.shares import share_rows


@Primitive
def adam(
    parameters: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    correction1: float,
    correction2: float,
) -> tuple[Array, Array, Array]:
    r"""One Adam step (Kingma & Ba 2015, Algorithm 1).

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        \theta &\leftarrow \theta - \alpha\,(m / c_1) / (\sqrt{v / c_2} + \epsilon)

    with :math:`c_i = 1 - \beta_i^t` given as ``correction1`` and ``correction2``. All arrays have shape (P,).
    Moments below the smallest normal number become 0: the mean of a unit that never fires again decays to a
    subnormal and stays there, and arithmetic on subnormals is some twenty times slower.

    Returns
    -------
    parameters, mean, square : array, shape (P,)
        In the memory of the arguments of these names.
    """
    xp = module_of(parameters)
    tiny = float(xp.finfo(mean.dtype).tiny)
    mean *= beta1
    mean += gradient * (1 - beta1)
    mean *= abs(mean) >= tiny
    square *= beta2
    square += gradient * gradient * (1 - beta2)
    square *= square >= tiny
    denominator = xp.sqrt(square / correction2)
    denominator += epsilon
    parameters -= mean / denominator * (rate / correction1)
    return parameters, mean, square


@adam.version("numpy")
def _adam(
    parameters: np.ndarray, gradient: np.ndarray, mean: np.ndarray, square: np.ndarray, *numbers: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    share_rows(_adam_part, (parameters, gradient, mean, square), *numbers)
    return parameters, mean, square


@jit
def _adam_part(parameters, gradient, mean, square, rate, beta1, beta2, epsilon, correction1, correction2):
    real = parameters.dtype.type
    tiny, zero = np.finfo(parameters.dtype).tiny, real(0)
    step = real(rate / correction1)
    keep1, take1 = real(beta1), real(1 - beta1)
    keep2, take2 = real(beta2), real(1 - beta2)
    epsilon, unbias2 = real(epsilon), real(1 / correction2)
    for i in range(parameters.size):
        g = gradient[i]
        m = keep1 * mean[i] + take1 * g
        v = keep2 * square[i] + take2 * (g * g)
        m = zero if abs(m) < tiny else m
        v = zero if v < tiny else v
        mean[i] = m
        square[i] = v
        parameters[i] -= step * m / (np.sqrt(v * unbias2) + epsilon)


@adam.version("cupy")
def _adam_cupy(parameters, gradient, mean, square, rate, beta1, beta2, epsilon, correction1, correction2):
    xp = module_of(parameters)
    tiny = float(xp.finfo(parameters.dtype).tiny)
    numbers = rate / correction1, beta1, 1 - beta1, beta2, 1 - beta2, epsilon, 1 / correction2, tiny
    return _kernel(xp)(gradient, *numbers, parameters, mean, square)


@functools.cache
def _kernel(xp: ModuleType) -> Any:
    return xp.ElementwiseKernel(
        "T g, T step, T keep1, T take1, T keep2, T take2, T epsilon, T unbias2, T tiny",
        "T p, T m, T v",
        """
        m = keep1 * m + take1 * g;
        v = keep2 * v + take2 * (g * g);
        m = fabs(m) < tiny ? T(0) : m;
        v = v < tiny ? T(0) : v;
        p -= step * m / (sqrt(v * unbias2) + epsilon);
        """,
        "adam",
    )
