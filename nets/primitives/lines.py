"""Convolutions of long, narrow kernels by minimal filtering along their longer axis, on NumPy, forward.

A line is a row or a column of an image. Tiles of four results along each line of results are computed from products at
n points (:mod:`nets.primitives.line_tiles`): for each point a matrix of tiles times channels, times one of channels
times filters. Taps across the line are more channels: those of the neighbouring lines. Of the products of a sum over
windows, 1 x 7 needs 10 / 28, 5 x 5 needs 8 / 20 and 1 x 3 needs 1 / 2, where four divides the results of a line.

Weights that never change are taken to the points once and for all; :mod:`nets.primitives.trained_lines` has those that
are trained, and the other passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

from coulombfield.arrays import Array, jit
from coulombfield.lanes import LANE_BYTES, load_series, static_size, store_series
from coulombfield.threads import lone_products, share
from nets.primitives.geometry import Geometry
from nets.workspace import Workspace, scratch

from .line_tiles import POINTS, RESULTS, line_data, line_results, tap_points

NUMBERS = 2**20
"""At the points of images and results together at a time (or those of one image): some of the last cache."""
WORTH = 0.7
"""Largest ratio of products to those of the sum over windows, which has less around its products."""


class Line(NamedTuple):
    """Where lines of images and of results lie, in numbers of their flat arrays or [1]."""

    size: int
    """Pixels of a line of an image."""
    lines: int
    """Lines of an image."""
    padding: int
    """Zeros before a line."""
    above: int
    """Lines of zeros before an image."""
    taps: int
    """Taps across a line."""
    results: int
    """Results of a line."""
    of_results: int
    """Lines of results."""
    tiles: int
    """Tiles of a line of results."""


def suits(geometry: Geometry, channels: int, filters: int, dtype: np.dtype) -> bool:
    """Whether filtering along the longer axis is possible and pays."""
    taps, lanes = max(geometry.kernel), LANE_BYTES // dtype.itemsize
    if taps not in POINTS or geometry.stride != (1, 1) or channels % lanes or filters % lanes:
        return False
    results = geometry.output[_axis(geometry)]
    return (taps + RESULTS - 1) * -(-results // RESULTS) <= WORTH * taps * results


def _axis(geometry: Geometry) -> int:
    return int(geometry.kernel[1] >= geometry.kernel[0])


def line_of(geometry: Geometry) -> tuple[int, Line]:
    """The axis along which windows are filtered, and where lines lie."""
    axis = _axis(geometry)
    results = geometry.output[axis]
    return axis, Line(
        geometry.size[axis],
        geometry.size[1 - axis],
        geometry.padding[axis][0],
        geometry.padding[1 - axis][0],
        geometry.kernel[1 - axis],
        results,
        geometry.output[1 - axis],
        -(-results // RESULTS),
    )


class Lines:
    """A convolution's weights at the points.

    Parameters
    ----------
    weight : array, shape (kh, kw, channels, filters)
        NumPy; it is not looked at again.
    geometry : Geometry
        Of windows that :func:`suits` admits.
    """

    def __init__(self, weight: Array, geometry: Geometry):
        self._axis, self._line = line_of(geometry)
        along = np.moveaxis(weight, self._axis, 0)  # taps along, across, channels, filters
        taps, across, channels, filters = along.shape
        at_points = np.tensordot(tap_points(taps), along.astype(np.float64), 1).astype(weight.dtype)
        self._weights = at_points.reshape(len(at_points), across * channels, filters)

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Constant`."""
        line, (points, width, filters) = self._line, self._weights.shape
        size = static_size(points)

        def convolve_part(images: Array, results: Array, values: Array, products: Array) -> None:
            lines_to_points(0, len(images), images.reshape(-1), x.shape[3], self._axis, line, *flat(values), size)
            np.matmul(values, self._weights, out=products)
            points_to_lines(0, len(images), *flat(products), filters, self._axis, line, results.reshape(-1), size)

        by_parts(convolve_part, x, out, (points, line.of_results * line.tiles), (width, filters), NUMBERS, workspace)
        return out


