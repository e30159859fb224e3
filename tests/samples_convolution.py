"""Sample arguments for the primitives of convolutions, in float64 on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


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


SAMPLES: dict[str, Callable[[np.random.Generator], tuple[Any, ...]]] = {
    "nets.primitives.columns.im2col": im2col,
    "nets.primitives.columns.col2im": col2im,
    "nets.primitives.depthwise.depthwise": depthwise,
}
