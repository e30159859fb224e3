"""Convolutions of long, narrow kernels by minimal filtering along their longer axis, on NumPy, forward only.

A line is a row or a column of an image. Tiles of four results along each line of results are computed from products at
n points (:mod:`nets.primitives.line_tiles`): for each point a matrix of tiles times channels, times one of channels
times filters. Taps across the line are more channels: those of the neighbouring lines. Of the products of a sum over
windows, 1 x 7 needs 10 / 28, 5 x 5 needs 8 / 20 and 1 x 3 needs 1 / 2, where four divides the results of a line.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from coulombfield.arrays import Array, jit
from coulombfield.lanes import LANE_BYTES, load_series, store_series
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
    """Across a line."""
    results: int
    """Of a line."""
    of_results: int
    """Lines of results."""
    tiles: int
    """Of a line of results."""


def suits(geometry: Geometry, channels: int, filters: int, dtype: np.dtype) -> bool:
    """Whether filtering along the longer axis is possible and pays."""
    taps, lanes = max(geometry.kernel), LANE_BYTES // dtype.itemsize
    if taps not in POINTS or geometry.stride != (1, 1) or channels % lanes or filters % lanes:
        return False
    results = geometry.output[_axis(geometry)]
    return (taps + RESULTS - 1) * -(-results // RESULTS) <= WORTH * taps * results


def _axis(geometry: Geometry) -> int:
    return int(geometry.kernel[1] >= geometry.kernel[0])


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
        self._axis = axis = _axis(geometry)
        along = np.moveaxis(weight, axis, 0)  # taps along, across, channels, filters
        taps, across, channels, self._filters = along.shape
        at_points = np.tensordot(tap_points(taps), along.astype(np.float64), 1).astype(weight.dtype)
        self._weights = at_points.reshape(len(at_points), across * channels, self._filters)
        self._line = Line(
            geometry.size[axis],
            geometry.size[1 - axis],
            geometry.padding[axis][0],
            geometry.padding[1 - axis][0],
            across,
            geometry.output[axis],
            geometry.output[1 - axis],
            -(-geometry.output[axis] // RESULTS),
        )

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution.Constant`."""
        line, (points, width, filters) = self._line, self._weights.shape
        tiles = line.of_results * line.tiles
        most = max(1, NUMBERS // (points * tiles * (width + filters)))
        parts = -(-len(x) // most)
        free = list(range(min(numba.get_num_threads(), parts)))
        memory = scratch(workspace, "lines", (len(free), points * most * tiles * (width + filters)), x)
        zeros = (0,) * points

        def work(start: int, stop: int) -> None:
            slot = free.pop()
            for part in range(start, stop):
                some = slice(part * most, (part + 1) * most)
                images, results = x[some], out[some]
                rows = len(images) * tiles
                values = memory[slot, : points * rows * width]
                products = memory[slot, values.size : values.size + points * rows * filters]
                lines_to_points(images.reshape(-1), x.shape[3], self._axis, line, values, zeros)
                shaped = products.reshape(points, rows, filters)
                np.matmul(values.reshape(points, rows, width), self._weights, out=shaped)
                points_to_lines(products, filters, self._axis, line, results.reshape(-1), zeros)
            free.append(slot)

        with lone_products():
            share(work, parts)
        return out


@jit
def lines_to_points(images, channels, axis, line, values, points):
    """B^T d of all tiles, to ``values`` (n, images, lines of results, tiles, taps across, channels)."""
    n, lane = len(points), LANE_BYTES // images.itemsize
    count = images.size // (line.size * line.lines * channels)
    along = channels if axis == 1 else line.lines * channels
    across = line.size * channels if axis == 1 else channels
    matrix = values.size // n
    place = 0
    for image in range(count):
        for i in range(line.of_results):
            for tile in range(line.tiles):
                first = tile * RESULTS - line.padding
                low, high = max(0, -first), min(n, line.size - first)
                for a in range(line.taps):
                    source = i + a - line.above
                    there = 0 <= source < line.lines
                    corner = image * line.size * line.lines * channels + source * across + first * along
                    for c in range(0, channels, lane):
                        d = load_series(images, corner + c, along, low, high if there else low, points)
                        store_series(values, place, matrix, 0, n, line_data(d, points))
                        place += lane


@jit
def points_to_lines(products, filters, axis, line, outputs, points):
    """A^T p of all tiles, from ``products`` (n, images, lines of results, tiles, filters)."""
    n, lane = len(points), LANE_BYTES // outputs.itemsize
    size = line.results * line.of_results * filters
    along = filters if axis == 1 else line.of_results * filters
    across = line.results * filters if axis == 1 else filters
    matrix = products.size // n
    place = 0
    for image in range(outputs.size // size):
        for i in range(line.of_results):
            for tile in range(line.tiles):
                corner = image * size + i * across + tile * RESULTS * along
                high = min(RESULTS, line.results - tile * RESULTS)
                for k in range(0, filters, lane):
                    p = load_series(products, place, matrix, 0, n, points)
                    store_series(outputs, corner + k, along, 0, high, line_results(p, points))
                    place += lane
