"""A sum of Gaussians and its slope at many squared distances in one pass."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from coulombfield.elementary import expm1
from nets.primitives.shares import share_rows


@Primitive
def gaussians(s: Array, rates: tuple[float, ...]) -> tuple[Array, Array]:
    r"""Sum of Gaussians less its value at 0, and minus its slope, at squared distances s of shape (A, B).

    .. math:: f(s) = \sum_r \bigl(e^{-r s} - 1\bigr), \qquad w(s) = \sum_r r\,e^{-r s}

    Returns
    -------
    f, w : array, shape (A, B)
        Each of f's terms has its own digits, also where :math:`e^{-r s}` is 1 to the last one; those of w have an error
        of eps r. f is in the memory of s.
    """
    xp = module_of(s)
    f, w = xp.zeros_like(s), xp.zeros_like(s)
    for rate in rates:
        less = xp.expm1(s * -rate)
        f += less
        less += 1
        less *= rate
        w += less
    s[...] = f
    return s, w


@gaussians.version("numpy")
def _gaussians(s: np.ndarray, rates: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    w = np.empty_like(s)
    share_rows(_gaussians_part, (s, w), np.asarray(rates, s.dtype))
    return s, w


@jit
def _gaussians_part(s, w, rates):
    one = s.dtype.type(1)
    f = np.empty(s.shape[1], s.dtype)
    for i in range(s.shape[0]):
        f[:] = 0
        w[i] = 0
        for rate in rates:
            for j in range(s.shape[1]):
                less = expm1(-rate * s[i, j])
                f[j] += less
                w[i, j] += rate * (less + one)
        s[i] = f


@gaussians.version("cupy")
def _gaussians_cupy(s, rates):
    xp = module_of(s)
    return _kernel(xp, len(rates))(s, *rates, s, xp.empty_like(s))


@functools.cache
def _kernel(xp: ModuleType, count: int) -> Any:
    """One launch for all Gaussians; their rates are arguments."""
    names = [f"r{number}" for number in range(count)]
    # d and f are one number in memory
    terms = [f"less = expm1(s * -{rate}); f += less; w += {rate} * (less + T(1));" for rate in names]
    taken = ", ".join(f"T {name}" for name in ("d", *names))
    body = f"const T s = d; T less; f = w = T(0); {' '.join(terms)}"
    return xp.ElementwiseKernel(taken, "T f, T w", body, "gaussians")
