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
from coulombfield.lanes import LANE_BYTES
from nets.primitives.activations import (
    _bias_elu_rows,
    _bias_identity_rows,
    _bias_leaky_relu_rows,
    _elu_gradient_numbers,
    _leaky_relu_gradient_numbers,
    _tanh_gradient_numbers,
)
from nets.primitives.products import fill_panel, multiply_panel

IDENTITY, LEAKY_RELU, ELU, TANH, SCALE = range(5)
"""Activations: u; u or, where it is not positive, numbers[0] u; u or exp(u) - 1; numbers[0] tanh(numbers[1] u);
numbers[0] u."""


@jit
def forward_rows(start, stop, table, numbers, params, x, results, n):
    """Results of all steps for the samples start <= i < stop of n."""
    source, begin = x, 0
    for step in range(len(table)):
        fan_in, fan_out, weight, bias, activation, place = table[step]
        first, count = n * place + start * fan_out, stop - start
        rows = results[first : first + count * fan_out].reshape(count, fan_out)
        taken = begin + start * fan_in
        if weight < 0:
            rows.reshape(-1)[:] = source[taken : taken + count * fan_in]
        else:
            _times(source, taken, fan_in, params, weight, fan_out, 1, results, first, count, fan_out, fan_in)
        added = params[bias : bias + fan_out] if bias >= 0 else np.zeros(fan_out, params.dtype)
        if activation == LEAKY_RELU:
            _bias_leaky_relu_rows(rows, added, numbers[step, 0])
        elif activation == ELU:
            _bias_elu_rows(rows, added)
        elif activation == TANH:
            _bias_tanh_rows(rows, added, numbers[step, 0], numbers[step, 1])
        elif activation == SCALE:
            flat, factor = rows.reshape(-1), rows.dtype.type(numbers[step, 0])
            for i in range(flat.size):
                flat[i] *= factor
        elif bias >= 0:
            _bias_identity_rows(rows, added)
        source, begin = results, n * place


@jit
def backward_rows(start, stop, table, numbers, params, results, gradients, dx, n):
    """Gradients by the results of all steps before their activations, of the samples start <= i < stop of n.

    Those by the last step's results are in ``gradients`` at the start. Gradients by x go to ``dx`` unless that is
    empty.
    """
    count = stop - start
    for step in range(len(table) - 1, -1, -1):
        fan_in, fan_out, weight, _, activation, place = table[step]
        first = n * place + start * fan_out
        du, y = gradients[first : first + count * fan_out], results[first : first + count * fan_out]
        if activation == LEAKY_RELU:
            _leaky_relu_gradient_numbers(du, y, numbers[step, 0])
        elif activation == ELU:
            _elu_gradient_numbers(du, y)
        elif activation == TANH:
            _tanh_gradient_numbers(du, y, numbers[step, 0], numbers[step, 1])
        elif activation == SCALE:
            factor = du.dtype.type(numbers[step, 0])
            for i in range(du.size):
                du[i] *= factor
        if step > 0:
            out, begin = gradients, n * table[step - 1, 5] + start * fan_in
        elif dx.size > 0:
            out, begin = dx, start * fan_in
        else:
            return
        if weight < 0:
            out[begin : begin + count * fan_in] = du
        else:
            _times(gradients, first, fan_out, params, weight, 1, fan_out, out, begin, count, fan_in, fan_out)


@jit
def _bias_tanh_rows(h, bias, amplitude, rate):
    r"""With e = exp(-2 |u|) - 1, tanh |u| is -e / (2 + e)."""
    amplitude, twice, two = h.dtype.type(amplitude), h.dtype.type(-2 * rate), h.dtype.type(2)
    for n in range(h.shape[0]):
        for c in range(h.shape[1]):
            u = h[n, c] + bias[c]
            e = expm1(twice * abs(u))
            h[n, c] = np.copysign(amplitude * e / (two + e), u)


@jit
def _times(a, a_start, a_row, params, weight, row, column, out, place, m, n, k):
    """Rows of a, each of k numbers, times a weight (k, n) whose elements lie these steps apart, to rows of ``out``."""
    width = LANE_BYTES // a.itemsize
    panel = np.empty(k * width, a.dtype)
    for first in range(0, n, width):
        columns = min(width, n - first)
        fill_panel(panel, params, weight + first * column, row, column, k, columns, panel[:0])
        multiply_panel(a, a_start, a_row, 1, panel, k, out, place + first, n, m, columns)


@jit
def panels(table, itemsize):
    """Number of panels of all weights: the parts that :func:`weight_panels` is divided into."""
    count = 0
    for step in range(len(table)):
        if table[step, 2] >= 0:
            count += -(-table[step, 1] // (LANE_BYTES // itemsize))
    return count


@jit
def weight_panels(start, stop, table, x, results, gradients, factors, into, count, n):
    """Gradients by the weights and biases of the first ``count`` of n samples, panels start <= p < stop of all.

    A panel is as many columns of a weight as a vector has numbers. Sample i counts ``factors[i]`` times, if there are
    factors.
    """
    width = LANE_BYTES // into.itemsize
    panel, ones, first = np.empty(count * width, into.dtype), np.ones(count, into.dtype), 0
    for step in range(len(table)):
        fan_in, fan_out, weight, bias, _, place = table[step]
        if weight < 0:
            continue
        source, begin = (results, n * table[step - 1, 5]) if step > 0 else (x, 0)
        number = -(-fan_out // width)
        for column in range(width * max(start - first, 0), width * min(stop - first, number), width):
            columns = min(width, fan_out - column)
            fill_panel(panel, gradients, n * place + column, fan_out, 1, count, columns, factors)
            multiply_panel(source, begin, 1, fan_in, panel, count, into, weight + column, fan_out, fan_in, columns)
            if bias >= 0:  # sums over the samples are a product too
                multiply_panel(ones, 0, 1, 1, panel, count, into, bias + column, 0, 1, columns)
        first += number
