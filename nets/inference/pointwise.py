"""Convolutions of single pixels."""

from __future__ import annotations

import numpy as np

from nets.primitives.bias_activation import bias_identity
from nets.primitives.bounded import bias_bounded


class Pointwise:
    r"""1 x 1 convolution, bias and activation: :math:`y_{nijk} = f(\sum_c x_{nijc} w_{ck} + b_k)`.

    Parameters
    ----------
    weight : array, shape (C, K)
        Of the dtype of x.
    bias : array, shape (K,)
        Likewise.
    ceiling : float, optional
        f is a ReLU that ends there; without it, f(u) = u.
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray, ceiling: float | None = None):
        self.weight, self.bias, self.ceiling = np.ascontiguousarray(weight), np.ascontiguousarray(bias), ceiling

    def forward(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write y to ``out`` (..., K), which is contiguous, for x (..., C)."""
        np.matmul(x.reshape(-1, x.shape[-1]), self.weight, out=out.reshape(-1, out.shape[-1]))
        return bias_identity(out, self.bias) if self.ceiling is None else bias_bounded(out, self.bias, self.ceiling)
