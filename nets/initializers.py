"""How parameters start: functions of a generator, the fans (fan_in, fan_out) and a shape, drawn in float64.

The fans of a convolution count the products behind one number: (kh kw C_in, kh kw C_out).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from nets.arguments import number_of

Initializer = Callable[[np.random.Generator, tuple[int, int], tuple[int, ...]], np.ndarray]


def zeros(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """All 0."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """All 1."""
    return np.ones(shape)


def glorot_uniform(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010), TensorFlow's default."""
    limit = math.sqrt(6 / sum(fans))
    return rng.uniform(-limit, limit, shape)


def he_uniform(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Uniform with variance 4 / (fan_in + fan_out), twice Glorot's: as WGAN-GP's convolutions of a ReLU start."""
    limit = math.sqrt(12 / sum(fans))
    return rng.uniform(-limit, limit, shape)


def fan_in_normal(gain: float) -> Initializer:
    """Normal with standard deviation gain / sqrt(fan_in) (He et al. 2015 for gain = sqrt(2))."""
    gain = number_of("gain", gain)

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(shape) * (gain / math.sqrt(fans[0]))

    return initialize


def normal(deviation: float, mean: float = 0.0) -> Initializer:
    """Normal with the given standard deviation and mean."""
    deviation, mean = number_of("deviation", deviation), number_of("mean", mean)

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return mean + rng.standard_normal(shape) * deviation

    return initialize


def truncated_normal(deviation: float) -> Initializer:
    """TensorFlow's truncated normal: of this standard deviation before what lies beyond two of them is cut off.

    What is left has 0.8796 times the standard deviation: a variance of 0.7737 = 1 / 1.292.
    """
    deviation = number_of("deviation", deviation)

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return _truncated(rng, shape) * deviation

    return initialize


def variance_scaling(scale: float, mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_avg") -> Initializer:
    r"""TensorFlow 1's variance scaling: a truncated normal of variance scale / n, where n is a fan or the mean of both.

    Before it is cut at two standard deviations, the normal has :math:`\sigma^2 = 1.3\,\text{scale}/n`; 1.3 makes up for
    the cut within 0.6 %. The authors' hidden deconvolutions start from scale 2 and the mean of the fans.

    Raises
    ------
    ValueError
        If the scale is not positive or the mode unknown.
    """
    if number_of("scale", scale) <= 0:
        raise ValueError(f"scale: expected a positive number, got {scale}")
    if mode not in ("fan_in", "fan_out", "fan_avg"):
        raise ValueError(f"mode: expected fan_in, fan_out or fan_avg, got {mode!r}")

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        fan_in, fan_out = fans
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        return _truncated(rng, shape) * math.sqrt(1.3 * scale / n)

    return initialize


def uniform(half_width: float) -> Initializer:
    """Uniform on [-half_width, half_width]."""
    half_width = number_of("half_width", half_width, least=0)

    def initialize(rng: np.random.Generator, fans: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(-half_width, half_width, shape)

    return initialize


def _truncated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers; those beyond 2 or -2 are drawn again."""
    values = rng.standard_normal(shape)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = rng.standard_normal(np.count_nonzero(beyond))
    return values
