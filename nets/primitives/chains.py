"""Passes through a chain of affine maps and activations, each pass one compiled loop over the whole chain.

A chain is a table with a row (fan_in, fan_out, weight, bias, activation, place) for each step: where its weight and its
bias begin in the flat vector of parameters, -1 for none; one of the activations below; and where its results begin in a
flat array, of those of all steps, for one sample: n samples' begin n times as far. ``numbers`` has a row of the two
numbers of each activation. A step without weight has as many outputs as inputs.

All arrays but these two are flat, contiguous and of one dtype.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import jit
from coulombfield.elementary import expm1
from coulombfield.lanes import LANE_BYTES, compiled_once, lanes_of
from nets.primitives.bias_activation import (
    bias_elu_rows,
    bias_identity_rows,
    bias_leaky_relu_rows,
    elu_gradient_numbers,
    leaky_relu_gradient_numbers,
    tanh_gradient_numbers,
)
from nets.primitives.products import multiply_part

IDENTITY, LEAKY_RELU, ELU, TANH, SCALE = range(5)
"""Activations: u; u or, where it is not positive, numbers[0] u; u or exp(u) - 1; numbers[0] tanh(numbers[1] u);
numbers[0] u."""


@jit
def forward_rows(start, stop, table, numbers, params, nothing, x, results, n):
    """Results of all steps for the samples start <= i < stop of n; ``nothing`` are zeros, a layer's width of them."""
    source, begin, one = x, np.int64(0), np.int64(1)
    for step in range(len(table)):
        fan_in, fan_out, weight = table[step, 0], table[step, 1], table[step, 2]
        first, taken = n * table[step, 5] + start * fan_out, begin + start * fan_in
        if weight < 0:
            _copy(results, first, source, taken, (stop - start) * fan_in)
        else:
            # h = x W
            multiply_part(
                source, taken, fan_in, one, params, weight, fan_out, one, nothing[:0],
                results, first, fan_out, stop - start, fan_out, fan_in,
            )  # fmt: skip
        h = results[first : first + (stop - start) * fan_out].reshape(stop - start, fan_out)
        bias = nothing[:fan_out] if table[step, 3] < 0 else params[table[step, 3] : table[step, 3] + fan_out]
        _activate(table[step, 4], numbers[step, 0], numbers[step, 1], h, bias)
        source, begin = results, n * table[step, 5]  # the next step's x


@jit(no_cpython_wrapper=True)
def _activate(activation, a, b, h, bias):
    """Bias and activation in place, row by row."""
    compiled_once()
    if activation == LEAKY_RELU:
        bias_leaky_relu_rows(h, bias, a)
    elif activation == ELU:
        bias_elu_rows(h, bias)
    elif activation == TANH:
        _bias_tanh_rows(h, bias, a, b)
    else:
        bias_identity_rows(h, bias)
        if activation == SCALE:
            _scale(h.reshape(-1), a)


@jit(no_cpython_wrapper=True)
def _bias_tanh_rows(h, bias, amplitude, rate):
    """With e = exp(-2 |u|) - 1, tanh |u| is -e / (2 + e)."""
    amplitude, twice, two = h.dtype.type(amplitude), h.dtype.type(-2 * rate), h.dtype.type(2)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            u = h[n, c] + bias[c]
            e = expm1(twice * abs(u))
            h[n, c] = np.copysign(amplitude * e / (two + e), u)


@jit(no_cpython_wrapper=True)
def _scale(numbers, factor):
    factor = numbers.dtype.type(factor)
    for i in range(numbers.size):
        numbers[i] *= factor


@jit(no_cpython_wrapper=True)
def _copy(out, place, numbers, start, count):
    for i in range(count):
        out[place + i] = numbers[start + i]


@jit
def backward_rows(start, stop, table, numbers, params, results, gradients, dx, n):
    """Gradients by the results of all steps before their activations, of the samples start <= i < stop of n.

    Those by the last step's results are in ``gradients`` at the start. Gradients by x go to ``dx`` unless that is
    empty.
    """
    count, one = stop - start, np.int64(1)
    for step in range(len(table) - 1, -1, -1):
        fan_in, fan_out, weight = table[step, 0], table[step, 1], table[step, 2]
        first = n * table[step, 5] + start * fan_out
        du, y = gradients[first : first + count * fan_out], results[first : first + count * fan_out]
        # du = f'(u) dy, in the place of dy
        _times_slope(table[step, 4], numbers[step, 0], numbers[step, 1], du, y)
        if step > 0:
            out, begin = gradients, n * table[step - 1, 5] + start * fan_in
        elif dx.size > 0:
            out, begin = dx, start * fan_in
        else:
            return
        if weight < 0:
            _copy(out, begin, gradients, first, count * fan_in)
        else:
            # dx = du W^T
            multiply_part(
                gradients, first, fan_out, one, params, weight, one, fan_out, dx[:0],
                out, begin, fan_in, count, fan_in, fan_out,
            )  # fmt: skip


@jit(no_cpython_wrapper=True)
def _times_slope(activation, a, b, du, y):
    """The gradient by an activation's result y, times its slope there."""
    compiled_once()
    if activation == LEAKY_RELU:
        leaky_relu_gradient_numbers(du, y, a)
    elif activation == ELU:
        elu_gradient_numbers(du, y)
    elif activation == TANH:
        tanh_gradient_numbers(du, y, a, b)
    elif activation == SCALE:
        _scale(du, a)


def panels(table: np.ndarray, itemsize: int) -> int:
    """Number of panels of all weights: the parts that :func:`weight_panels` is divided into."""
    return int((-(-table[table[:, 2] >= 0, 1] // (LANE_BYTES // itemsize))).sum())


@jit
def weight_panels(start, stop, table, x, results, gradients, factors, into, count, n):
    """Gradients by the weights and biases of the first ``count`` of n samples, panels start <= p < stop of all.

    A panel is as many columns of a weight as a vector has numbers. Sample i counts ``factors[i]`` times, if there are
    factors.
    """
    width, zero, one, first = lanes_of(into), np.int64(0), np.int64(1), np.int64(0)
    counts = np.empty(count, into.dtype)
    for i in range(count):
        counts[i] = factors[i] if factors.size > 0 else 1
    for step in range(len(table)):
        fan_in, fan_out, weight, bias = table[step, 0], table[step, 1], table[step, 2], table[step, 3]
        if weight < 0:
            continue
        source, begin = (results, n * table[step - 1, 5]) if step > 0 else (x, zero)
        number = -(-fan_out // width)
        # columns of this weight that are in the panels
        low, high = width * max(start - first, zero), min(width * min(stop - first, number), fan_out)
        du = n * table[step, 5] + low
        # dW = x^T du, of samples that count factors[i] times
        multiply_part(
            source, begin, one, fan_in, gradients, du, fan_out, one, factors,
            into, weight + low, fan_out, fan_in, high - low, count,
        )  # fmt: skip
        if bias >= 0:  # sums over the samples are a product too
            multiply_part(
                counts, zero, one, one, gradients, du, fan_out, one, factors[:0],
                into, bias + low, fan_out, one, high - low, count,
            )  # fmt: skip
        first += number
