"""Depthwise convolutions."""

from __future__ import annotations

import numpy as np

from nets.primitives.depthwise import depthwise
from nets.primitives.geometry import same_padding


class Depthwise:
    """Depthwise convolution with TensorFlow's SAME padding, bias, and a ReLU that ends at a ceiling.

    Parameters
    ----------
    weight : array, shape (kh, kw, C)
        Of the dtype of x.
    bias : array, shape (C,)
        Likewise.
    stride : int
        How far windows are from each other [pixels].
    ceiling : float
        Largest result.
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray, stride: int, ceiling: float):
        self.weight, self.bias = np.ascontiguousarray(weight), np.ascontiguousarray(bias)
        self.stride, self.ceiling = (stride, stride), ceiling

    def forward(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write the result to ``out`` (N, ceil(H / stride), ceil(W / stride), C), contiguous, for x (N, H, W, C)."""
        kernel = self.weight.shape[0], self.weight.shape[1]
        (above, _), (left, _) = same_padding((x.shape[1], x.shape[2]), kernel, self.stride)
        return depthwise(x, self.weight, self.bias, self.stride, (above, left), self.ceiling, out)
