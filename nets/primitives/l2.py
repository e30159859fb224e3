"""Weight decay of a part of the flat parameter vector in one pass."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.shares import share_rows


@Primitive
def l2(gradient: Array, parameters: Array, coefficient: float) -> Array:
    """``gradient + coefficient parameters``, both of shape (P,), in the memory of the gradient."""
    gradient += coefficient * parameters
    return gradient


@l2.version("numpy")
def _l2(gradient: np.ndarray, parameters: np.ndarray, coefficient: float) -> np.ndarray:
    share_rows(_l2_part, (gradient, parameters), coefficient)
    return gradient


@jit
def _l2_part(gradient, parameters, coefficient):
    coefficient = gradient.dtype.type(coefficient)
    for i in range(gradient.size):
        gradient[i] += coefficient * parameters[i]


@l2.version("cupy")
def _l2_cupy(gradient, parameters, coefficient):
    return _kernel(module_of(gradient))(parameters, coefficient, gradient)


@functools.cache
def _kernel(xp: ModuleType) -> Any:
    return xp.ElementwiseKernel("T p, T coefficient", "T g", "g += coefficient * p", "l2")
