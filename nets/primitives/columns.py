"""The windows of a convolution as columns of a matrix, and back.

Window (i, j) of an image reads row ``stride[0] i - corner[0] + a`` and column ``stride[1] j - corner[1] + b``, with a
and b in the ranges of the kernel; what lies outside the image is 0. The corner is the padding above and to the left; a
negative one leaves out the first rows or columns. The two functions are each other's transposes.

In memory a row of an image is one run of W C numbers, and a row of a window one run of kw C of them: what the compiled
loops copy and add are runs. Each result is written by one thread, in an order that its index fixes.
"""

from __future__ import annotations

from typing import Any

from coulombfield.arrays import Array, Primitive, jit, module_of
from nets.primitives.cuda import launch
from nets.primitives.geometry import Pair
from nets.primitives.shares import share_numbers


@Primitive
def im2col(images: Array, columns: Array, stride: Pair, corner: Pair) -> Array:
    """``columns[n, i, j, a, b] = images[n, stride[0] i + a - corner[0], stride[1] j + b - corner[1]]``.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
    columns : array, shape (N, rows, columns, kh, kw, C)
        Receives the result; contiguous.
    stride, corner : pair of int
        See above [pixels].
    """
    columns[...] = 0
    for source, target in taps_inside(images.shape[1:3], columns.shape[1:5], stride, corner):
        columns[(slice(None), *target)] = images[(slice(None), *source)]
    return columns


@Primitive
def col2im(columns: Array, images: Array, stride: Pair, corner: Pair) -> Array:
    """Write to ``images``, for each pixel, the sum of the columns' numbers that :func:`im2col` copies it to."""
    images[...] = 0
    for source, target in taps_inside(images.shape[1:3], columns.shape[1:5], stride, corner):
        images[(slice(None), *source)] += columns[(slice(None), *target)]
    return images


def taps_inside(size: Pair, windows: tuple[int, ...], stride: Pair, corner: Pair) -> list[tuple[Any, Any]]:
    """For each (a, b), the pixels that some window reads there, and these windows."""
    (height, width), (rows, columns, kernel_rows, kernel_columns) = size, windows
    return [
        ((pixels_i, pixels_j), (windows_i, windows_j, a, b))
        for a in range(kernel_rows)
        for pixels_i, windows_i in [_inside(height, rows, stride[0], a - corner[0])]
        for b in range(kernel_columns)
        for pixels_j, windows_j in [_inside(width, columns, stride[1], b - corner[1])]
    ]


def _inside(size: int, windows: int, stride: int, offset: int) -> tuple[slice, slice]:
    """Pixels ``stride i + offset`` for the windows i for which they lie within [0, size), and these windows."""
    first = max(0, -(offset // stride))
    stop = max(first, min(windows, (size - 1 - offset) // stride + 1))
    begin = stride * first + offset
    return slice(begin, begin + stride * (stop - first), stride), slice(first, stop)


@im2col.version("numpy")
def _im2col(images, columns, stride, corner):
    lines, runs = _lines_of(columns)
    pixels = _runs_of(module_of(images).ascontiguousarray(images))
    step, left = stride[1] * images.shape[3], corner[1] * images.shape[3]

    def work(start, stop):
        gather(pixels, runs[start:stop], start, columns.shape[1], stride[0], step, corner[0], left)

    share_numbers(work, lines, columns.size)
    return columns


@col2im.version("numpy")
def _col2im(columns, images, stride, corner):
    _, runs = _lines_of(columns)
    pixels = _runs_of(images)
    step, left = stride[1] * images.shape[3], corner[1] * images.shape[3]
    count = pixels.shape[0] * pixels.shape[1]

    def work(start, stop):
        add(runs, pixels, start, stop, columns.shape[1], stride[0], step, corner[0], left)

    share_numbers(work, count, columns.size)
    return images


@im2col.version("cupy")
def _im2col_cupy(images, columns, stride, corner):
    images = module_of(images).ascontiguousarray(images)
    count, rows, windows, taps, width, channels = columns.shape
    of_rows = images.shape[1], images.shape[2] * channels, rows, windows, taps, width * channels
    where = stride[0], stride[1] * channels, corner[0], corner[1] * channels
    launch(images, "columns.cu", "im2col", count * rows * taps, (images, columns, *of_rows, *where))
    return columns


@col2im.version("cupy")
def _col2im_cupy(columns, images, stride, corner):
    sizes = *images.shape[1:], *columns.shape[1:5]
    blocks = images.shape[0] * images.shape[1]
    launch(columns, "columns.cu", "col2im", blocks, (columns, images, *sizes, *stride, *corner))
    return images


def _lines_of(columns: Array) -> tuple[int, Array]:
    n, rows, width, kernel_rows, kernel_columns, channels = columns.shape
    return n * rows, columns.reshape(n * rows, width, kernel_rows, kernel_columns * channels)


def _runs_of(images: Array) -> Array:
    n, height, width, channels = images.shape
    return images.reshape(n, height, width * channels)


@jit
def gather(images, columns, first, rows, stride, step, top, left):
    """Copy the windows of some lines, where line n rows + i is window row i of image n.

    ``images`` is (N, H, W C); ``columns``, (lines, windows of a line, kh, run), receives the lines from ``first`` on.
    ``stride`` and ``top`` are along rows of pixels; ``step`` and ``left`` are along the numbers of a row.
    """
    height, length = images.shape[1], images.shape[2]
    lines, windows, taps, run = columns.shape
    zero = images.dtype.type(0)
    for line in range(lines):
        n, i = (first + line) // rows, (first + line) % rows
        for j in range(windows):
            # the window's run of numbers of a row, kw C, of which those from low to high are the image's
            begin = j * step - left
            low = min(max(-begin, 0), run)
            high = max(min(length - begin, run), low)
            for a in range(taps):
                r = i * stride + a - top
                target = columns[line, j, a]
                if r < 0 or r >= height:
                    target[:] = zero
                    continue
                target[:low] = zero
                target[high:] = zero
                source = images[n, r, begin + low : begin + high]
                inner = target[low:high]
                for q in range(inner.size):
                    inner[q] = source[q]


@jit
def add(columns, images, start, stop, rows, stride, step, top, left):
    """Add up, in rows ``start`` to ``stop`` of all images' pixels, what :func:`gather` copies from them."""
    height, length = images.shape[1], images.shape[2]
    _, windows, taps, run = columns.shape
    for index in range(start, stop):
        n, r = index // height, index % height
        target = images[n, r]
        target[:] = 0
        for a in range(taps):
            i, rest = (r + top - a) // stride, (r + top - a) % stride
            if rest != 0 or i < 0 or i >= rows:
                continue
            for j in range(windows):
                begin = j * step - left
                low = min(max(-begin, 0), run)
                high = max(min(length - begin, run), low)
                source = columns[n * rows + i, j, a, low:high]
                inner = target[begin + low : begin + high]
                for q in range(source.size):
                    inner[q] += source[q]