def by_parts(
    work: Callable[[Array, Array, Array, Array], object],
    source: Array,
    target: Array,
    points: tuple[int, int],
    widths: tuple[int, int],
    numbers: int,
    workspace: Workspace | None,
) -> None:
    """Call ``work`` for parts of a batch, in threads, with memory for numbers at the points of either kind.

    Parameters
    ----------
    work : callable
        Of parts of source and target and of two arrays (n, rows, width).
    source, target : array, shape (images, ...)
        What is read and what is written.
    points : pair of int
        n, and rows of an image.
    widths : pair of int
        Of the arrays.
    numbers : int
        Most numbers of both arrays together, or those of one image.
    """
    n, tiles = points
    most = max(1, numbers // (n * tiles * sum(widths)))
    parts = -(-len(source) // most)
    free = list(range(min(numba.get_num_threads(), parts)))
    memory = scratch(workspace, "lines", (len(free), n * most * tiles * sum(widths)), source)

    def take(start: int, stop: int) -> None:
        slot = free.pop()
        for part in range(start, stop):
            some = slice(part * most, (part + 1) * most)
            rows = len(source[some]) * tiles
            first, size = widths[0] * n * rows, sum(widths) * n * rows
            values = memory[slot, :first].reshape(n, rows, widths[0])
            work(source[some], target[some], values, memory[slot, first:size].reshape(n, rows, widths[1]))
        free.append(slot)

    with lone_products():
        share(take, parts)


def flat(matrices: Array) -> tuple[Array, int]:
    """The numbers of a matrix for each point (n, rows, width), in a row, and how far apart points are in it."""
    step = matrices.strides[0] // matrices.itemsize
    size = step * (len(matrices) - 1) + matrices[0].size
    return np.lib.stride_tricks.as_strided(matrices, (size,), (matrices.itemsize,)), step


@jit
def lines_to_points(start, stop, images, channels, axis, line, values, matrix, points):
    """B^T d of the tiles of images start <= i < stop, to ``values`` (images, lines of results, tiles, taps across, C).

    A point's values are ``matrix`` numbers behind those of the point before.
    """
    n, lane = len(points), LANE_BYTES // images.itemsize
    # steps in the flat array along the line and from line to line; lines are rows, or columns of pixels
    along = channels if axis == 1 else line.lines * channels
    across = line.size * channels if axis == 1 else channels
    place = start * line.of_results * line.tiles * line.taps * channels
    for image in range(start, stop):
        for i in range(line.of_results):
            for tile in range(line.tiles):
                # result o reads data from o - padding on
                first = tile * RESULTS - line.padding
                low, high = max(0, -first), min(n, line.size - first)
                for a in range(line.taps):
                    source = i + a - line.above
                    there = 0 <= source < line.lines  # beyond the image's edge all data are 0
                    corner = image * line.size * line.lines * channels + source * across + first * along
                    for c in range(0, channels, lane):
                        d = load_series(images, corner + c, along, low, high if there else low, points)
                        store_series(values, place, matrix, 0, n, line_data(d, points))
                        place += lane


@jit
def points_to_lines(start, stop, products, matrix, filters, axis, line, outputs, points):
    """A^T p of the tiles of images start <= i < stop, from ``products`` (images, lines of results, tiles, filters)."""
    n, lane = len(points), LANE_BYTES // outputs.itemsize
    size = line.results * line.of_results * filters
    along = filters if axis == 1 else line.of_results * filters
    across = line.results * filters if axis == 1 else filters
    place = start * line.of_results * line.tiles * filters
    for image in range(start, stop):
        for i in range(line.of_results):
            for tile in range(line.tiles):
                corner = image * size + i * across + tile * RESULTS * along
                high = min(RESULTS, line.results - tile * RESULTS)
                for k in range(0, filters, lane):
                    p = load_series(products, place, matrix, 0, n, points)
                    store_series(outputs, corner + k, along, 0, high, line_results(p, points))
                    place += lane
