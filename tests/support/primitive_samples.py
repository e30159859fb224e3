"""Sample arguments for each primitive of ``nets``: by its name, a function of a generator, in float64 on the host.

Sizes are drawn too; values are such that results are of the order of 1, with both signs and each branch among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import samples_convolution
import samples_normalization

Sample = Callable[[np.random.Generator], tuple[Any, ...]]


def rows_and_bias(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``h`` (N, C), or of more axes, and ``bias`` (C,)."""
    shape = rng.integers(1, (40, 6, 40)[rng.integers(2) :])
    return 2 * rng.standard_normal(shape), rng.standard_normal(shape[-1])


def gradient_and_output(rng: np.random.Generator, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """``dy`` and ``y`` of any shape, where y is within the range of the activation."""
    shape = tuple(rng.integers(1, 12, rng.integers(1, 5)))
    return rng.standard_normal(shape), rng.uniform(low, high, shape)


def adam(rng: np.random.Generator) -> tuple[Any, ...]:
    """Parameters, gradient and moments (P,) as at some update t, a quarter of them never touched by a gradient."""
    size, t, beta1, beta2 = int(rng.integers(1, 200)), int(rng.integers(1, 100)), 0.9, 0.999
    parameters, gradient, mean = rng.standard_normal((3, size))
    square = rng.uniform(0.1, 2, size)  # not far below the mean's square, as an average of squares can't be
    for moment in (gradient, mean, square):
        moment[: size // 4] = 0
    return parameters, gradient, mean, square, 0.01, beta1, beta2, 1e-8, 1 - beta1**t, 1 - beta2**t


def rmsprop(rng: np.random.Generator) -> tuple[Any, ...]:
    """Parameters, gradient and average (P,), a quarter of them never touched by a gradient."""
    parameters, gradient, _, square, *_ = adam(rng)
    return parameters, gradient, square, 0.01, 0.99, 1e-8


def product(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``a`` (M, K) and ``b`` (K, N), each or its transpose in a row, and ``out``."""
    m, k, n = rng.integers(1, 40, 3)
    a = rng.standard_normal((m, k)) if rng.integers(2) else rng.standard_normal((k, m)).T
    b = rng.standard_normal((k, n)) if rng.integers(2) else rng.standard_normal((n, k)).T
    return a / k**0.5, b, np.zeros((m, n))


def momentum(rng: np.random.Generator) -> tuple[Any, ...]:
    """Parameters, gradient and velocity (P,), a quarter of them never touched by a gradient."""
    parameters, gradient, velocity, *_ = adam(rng)
    return parameters, gradient, velocity, 0.01, 0.9


def l2(rng: np.random.Generator) -> tuple[Any, ...]:
    """Gradient and parameters (P,)."""
    return *rng.standard_normal((2, int(rng.integers(1, 200)))), 0.3


SAMPLES: dict[str, Sample] = {
    "nets.primitives.bias_activation.bias_identity": rows_and_bias,
    "nets.primitives.bias_activation.bias_leaky_relu": lambda rng: (*rows_and_bias(rng), rng.uniform(0, 1)),
    "nets.primitives.bias_activation.bias_elu": rows_and_bias,
    "nets.primitives.bounded.bias_bounded": lambda rng: (*rows_and_bias(rng), 1.5),
    "nets.primitives.bias_activation.bias_tanh": lambda rng: (*rows_and_bias(rng), 1.7159, 2 / 3),
    "nets.primitives.bias_activation.leaky_relu_gradient": lambda rng: (
        *gradient_and_output(rng, -2, 2),
        rng.uniform(0, 1),
    ),
    "nets.primitives.bias_activation.elu_gradient": lambda rng: gradient_and_output(rng, -1, 2),
    "nets.primitives.bias_activation.tanh_gradient": lambda rng: (
        *gradient_and_output(rng, -1.7159, 1.7159),
        1.7159,
        2 / 3,
    ),
    "nets.primitives.adam.adam": adam,
    "nets.primitives.clipping.clamp": lambda rng: (rng.standard_normal(int(rng.integers(1, 200))), 0.5),
    "nets.primitives.gaussians.gaussians": lambda rng: (
        rng.exponential(size=tuple(rng.integers(1, 9, 2))) ** 3,
        (0.5, 0.1, 3.0),
    ),
    "nets.primitives.l2.l2": l2,
    "nets.primitives.momentum.momentum": momentum,
    "nets.primitives.products.product": product,
    "nets.primitives.rmsprop.rmsprop": rmsprop,
    **samples_convolution.SAMPLES,
    **samples_normalization.SAMPLES,
}
