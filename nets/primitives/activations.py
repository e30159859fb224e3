"""Bias and activation in one pass over a matrix product, and their gradient in one pass back.

Every function works on rows: ``h`` is (N, C), ``bias`` is (C,). On NumPy and CuPy the result takes the place of
the first argument. The derivative is computed from the *output* y = f(h + bias), so that h need not be kept; where f
is flat its absolute error is that of a rounding of y, and its relative error can be large.

A NaN comes out of every function as a NaN. The numpy versions index without checking bounds: the layers compare shapes.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit
from coulombfield.elementary import expm1
from nets.primitives.inplace import module_of


@Primitive
def bias_identity(h: Array, bias: Array) -> Array:
    """``h + bias``."""
    h += bias
    return h


@bias_identity.version("numpy")
@jit
def _bias_identity(h, bias):  # NumPy's own loop allocates buffers to broadcast and takes twice as long
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            h[n, c] += bias[c]
    return h


@Primitive
def bias_leaky_relu(h: Array, bias: Array, slope: float) -> Array:
    """``u`` where u = h + bias is positive, elsewhere ``slope u``, for a slope in [0, 1)."""
    xp = module_of(h)
    h += bias
    factor = xp.where(h > 0, h.dtype.type(1), h.dtype.type(slope))  # not max(u, slope u): inf times 0 is NaN
    return xp.multiply(h, factor, out=h)


@bias_leaky_relu.version("numpy")
@jit
def _bias_leaky_relu(h, bias, slope):
    slope, zero = h.dtype.type(slope), h.dtype.type(0)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            value = h[n, c] + bias[c]
            h[n, c] = value if value > zero else slope * value
    return h


@Primitive
def bias_elu(h: Array, bias: Array) -> Array:
    """``u`` where u = h + bias is positive, elsewhere ``exp(u) - 1``."""
    xp = module_of(h)
    h += bias
    negative = xp.minimum(h, 0)
    xp.expm1(negative, out=negative)
    xp.maximum(h, 0, out=h)
    h += negative
    return h


@bias_elu.version("numpy")
@jit
def _bias_elu(h, bias):
    zero = h.dtype.type(0)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            value = h[n, c] + bias[c]
            h[n, c] = value if value > zero else expm1(value)
    return h


@Primitive
def bias_tanh(h: Array, bias: Array, amplitude: float, rate: float) -> Array:
    """``amplitude tanh(rate (h + bias))``."""
    xp = module_of(h)
    h += bias
    h *= rate
    xp.tanh(h, out=h)
    h *= amplitude
    return h


@bias_tanh.version("numpy")
def _bias_tanh(h, bias, amplitude, rate):  # NumPy's tanh is vectorised, Numba's is not
    _bias_identity(h, bias)
    h *= rate
    np.tanh(h, out=h)
    h *= amplitude
    return h


@Primitive
def leaky_relu_gradient(dy: Array, y: Array, slope: float) -> Array:
    """``dy`` where y is positive, elsewhere ``slope dy``."""
    xp = module_of(dy)
    return xp.multiply(dy, xp.where(y > 0, dy.dtype.type(1), dy.dtype.type(slope)), out=dy)


@leaky_relu_gradient.version("numpy")
@jit
def _leaky_relu_gradient(dy, y, slope):
    slope = dy.dtype.type(slope)
    one = dy.dtype.type(1)
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            dy[n, c] *= one if y[n, c] > 0 else slope
    return dy


@Primitive
def elu_gradient(dy: Array, y: Array) -> Array:
    """``dy min(1, y + 1)``: the derivative of exp(u) - 1 is exp(u) = y + 1, and that of u is 1."""
    xp = module_of(dy)
    return xp.multiply(dy, xp.minimum(y + 1, 1), out=dy)


@elu_gradient.version("numpy")
@jit
def _elu_gradient(dy, y):
    one = dy.dtype.type(1)
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            dy[n, c] *= one if y[n, c] > 0 else y[n, c] + one
    return dy


@Primitive
def tanh_gradient(dy: Array, y: Array, amplitude: float, rate: float) -> Array:
    """``dy rate (amplitude - y**2 / amplitude)``: the derivative of amplitude tanh(rate u), from y."""
    slope = y * y
    slope *= -rate / amplitude
    slope += rate * amplitude
    dy *= slope
    return dy


@tanh_gradient.version("numpy")
@jit
def _tanh_gradient(dy, y, amplitude, rate):
    real = dy.dtype.type
    at_zero, curvature = real(rate * amplitude), real(rate / amplitude)
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            dy[n, c] *= at_zero - curvature * (y[n, c] * y[n, c])
    return dy
