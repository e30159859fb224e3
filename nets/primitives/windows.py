"""Maxima and means over windows of images, and bias with ReLU, from some channels of one array to some of another.

Networks of parallel branches keep the results of several in one array, side by side along the channels. What is here
reads the channels ``source``, ``source + 1``, ... of its images and writes ``target``, ``target + 1``, ... of ``out``,
so that nothing is copied to or from there. Windows lie as in :mod:`nets.primitives.columns`; what of a window lies
outside the image counts for nothing: it is no candidate for the maximum, and no pixel of the mean.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.columns import taps_inside
from nets.primitives.geometry import Geometry
from nets.primitives.shares import share_numbers


@Primitive
def bias_relu(u: Array, bias: Array, out: Array, source: int, target: int) -> Array:
    """``out[..., target + c] = max(u[..., source + c] + bias[c], 0)``.

    Parameters
    ----------
    u : array, shape (N, H, W, C)
        Contiguous.
    bias : array, shape (K,)
        It says how many channels are read and written.
    out : array, shape (N, H, W, D)
        Contiguous; may be ``u`` where source and target are the same.
    source, target : int
        First channels.

    Returns
    -------
    array
        ``out``.
    """
    of_u, of_out = _channels(u, source, bias), _channels(out, target, bias)
    of_out[...] = module_of(u).maximum(of_u + bias, 0)
    return out


@Primitive
def mean_bias_relu(u: Array, bias: Array, out: Array, source: int, target: int, windows: Geometry) -> Array:
    """The same of the mean of u over each window: ``out`` is (N, *windows.output, D)."""
    of_u, of_out = _channels(u, source, bias), _channels(out, target, bias)
    of_out[...] = 0
    pixels = module_of(u).zeros((*windows.output, 1), u.dtype)
    for seen, window in taps_inside(windows.size, (*windows.output, *windows.kernel), windows.stride, windows.corner):
        of_out[(slice(None), *window[:2])] += of_u[(slice(None), *seen)]
        pixels[window[:2]] += 1
    of_out[...] = module_of(u).maximum(of_out / pixels + bias, 0)
    return out


@Primitive
def largest(images: Array, out: Array, target: int, windows: Geometry) -> Array:
    """Maximum over each window of all channels of ``images`` (N, H, W, C), at channel ``target`` of ``out`` and on."""
    xp = module_of(images)
    of_out = out[..., target : target + images.shape[3]]
    of_out[...] = -xp.inf
    for seen, window in taps_inside(windows.size, (*windows.output, *windows.kernel), windows.stride, windows.corner):
        part = of_out[(slice(None), *window[:2])]
        part[...] = xp.maximum(part, images[(slice(None), *seen)])
    return out


def _channels(array: Array, first: int, bias: Array) -> Array:
    return array[..., first : first + bias.shape[0]]


def _rows(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1])


@bias_relu.version("numpy")
def _bias_relu(u, bias, out, source, target):
    of_u, of_out = _rows(u), _rows(out)

    def work(start, stop):
        if u is out and source == target:
            bias_relu_in_place(of_u[start:stop], bias, source)
        else:
            bias_relu_rows(of_u[start:stop], bias, of_out[start:stop], source, target)

    share_numbers(work, len(of_u), len(of_u) * bias.size)
    return out


@jit
def bias_relu_rows(u, bias, out, source, target):
    """For rows (pixels, channels)."""
    zero = u.dtype.type(0)
    for n in range(len(u)):
        of_u, of_out = u[n, source : source + bias.size], out[n, target : target + bias.size]
        for c in range(bias.size):
            value = of_u[c] + bias[c]
            of_out[c] = zero if value < zero else value  # so that a NaN stays one


@jit
def bias_relu_in_place(u, bias, source):
    """The same where both are one: a loop over two that may overlap is not made of vectors."""
    zero = u.dtype.type(0)
    for n in range(len(u)):
        row = u[n, source : source + bias.size]
        for c in range(bias.size):
            value = row[c] + bias[c]
            row[c] = zero if value < zero else value


@mean_bias_relu.version("numpy")
def _mean_bias_relu(u, bias, out, source, target, windows):
    of_u, of_out, rows = _rows(u), _rows(out), len(u) * windows.output[0]
    where = windows.size, windows.output, windows.kernel, windows.stride, windows.corner

    def work(start, stop):
        means(start, stop, of_u, bias, of_out, source, target, *where)

    share_numbers(work, rows, rows * windows.output[1] * bias.size)
    return out


@jit
def pixels_of(index, size, kernel, stride, corner):
    """First and last but one of the pixels of a window along an axis that lie inside the image."""
    first = index * stride - corner
    return max(first, 0), min(first + kernel, size)


@jit
def means(start, stop, u, bias, out, source, target, size, output, kernel, stride, corner):
    """Rows ``start`` to ``stop`` of the windows of all images, for pixels (N H W, channels)."""
    zero = u.dtype.type(0)
    for row in range(start, stop):
        n, i = row // output[0], row % output[0]
        top, bottom = pixels_of(i, size[0], kernel[0], stride[0], corner[0])
        for j in range(output[1]):
            left, right = pixels_of(j, size[1], kernel[1], stride[1], corner[1])
            of_out = out[row * output[1] + j, target : target + bias.size]
            of_out[:] = zero
            for r in range(top, bottom):
                first = (n * size[0] + r) * size[1]
                q = left
                while q + 3 <= right:  # three at a time, as in maxima
                    one, two, three = (
                        u[first + q, source : source + bias.size],
                        u[first + q + 1, source : source + bias.size],
                        u[first + q + 2, source : source + bias.size],
                    )
                    for c in range(of_out.size):
                        of_out[c] += one[c] + two[c] + three[c]
                    q += 3
                while q < right:
                    one = u[first + q, source : source + bias.size]
                    for c in range(of_out.size):
                        of_out[c] += one[c]
                    q += 1
            share = u.dtype.type(1) / u.dtype.type((bottom - top) * (right - left))
            for c in range(of_out.size):
                value = of_out[c] * share + bias[c]
                of_out[c] = zero if value < zero else value


@largest.version("numpy")
def _largest(images, out, target, windows):
    of_images, of_out, rows = _rows(images), _rows(out), len(images) * windows.output[0]
    where = windows.size, windows.output, windows.kernel, windows.stride, windows.corner

    def work(start, stop):
        maxima(start, stop, of_images, of_out, target, *where)

    share_numbers(work, rows, rows * windows.output[1] * images.shape[3])
    return out


@jit
def larger(a, b):
    """The larger of two numbers; a NaN if one of them is."""
    return a if (a > b) | (a != a) else b


@jit
def maxima(start, stop, images, out, target, size, output, kernel, stride, corner):
    """Rows ``start`` to ``stop`` of the windows of all images, for pixels (N H W, channels)."""
    lowest = images.dtype.type(-np.inf)
    for row in range(start, stop):
        n, i = row // output[0], row % output[0]
        top, bottom = pixels_of(i, size[0], kernel[0], stride[0], corner[0])
        for j in range(output[1]):
            left, right = pixels_of(j, size[1], kernel[1], stride[1], corner[1])
            of_out = out[row * output[1] + j, target : target + images.shape[1]]
            of_out[:] = lowest
            for r in range(top, bottom):
                first = (n * size[0] + r) * size[1]
                q = left
                while q + 3 <= right:  # three at a time, for which what is in memory is compared once
                    one, two, three = images[first + q], images[first + q + 1], images[first + q + 2]
                    for c in range(of_out.size):
                        of_out[c] = larger(larger(of_out[c], one[c]), larger(two[c], three[c]))
                    q += 3
                while q < right:
                    one = images[first + q]
                    for c in range(of_out.size):
                        of_out[c] = larger(of_out[c], one[c])
                    q += 1
