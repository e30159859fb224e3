"""Convolutions as products of columns with weights, and the gradient by the weights.

The columns of a batch (:mod:`nets.primitives.columns`) are kh kw times as large as its images; they are formed and
multiplied part by part. On NumPy the tiles of a product are computed side by side, each in one thread. Parts and tiles
depend on the shapes alone, hence the bits of a result do too, whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numba
import numpy as np

from coulombfield.arrays import Array, gpu_attributes, module_of
from coulombfield.threads import lone_products, share
from nets.primitives import columns
from nets.primitives.geometry import Geometry
from nets.workspace import Workspace, scratch

TILE = 256, 512
"""Rows and columns of a tile: a product of 256 rows reaches nine tenths of the rate of 1024."""
HOST_NUMBERS = 2**22
"""Numbers of columns at a time: enough rows that the weights need not be read often."""
CACHE_SHARE, USUAL_CACHE = 0.5, 40 * 2**20
"""On a GPU, part of the second-level cache that columns fill, and bytes of one whose driver tells none.

The columns of 128 images of 32 x 32 x 64 by 5 x 5 windows at stride 2 are 210 MB, which memory of 3.3 TB/s writes and
reads in 127 us; the product takes 268 us at 50 TFLOP/s."""
WAVES, CUDA_TILE = 2, 128
"""Tiles of so many rows and columns that each multiprocessor should have of a product, however small the cache is."""
TASK_NUMBERS = 2**20
"""Numbers of the columns of one task of :func:`correlate`."""
TASKS = 16
"""Tasks that are wanted of :func:`correlate`, for threads to share, where partial sums are small enough."""
PARTIAL_NUMBERS = 2**22
"""Numbers of all partial sums of :func:`correlate`."""
NARROW, NARROW_NUMBERS = 128, 2**17
"""Windows of at most so many numbers are multiplied by the thread that gathered them, so many numbers at a time: those
are still in its cache."""


class Direct:
    """Columns times weights."""

    def __init__(self, weight: Array, geometry: Geometry):
        self.weight = weight.reshape(-1, weight.shape[-1])
        self.channels = weight.shape[2]
        self.geometry = geometry

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Kernel`."""
        if _pointwise(self.geometry):
            return _product(_rows(x), self.weight, _rows(out)).reshape(out.shape)
        if isinstance(x, np.ndarray) and self.weight.shape[0] <= NARROW:
            self._convolve_by_lines(np.ascontiguousarray(x), _rows(out), workspace)
            return out
        for part, windows in _parts(x, self.geometry, self.weight.shape, workspace):
            columns.im2col(x[part], windows, self.geometry.stride, self.geometry.corner)
            _product(windows.reshape(-1, self.weight.shape[0]), self.weight, _rows(out[part]))
        return out

    def transpose(self, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Kernel`."""
        if _pointwise(self.geometry):
            return _product(_rows(y), self.weight.T, _rows(out)).reshape(out.shape)
        for part, windows in _parts(y, self.geometry, self.weight.shape, workspace):
            _product(_rows(y[part]), self.weight.T, windows.reshape(-1, self.weight.shape[0]))
            columns.col2im(windows, out[part], self.geometry.stride, self.geometry.corner)
        return out

    def _convolve_by_lines(self, x: np.ndarray, out: np.ndarray, workspace: Workspace | None) -> None:
        geometry, (lines, windows) = self.geometry, (len(x) * self.geometry.output[0], self.geometry.output[1])
        shape = windows, geometry.kernel[0], geometry.kernel[1] * self.channels
        most = max(1, NARROW_NUMBERS // math.prod(shape))
        parts = _evenly(slice(0, lines), most)
        free = list(range(min(numba.get_num_threads(), len(parts))))
        memory = scratch(workspace, "columns", (len(free), most, *shape), x)
        pixels = x.reshape(*x.shape[:2], x.shape[2] * self.channels)

        def work(start: int, stop: int) -> None:
            slot = free.pop()
            for part in parts[start:stop]:
                gathered = memory[slot, : _length(part)]
                _gather(pixels, gathered, part.start, geometry, self.channels)
                rows = slice(part.start * windows, part.stop * windows)
                np.matmul(gathered.reshape(-1, self.weight.shape[0]), self.weight, out=out[rows])
            free.append(slot)

        with lone_products():
            share(work, len(parts))


def correlate(x: Array, y: Array, geometry: Geometry, out: Array, workspace: Workspace | None = None) -> Array:
    """See :func:`nets.primitives.convolution_maps.correlate`."""
    if _pointwise(geometry):
        _product(_rows(x).T, _rows(y), _rows(out))
    elif isinstance(x, np.ndarray):
        _correlate_by_tasks(x, _rows(y), geometry, out, workspace)
    else:
        _correlate_by_parts(x, y, geometry, out, workspace)
    return out


def _pointwise(geometry: Geometry) -> bool:
    """Whether the columns are the image itself."""
    return geometry.kernel == geometry.stride == (1, 1) and geometry.output == geometry.size


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _parts(
    like: Array, geometry: Geometry, weights: tuple[int, ...], workspace: Workspace | None
) -> Iterator[tuple[slice, Array]]:
    """Slices of the batch, as even as can be, and memory (N, rows, columns, kh, kw, C) for the columns of each.

    The weights are a matrix of these kh kw C rows and as many columns as there are filters.
    """
    window, filters = weights
    shape = (*geometry.output, *geometry.kernel, window // math.prod(geometry.kernel))
    numbers = HOST_NUMBERS if isinstance(like, np.ndarray) else _device_numbers(like, window, filters)
    most = max(1, numbers // math.prod(shape))
    for part in _evenly(slice(0, like.shape[0]), most):
        yield part, scratch(workspace, "columns", (_length(part), *shape), like)


def _device_numbers(like: Array, window: int, filters: int) -> int:
    """Numbers of columns at a time on the GPU where an array is."""
    attributes = gpu_attributes(like)
    tiles = -(-WAVES * attributes["MultiProcessorCount"] // -(-filters // CUDA_TILE))
    cache, rows = attributes["L2CacheSize"] or USUAL_CACHE, tiles * CUDA_TILE
    return max(int(CACHE_SHARE * cache) // like.itemsize, rows * window)


def _product(a: Array, b: Array, out: Array) -> Array:
    """``out = a b``, on NumPy tile by tile."""
    if not isinstance(out, np.ndarray):
        return module_of(out).matmul(a, b, out=out)
    tiles = [
        (slice(i, i + TILE[0]), slice(j, j + TILE[1]))
        for i in range(0, out.shape[0], TILE[0])
        for j in range(0, out.shape[1], TILE[1])
    ]

    def work(start: int, stop: int) -> None:
        for i, j in tiles[start:stop]:
            np.matmul(a[i], b[:, j], out=out[i, j])

    with lone_products():
        share(work, len(tiles))
    return out


def _correlate_by_parts(x: Array, y: Array, geometry: Geometry, out: Array, workspace: Workspace | None) -> None:
    """Sum of the products of the columns of each part with its y."""
    total = _rows(out)
    total[...] = 0
    partial = scratch(workspace, "correlation", total.shape, x)
    for part, windows in _parts(x, geometry, total.shape, workspace):
        columns.im2col(x[part], windows, geometry.stride, geometry.corner)
        total += _product(windows.reshape(-1, total.shape[0]).T, _rows(y[part]), partial)


class _Task(NamedTuple):
    """Rows of windows and, of the kw C numbers of each, those that are read; a group of lines of windows."""

    taps: slice
    run: slice
    lines: slice
    group: int


def _correlate_by_tasks(
    x: np.ndarray, y: np.ndarray, geometry: Geometry, out: np.ndarray, workspace: Workspace | None
) -> None:
    """Tap by tap, or a few taps at a time where these are short: each task gathers what its taps read.

    Lines of windows fall into groups, whose sums are added in their order.
    """
    x = np.ascontiguousarray(x)
    taps, blocks, groups = _division(x.shape, geometry, out.shape)
    tasks = [_Task(a, q, lines, g) for g, lines in enumerate(groups) for a in taps for q in blocks]
    run, windows = geometry.kernel[1] * x.shape[3], geometry.output[1]
    widest = max(map(_length, taps)) * max(map(_length, blocks))
    most = max(1, TASK_NUMBERS // (windows * widest))  # lines at a time
    sums = _rows(out)[None]
    if len(groups) > 1:
        sums = scratch(workspace, "sums", (len(groups), *sums.shape[1:]), x)
    free = list(range(min(numba.get_num_threads(), len(tasks))))
    windows_of = scratch(workspace, "columns", (len(free), most * windows * widest), x)
    addends = scratch(workspace, "addends", (len(free), widest * out.shape[3]), x)
    pixels = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])

    def work(start: int, stop: int) -> None:
        slot = free.pop()
        for task in tasks[start:stop]:
            count = _length(task.taps) * _length(task.run)
            first = task.taps.start * run + task.run.start
            total = sums[task.group, first : first + count]
            addend = addends[slot, : total.size].reshape(total.shape)
            for part in _evenly(task.lines, most):
                shape = (_length(part), windows, _length(task.taps), _length(task.run))
                gathered = windows_of[slot, : math.prod(shape)].reshape(shape)
                _gather(pixels, gathered, part.start, geometry, x.shape[3], task.taps.start, task.run.start)
                begins = part.start == task.lines.start
                product = total if begins else addend
                np.matmul(gathered.reshape(-1, count).T, y[part.start * windows : part.stop * windows], out=product)
                if not begins:
                    total += addend
        free.append(slot)

    with lone_products():
        share(work, len(tasks))
    if len(groups) > 1:
        np.add.reduce(sums, axis=0, out=_rows(out))


def _division(
    images: tuple[int, ...], geometry: Geometry, weights: tuple[int, ...]
) -> tuple[list[slice], list[slice], list[slice]]:
    """Slices of the taps, of the run of one tap and of the lines of windows, for tasks of :func:`correlate`."""
    run = geometry.kernel[1] * images[3]
    taps = _evenly(slice(0, geometry.kernel[0]), max(1, TILE[0] // run))
    blocks = _evenly(slice(0, run), TILE[1])
    lines = images[0] * geometry.output[0]
    wanted = -(-TASKS // (len(taps) * len(blocks)))
    groups = max(1, min(wanted, PARTIAL_NUMBERS // math.prod(weights), lines * geometry.output[1] // (4 * TILE[0])))
    return taps, blocks, _evenly(slice(0, lines), max(1, -(-lines // groups)))


def _gather(
    pixels: np.ndarray, gathered: np.ndarray, line: int, geometry: Geometry, channels: int, tap: int = 0, run: int = 0
) -> None:
    """Copy lines of windows, from number ``line`` on, and of the windows what begins at that tap and in its run."""
    (above, left), (down, across) = geometry.corner, geometry.stride
    rows = geometry.output[0]
    columns.gather(pixels, gathered, line, rows, down, across * channels, above - tap, left * channels - run)


def _evenly(whole: slice, most: int) -> list[slice]:
    """Parts of a slice with at most so many numbers each, as even as can be; one part of none, of nothing."""
    length = _length(whole)
    count = max(1, -(-length // most))
    return [
        slice(whole.start + length * part // count, whole.start + length * (part + 1) // count) for part in range(count)
    ]


def _length(part: slice) -> int:
    return part.stop - part.start
