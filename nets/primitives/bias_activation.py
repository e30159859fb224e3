"""Bias and activation in one pass over a matrix product, and their gradient in one pass back.

``h`` is of any shape with C channels last, ``bias`` is (C,), or None for none. On NumPy and CuPy the result takes the
place of the first argument where that is contiguous. The derivative is computed from the *output* y = f(h + bias), so
that h need not be kept; where f is flat its absolute error is that of a rounding of y, and its relative error can be
large.

A NaN comes out of every function as a NaN. The numpy versions index without checking bounds: the layers compare shapes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from coulombfield.elementary import expm1
from nets.primitives.shares import share_rows

TANH_BLOCK = 2**14  # numbers, for which three passes stay in the second-level cache


@Primitive
def bias_identity(h: Array, bias: Array | None) -> Array:
    """``h + bias``."""
    if bias is not None:
        h += bias
    return h


@bias_identity.version("numpy")
def _bias_identity(h: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return h if bias is None else _by_rows(bias_identity_rows, h, bias)


@jit
def bias_identity_rows(h, bias):
    """For rows (N, C): NumPy's own loop allocates buffers to broadcast and takes twice as long."""
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            h[n, c] += bias[c]


@Primitive
def bias_leaky_relu(h: Array, bias: Array | None, slope: float) -> Array:
    """``u`` where u = h + bias is positive, elsewhere ``slope u``, for a slope in [0, 1)."""
    xp = module_of(h)
    h = bias_identity.reference(h, bias)
    factor = xp.where(h > 0, h.dtype.type(1), h.dtype.type(slope))  # not max(u, slope u): inf times 0 is NaN
    return xp.multiply(h, factor, out=h)


@bias_leaky_relu.version("numpy")
def _bias_leaky_relu(h: np.ndarray, bias: np.ndarray | None, slope: float) -> np.ndarray:
    return _by_rows(bias_leaky_relu_rows, h, bias, slope)


@jit
def bias_leaky_relu_rows(h, bias, slope):
    """For rows (N, C)."""
    slope, zero = h.dtype.type(slope), h.dtype.type(0)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            value = h[n, c] + bias[c]
            h[n, c] = value if value > zero else slope * value


@bias_leaky_relu.version("cupy")
def _bias_leaky_relu_cupy(h: Array, bias: Array | None, slope: float) -> Array:
    return _biased(module_of(h), "leaky_relu", "u > T(0) ? u : slope * u", "T slope")(_bias(h, bias), slope, h)


@Primitive
def bias_elu(h: Array, bias: Array | None) -> Array:
    """``u`` where u = h + bias is positive, elsewhere ``exp(u) - 1``."""
    xp = module_of(h)
    h = bias_identity.reference(h, bias)
    negative = xp.minimum(h, 0)
    xp.expm1(negative, out=negative)
    xp.maximum(h, 0, out=h)
    h += negative
    return h


