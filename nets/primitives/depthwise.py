r"""Depthwise convolution of images, with its bias and a bounded activation: each channel has a kernel of its own.

For x (N, H, W, C) and weights w (kh, kw, C), and a ceiling t,

.. math:: y_{nijc} = \min\Bigl(t, \max\bigl(0, \sum_{ab} x_{n,\,s_0 i + a - p_0,\,s_1 j + b - p_1,\,c}\;w_{abc}
    + \beta_c\bigr)\Bigr).

It is no product of matrices: every number of x meets kh kw weights and no more. On NumPy a few neighbouring results of
a vector of channels stay in registers while the taps go by.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from coulombfield.lanes import (
    LANE_BYTES,
    ONE,
    add_each,
    like,
    load_series,
    multiply_each,
    select,
    static_size,
    store_series,
    zero_tile,
)
from nets.primitives.geometry import Pair
from nets.primitives.shares import share_numbers

_TILE = static_size(4)


@Primitive
def depthwise(x: Array, weight: Array, bias: Array, stride: Pair, corner: Pair, ceiling: float, out: Array) -> Array:
    """Depthwise convolution, plus a bias, between 0 and a ceiling, written to ``out``.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
        Images.
    weight : array, shape (kh, kw, C)
        A kernel for each channel.
    bias : array, shape (C,)
        Added to each channel.
    stride : tuple of int
        How far windows are from each other [pixels].
    corner : tuple of int
        Zeros above and to the left of each image [pixels]; what windows need below and to the right are zeros too.
    ceiling : float
        Largest result; infinite for ReLU, 6 for ReLU6.
    out : array, shape (N, rows, columns, C)
        Written; contiguous, in memory of its own.

    Returns
    -------
    array
        ``out``.
    """
    xp = module_of(x)
    (kh, kw, _), (rows, columns) = weight.shape, out.shape[1:3]
    (above, left), (down, across) = corner, stride
    below = max(0, (rows - 1) * down + kh - above - x.shape[1])
    right = max(0, (columns - 1) * across + kw - left - x.shape[2])
    padded = xp.pad(x, ((0, 0), (above, below), (left, right), (0, 0)))
    total = xp.zeros(out.shape, x.dtype)
    for a in range(kh):
        for b in range(kw):
            part = padded[:, a : a + (rows - 1) * down + 1 : down, b : b + (columns - 1) * across + 1 : across]
            total += part * weight[a, b]
    out[...] = xp.clip(total + bias, 0, ceiling)
    return out


@depthwise.version("numpy")
def _depthwise(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: Pair, corner: Pair, ceiling: float, out: np.ndarray
) -> np.ndarray:
    # What doesn't fit together is for NumPy to refuse: compiled loops would read beyond the arrays.
    fit = x.shape[0] == out.shape[0] and x.shape[3:] == weight.shape[2:] == bias.shape == out.shape[3:]
    alike = x.dtype == weight.dtype == bias.dtype == out.dtype and x.dtype.isnative
    if not (fit and alike and out.flags.c_contiguous):
        return depthwise.reference(x, weight, bias, stride, corner, ceiling, out)
    (rows, columns, channels), (height, width), (kh, kw) = out.shape[1:], x.shape[1:3], weight.shape[:2]
    axes = (height, rows, stride[0], corner[0], kh), (width, columns, stride[1], corner[1], kw)
    flat = [np.require(array, requirements=("C", "W")).reshape(-1) for array in (x, weight, bias, out)]

    def work(start: int, stop: int) -> None:
        depthwise_lines(start, stop, *flat[:3], axes, channels, ceiling, flat[3], _TILE)

    share_numbers(work, len(x) * rows, out.size)
    return out


@jit
def depthwise_lines(start, stop, x, weight, bias, axes, channels, ceiling, out, tile):
    """Lines of results start <= l < stop, counted over images and rows, of flat contiguous arrays.

    ``axes`` has size, results, stride, zeros before and taps of rows and of columns; the length of ``tile`` is how many
    results of a line are computed side by side.
    """
    (height, rows, down, above, kh), (width, columns, across, left, kw) = axes
    lane = LANE_BYTES // x.itemsize
    whole = channels - channels % lane
    zero, ceiling = x.dtype.type(0), x.dtype.type(ceiling)
    for line in range(start, stop):
        image, i = divmod(line, rows)
        first = down * i - above
        # a vector of channels of several results: their sums stay in registers over all taps
        for c in range(0, whole, lane):
            for j in range(0, columns, len(tile)):
                count = min(len(tile), columns - j)
                begin = across * j - left  # the first result's first pixel
                sums = zero_tile(x, tile)
                for a in range(max(0, -first), min(kh, height - first)):
                    row = (image * height + first + a) * width
                    for b in range(kw):
                        # results whose pixel 0 <= begin + b + across r < width; the others read a zero
                        low = -((begin + b) // across)
                        high = min(count, -((begin + b - width) // across))
                        place = (row + begin + b) * channels + c
                        pixels = load_series(x, place, across * channels, low, high, tile)
                        factor = load_series(weight, (a * kw + b) * channels + c, 0, 0, 1, ONE)[0]
                        sums = add_each(sums, multiply_each(pixels, factor))
                sums = add_each(sums, load_series(bias, c, 0, 0, 1, ONE)[0])
                store_series(
                    out, (line * columns + j) * channels + c, channels, 0, count, _bounded(sums, zero, ceiling)
                )
        for c in range(whole, channels):  # channels that fill no vector
            for j in range(columns):
                begin = across * j - left
                total = bias[c]
                for a in range(max(0, -first), min(kh, height - first)):
                    row = (image * height + first + a) * width
                    for b in range(max(0, -begin), min(kw, width - begin)):
                        total += x[(row + begin + b) * channels + c] * weight[(a * kw + b) * channels + c]
                total = zero if total < zero else total
                out[(line * columns + j) * channels + c] = ceiling if ceiling < total else total


@jit(no_cpython_wrapper=True)
def _bounded(sums, zero, ceiling):
    """Each lane between two numbers; a NaN stays one."""
    a, b, c, d = sums
    return _clip(a, zero, ceiling), _clip(b, zero, ceiling), _clip(c, zero, ceiling), _clip(d, zero, ceiling)


@jit(no_cpython_wrapper=True)
def _clip(lanes, zero, ceiling):
    zero, ceiling = like(lanes, zero), like(lanes, ceiling)
    lanes = select(lanes < zero, zero, lanes)
    return select(ceiling < lanes, ceiling, lanes)
