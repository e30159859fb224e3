"""Weight clipping of a part of the flat parameter vector in one pass."""

from __future__ import annotations

from coulombfield.arrays import Array, Primitive, jit
from nets.primitives.inplace import module_of


@Primitive
def clamp(parameters: Array, bound: float) -> Array:
    """``parameters``, of shape (P,), with what lies outside [-bound, bound] moved to the nearer end; NaN stays NaN."""
    return module_of(parameters).clip(parameters, -bound, bound, out=parameters)


@clamp.version("numpy")
@jit
def _clamp(parameters, bound):
    bound = parameters.dtype.type(bound)
    for i in range(parameters.size):
        p = parameters[i]
        p = bound if p > bound else p
        parameters[i] = -bound if p < -bound else p
    return parameters
