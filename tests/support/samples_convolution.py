"""Sample arguments for the primitives of convolutions, in float64 on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nets.primitives.geometry import Geometry


def im2col(rng: np.random.Generator) -> tuple[Any, ...]:
    """Images, memory for columns, stride and corner: windows may lie outside, partly or all, or leave pixels out."""
    n, height, width, channels, rows, windows, kh, kw = (int(number) for number in rng.integers(1, 6, 8))
    images = rng.standard_normal((n, height, width, channels))
    columns = rng.standard_normal((n, rows, windows, kh, kw, channels))
    stride, corner = rng.integers(1, 4, 2), rng.integers(-1, 4, 2)
    return images, columns, (int(stride[0]), int(stride[1])), (int(corner[0]), int(corner[1]))


def col2im(rng: np.random.Generator) -> tuple[Any, ...]:
    """The same with the first two exchanged."""
    images, columns, stride, corner = im2col(rng)
    return columns, images, stride, corner


def depthwise(rng: np.random.Generator) -> tuple[Any, ...]:
    """Images, a kernel and a bias for each channel, stride, corner, ceiling, and memory for the result."""
    n, height, width, kh, kw, rows, columns = (int(number) for number in rng.integers(1, 6, 7))
    channels = int(rng.integers(1, 20))  # more than a vector's and fewer
    x, weight = rng.standard_normal((n, height, width, channels)), rng.standard_normal((kh, kw, channels))
    down, across = (int(number) for number in rng.integers(1, 4, 2))
    above, left = int(rng.integers(0, kh)), int(rng.integers(0, kw))
    out = rng.standard_normal((n, rows, columns, channels)) - 10
    return x, weight / kh, rng.standard_normal(channels), (down, across), (above, left), 2.0, out


def windows(rng: np.random.Generator) -> tuple[tuple[int, ...], Geometry]:
    """Shape of images, and windows over them, whose padding is less than their size."""
    n, height, width, channels = (int(number) for number in rng.integers(1, 7, 4))
    size = tuple(int(number) for number in rng.integers(1, 4, 2))
    stride = tuple(int(number) for number in rng.integers(1, 3, 2))
    rows, columns = ((side - 1, int(rng.integers(side))) for side in size)  # so much that one fits
    return (n, height, width, channels), Geometry((height, width), size, stride, (rows, columns))


def mean_bias_relu(rng: np.random.Generator) -> tuple[Any, ...]:
    """Images, bias of some of their channels, memory for results, first channels and windows."""
    shape, geometry = windows(rng)
    images, out, bias, source, target = _channels(rng, shape, (shape[0], *geometry.output))
    return images, bias, out, source, target, geometry


def bias_relu(rng: np.random.Generator) -> tuple[Any, ...]:
    """The same without windows."""
    shape = tuple(int(number) for number in rng.integers(1, 7, 4))
    images, out, bias, source, target = _channels(rng, shape, shape[:3])
    return images, bias, out, source, target


def largest(rng: np.random.Generator) -> tuple[Any, ...]:
    """Images, memory for results of more channels, the first of them and windows."""
    shape, geometry = windows(rng)
    target, behind = (int(number) for number in rng.integers(0, 3, 2))
    out = rng.standard_normal((shape[0], *geometry.output, target + shape[3] + behind))
    return rng.standard_normal(shape), out, target, geometry


def _channels(rng: np.random.Generator, shape: tuple[int, ...], before: tuple[int, ...]) -> tuple[Any, ...]:
    count = int(rng.integers(1, shape[3] + 1))
    source, target = int(rng.integers(shape[3] - count + 1)), int(rng.integers(3))
    out = rng.standard_normal((*before, target + count + int(rng.integers(3))))
    return rng.standard_normal(shape), out, rng.standard_normal(count), source, target


SAMPLES: dict[str, Callable[[np.random.Generator], tuple[Any, ...]]] = {
    "nets.primitives.columns.im2col": im2col,
    "nets.primitives.columns.col2im": col2im,
    "nets.primitives.depthwise.depthwise": depthwise,
    "nets.primitives.windows.bias_relu": bias_relu,
    "nets.primitives.windows.largest": largest,
    "nets.primitives.windows.mean_bias_relu": mean_bias_relu,
}