@bias_elu.version("numpy")
def _bias_elu(h: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return _by_rows(bias_elu_rows, h, bias)


@jit
def bias_elu_rows(h, bias):
    """For rows (N, C)."""
    zero = h.dtype.type(0)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            value = h[n, c] + bias[c]
            h[n, c] = value if value > zero else expm1(value)


@bias_elu.version("cupy")
def _bias_elu_cupy(h: Array, bias: Array | None) -> Array:
    return _biased(module_of(h), "elu", "u > T(0) ? u : expm1(u)")(_bias(h, bias), h)


@Primitive
def bias_tanh(h: Array, bias: Array | None, amplitude: float, rate: float) -> Array:
    """``amplitude tanh(rate (h + bias))``."""
    xp = module_of(h)
    h = bias_identity.reference(h, bias)
    h *= rate
    xp.tanh(h, out=h)
    h *= amplitude
    return h


@bias_tanh.version("numpy")
def _bias_tanh(h: np.ndarray, bias: np.ndarray | None, amplitude: float, rate: float) -> np.ndarray:
    return _by_rows(_bias_tanh_rows, h, bias, amplitude, rate)


def _bias_tanh_rows(h, bias, amplitude, rate):  # NumPy's tanh is vectorised, Numba's is not
    step = max(1, TANH_BLOCK // max(1, h.shape[1]))
    for start in range(0, h.shape[0], step):
        block = h[start : start + step]
        bias_identity_rows(block, bias)
        block *= rate
        np.tanh(block, out=block)
        block *= amplitude


@bias_tanh.version("cupy")
def _bias_tanh_cupy(h: Array, bias: Array | None, amplitude: float, rate: float) -> Array:
    kernel = _biased(module_of(h), "tanh", "amplitude * tanh(rate * u)", "T amplitude, T rate")
    return kernel(_bias(h, bias), amplitude, rate, h)


@Primitive
def leaky_relu_gradient(dy: Array, y: Array, slope: float) -> Array:
    """``dy`` where y is positive, elsewhere ``slope dy``."""
    xp = module_of(dy)
    return xp.multiply(dy, xp.where(y > 0, dy.dtype.type(1), dy.dtype.type(slope)), out=dy)


@leaky_relu_gradient.version("numpy")
def _leaky_relu_gradient(dy: np.ndarray, y: np.ndarray, slope: float) -> np.ndarray:
    return _by_numbers(leaky_relu_gradient_numbers, dy, y, slope)


@jit
def leaky_relu_gradient_numbers(dy, y, slope):
    """For numbers in a row."""
    slope, one, zero = dy.dtype.type(slope), dy.dtype.type(1), dy.dtype.type(0)
    for i in range(dy.size):
        dy[i] *= one if y[i] > zero else slope


@leaky_relu_gradient.version("cupy")
def _leaky_relu_gradient_cupy(dy: Array, y: Array, slope: float) -> Array:
    return _sloped(module_of(dy), "leaky_relu", "y > T(0) ? T(1) : slope", "T slope")(y, slope, dy)


@Primitive
def elu_gradient(dy: Array, y: Array) -> Array:
    """``dy min(1, y + 1)``: the derivative of exp(u) - 1 is exp(u) = y + 1, and that of u is 1."""
    xp = module_of(dy)
    return xp.multiply(dy, xp.minimum(y + 1, 1), out=dy)


@elu_gradient.version("numpy")
def _elu_gradient(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _by_numbers(elu_gradient_numbers, dy, y)


@jit
def elu_gradient_numbers(dy, y):
    """For numbers in a row."""
    one, zero = dy.dtype.type(1), dy.dtype.type(0)
    for i in range(dy.size):
        dy[i] *= one if y[i] > zero else y[i] + one


@elu_gradient.version("cupy")
def _elu_gradient_cupy(dy: Array, y: Array) -> Array:
    return _sloped(module_of(dy), "elu", "y > T(0) ? T(1) : y + T(1)")(y, dy)


@Primitive
def tanh_gradient(dy: Array, y: Array, amplitude: float, rate: float) -> Array:
    """``dy rate (amplitude - y**2 / amplitude)``: the derivative of amplitude tanh(rate u), from y."""
    slope = y * y
    slope *= -rate / amplitude
    slope += rate * amplitude
    dy *= slope
    return dy


@tanh_gradient.version("numpy")
def _tanh_gradient(dy: np.ndarray, y: np.ndarray, amplitude: float, rate: float) -> np.ndarray:
    return _by_numbers(tanh_gradient_numbers, dy, y, amplitude, rate)


@jit
def tanh_gradient_numbers(dy, y, amplitude, rate):
    """For numbers in a row."""
    real = dy.dtype.type
    at_zero, curvature = real(rate * amplitude), real(rate / amplitude)
    for i in range(dy.size):
        dy[i] *= at_zero - curvature * (y[i] * y[i])


@tanh_gradient.version("cupy")
def _tanh_gradient_cupy(dy: Array, y: Array, amplitude: float, rate: float) -> Array:
    kernel = _sloped(module_of(dy), "tanh", "at_zero - curvature * (y * y)", "T at_zero, T curvature")
    return kernel(y, rate * amplitude, rate / amplitude, dy)


def _by_rows(work: Callable[..., object], h: np.ndarray, bias: np.ndarray | None, *settings: float) -> np.ndarray:
    """``work(rows, bias, *settings)`` for rows (N, C) of h, in its memory."""
    h = np.ascontiguousarray(h)
    rows = h if h.ndim == 2 else h.reshape(-1, h.shape[-1])
    share_rows(work, (rows,), _bias(rows, bias), *settings)
    return h


def _by_numbers(work: Callable[..., object], dy: np.ndarray, y: np.ndarray, *settings: float) -> np.ndarray:
    """``work(dy, y, *settings)`` for all numbers in a row, in the memory of dy."""
    dy = np.ascontiguousarray(dy)
    share_rows(work, (dy.reshape(-1), y.reshape(-1)), *settings)
    return dy


def _bias(h: Array, bias: Array | None) -> Array:
    return module_of(h).zeros(h.shape[-1:], h.dtype) if bias is None else bias


@functools.cache
def _biased(xp: ModuleType, name: str, value: str, settings: str = "") -> Any:
    """CUDA kernel of bias, settings and h that turns u = h + bias into a value."""
    arguments = f"T bias, {settings}" if settings else "T bias"
    return xp.ElementwiseKernel(arguments, "T h", f"const T u = h + bias; h = {value};", f"bias_{name}")


@functools.cache
def _sloped(xp: ModuleType, name: str, slope: str, settings: str = "") -> Any:
    """CUDA kernel of y, settings and dy that multiplies dy by a slope."""
    arguments = f"T y, {settings}" if settings else "T y"
    return xp.ElementwiseKernel(arguments, "T dy", f"dy *= {slope};", f"{name}_gradient")
