"""How parameters start: functions of a generator, the fans (fan_in, fan_out) and a shape, drawn in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Initializer = Callable[[np.random.Generator, tuple[int, int], tuple[int, ...]], np.ndarray]


def zeros(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """All 0."""
    return np.zeros(shape)


def glorot_uniform(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010), TensorFlow's default."""
    limit = math.sqrt(6 / sum(fans))
    return rng.uniform(-limit, limit, shape)


def fan_in_normal(gain: float) -> Initializer:
    """Normal with standard deviation gain / sqrt(fan_in) (He et al. 2015 for gain = sqrt(2))."""

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(shape) * (gain / math.sqrt(fans[0]))

    return initialize


def normal(deviation: float) -> Initializer:
    """Normal with the given standard deviation."""

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(shape) * deviation

    return initialize


def uniform(half_width: float) -> Initializer:
    """Uniform on [-half_width, half_width]."""

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(-half_width, half_width, shape)

    return initialize
