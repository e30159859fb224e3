"""Bias and an activation between two bounds, such as ReLU6, in one pass over a matrix product."""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.shares import share_rows


@Primitive
def bias_bounded(h: Array, bias: Array, ceiling: float) -> Array:
    """``min(ceiling, max(0, h + bias))`` for h of any shape with C channels last and bias (C,); a NaN stays one.

    On NumPy and CuPy in the memory of h.
    """
    h += bias
    return module_of(h).clip(h, 0, h.dtype.type(ceiling), out=h)


@bias_bounded.version("numpy")
def _bias_bounded(h: np.ndarray, bias: np.ndarray, ceiling: float) -> np.ndarray:
    h = np.ascontiguousarray(h)
    share_rows(bias_bounded_rows, (h.reshape(-1, h.shape[-1]),), bias, ceiling)
    return h


@jit
def bias_bounded_rows(h, bias, ceiling):
    """For rows (N, C)."""
    zero, ceiling = h.dtype.type(0), h.dtype.type(ceiling)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            value = h[n, c] + bias[c]
            value = zero if value < zero else value
            h[n, c] = ceiling if ceiling < value else value
