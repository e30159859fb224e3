"""Sample arguments for the primitives of batch-norm and layer-norm, in float64 on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def numbers(rng: np.random.Generator) -> tuple[np.ndarray]:
    """``x`` (G, R, C), with means that differ between channels."""
    groups, rows, channels = rng.integers(1, (4, 40, 40))
    return (rng.standard_normal((groups, rows, channels)) + rng.standard_normal((groups, 1, channels)),)


def statistics(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Statistics (3, G, C), with a remainder that shows."""
    center, remainder = rng.standard_normal((2, *x[:, 0].shape))
    return np.stack([center, remainder / 8, rng.uniform(0.5, 1.5, center.shape)])


def normalize(rng: np.random.Generator) -> tuple[Any, ...]:
    """Memory for y, x, statistics, scale, shift and slope."""
    (x,) = numbers(rng)
    scale, shift = rng.standard_normal((2, x.shape[-1]))
    return rng.standard_normal(x.shape), x, statistics(rng, x), scale, shift, rng.choice([0.0, 0.2, 1.0])


def gradient_sums(rng: np.random.Generator) -> tuple[Any, ...]:
    """``dy``, y, x, statistics and slope."""
    (x,) = numbers(rng)
    dy, y = rng.standard_normal((2, *x.shape))
    return dy / 4, y, x, statistics(rng, x), rng.choice([0.0, 0.2, 1.0])


def gradient(rng: np.random.Generator) -> tuple[Any, ...]:
    """The same with scale and means before the slope."""
    *arrays, slope = gradient_sums(rng)
    groups, _, channels = arrays[0].shape
    return *arrays, rng.standard_normal(channels), rng.standard_normal((2, groups, channels)) / 4, slope


def tangent_sums(rng: np.random.Generator) -> tuple[Any, ...]:
    """``dy``, a tangent, y, x, statistics and slope."""
    dy, *others = gradient_sums(rng)
    return dy, rng.standard_normal(dy.shape) / 4, *others


def tangent(rng: np.random.Generator) -> tuple[Any, ...]:
    """The tangent first, and scale and means before the slope."""
    dy, v, *others, slope = tangent_sums(rng)
    groups, _, channels = dy.shape
    return v, dy, *others, rng.standard_normal(channels), rng.standard_normal((5, groups, channels)) / 4, slope


SAMPLES: dict[str, Callable[[np.random.Generator], tuple[Any, ...]]] = {
    "nets.primitives.normalization_passes.moments": numbers,
    "nets.primitives.normalization_passes.normalize": normalize,
    "nets.primitives.normalization_passes.gradient_sums": gradient_sums,
    "nets.primitives.normalization_passes.gradient": gradient,
    "nets.primitives.normalization_tangents.tangent_sums": tangent_sums,
    "nets.primitives.normalization_tangents.tangent": tangent,
}
