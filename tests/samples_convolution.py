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


SAMPLES: dict[str, Callable[[np.random.Generator], tuple[Any, ...]]] = {
    "nets.primitives.columns.im2col": im2col,
    "nets.primitives.columns.col2im": col2im,
}
