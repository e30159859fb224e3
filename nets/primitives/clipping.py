"""Weight clipping of a part of the flat parameter vector in one pass."""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.shares import share_rows


@Primitive
def clamp(parameters: Array, bound: float) -> Array:
    """``parameters``, of shape (P,), with what lies outside [-bound, bound] moved to the nearer end; NaN stays NaN."""
    return module_of(parameters).clip(parameters, -bound, bound, out=parameters)


@clamp.version("numpy")
def _clamp(parameters: np.ndarray, bound: float) -> np.ndarray:
    share_rows(_clamp_part, (parameters,), bound)
    return parameters


@jit
def _clamp_part(parameters, bound):
    bound = parameters.dtype.type(bound)
    for i in range(parameters.size):
        p = parameters[i]
        p = bound if p > bound else p
        parameters[i] = -bound if p < -bound else p
