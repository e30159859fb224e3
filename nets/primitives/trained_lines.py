r"""Convolutions of sequences over five places by minimal filtering, with all passes of training, on NumPy.

Tiles of four results have eight products in place of twenty (:mod:`nets.primitives.line_tiles`). Filtering is linear in
data and taps, so that the gradients are its transposes, with as many products each: with V, U and M for data, weights
and results at the points, a matrix for each,

.. math:: M = V U, \qquad \dot V = \dot M U^T, \qquad \dot U = V^T \dot M.

In float32 the largest errors of a result, of the gradient by data and of that by weights are 3e-6, 2e-6 and 2e-6 of the
largest number, with 512 channels and filters.

Memory: weights at the points are 8 / 5 of the weights, and are computed anew for each pass. The gradient by the weights
has images and results at the points, which are twice as many numbers as they, for :data:`CHUNK` of them at a time; the
other passes have them for parts of a batch. All layers of a workspace share this memory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array, jit
from coulombfield.lanes import LANE_BYTES, add_series, load_series, static_size, store_series
from nets.workspace import Workspace, scratch

from . import winograd
from .geometry import Geometry
from .line_tiles import (
    RESULTS,
    line_data_adjoint,
    line_results_adjoint,
    line_taps,
    line_taps_adjoint,
)
from .lines import Line, by_parts, flat, line_of, lines_to_points, points_to_lines
from .shares import share_numbers

TAPS = 5
N = TAPS + RESULTS - 1
POINTS, SIDES, ALONG = static_size(N), static_size(RESULTS), static_size(TAPS)
"""How large a tile is, for compiled code."""

NUMBERS = 2**20
"""Numbers at the points of images and results together at a time in a thread (or those of one image)."""
CHUNK = 2**24
"""Numbers of images or results at the points at a time for the gradient by the weights (or those of one image)."""
ROWS = 512
"""Rows of a product that one thread computes."""
APART = 80
"""Numbers between the matrices of two points, so that those of one place are not in the same set of a cache."""


class Plan(NamedTuple):
    """Lines of a convolution, and the axis along which they are filtered."""

    axis: int
    line: Line

    @property
    def tiles(self) -> int:
        """Tiles of an image."""
        return self.line.of_results * self.line.tiles


@functools.cache
def plan(geometry: Geometry, channels: int, filters: int, images: int, dtype: np.dtype) -> Plan | None:
    """How to filter the lines of this many images, or None where the sum over windows is cheaper."""
    lanes = LANE_BYTES // dtype.itemsize
    narrow = sorted(geometry.kernel) == [1, TAPS] and geometry.stride == (1, 1)
    if not narrow or channels % lanes or filters % lanes or not images:
        return None
    found = Plan(*line_of(geometry))
    tiles, windows = images * found.tiles, images * math.prod(geometry.output)
    products = N * channels * filters * (tiles + winograd.WEIGHT_COST)
    cost = products + winograd.NUMBER_COST * tiles * N * (channels + filters)
    return found if cost < winograd.cost_of_windows(TAPS, channels, filters, windows) else None


class TrainedLines:
    """A convolution's weights, which each pass takes to the points.

    Parameters
    ----------
    plan : Plan
        Its lines.
    weight : array, shape (kh, kw, channels, filters)
        NumPy, contiguous.
    """

    def __init__(self, plan: Plan, weight: Array):
        self.plan = plan
        self._weight = weight

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Kernel`."""
        weights, (axis, line) = self._at_points(workspace), self.plan
        channels, filters = weights.shape[1:]

        def part(images: Array, results: Array, values: Array, products: Array) -> None:
            lines_to_points(0, len(images), images.reshape(-1), channels, axis, line, *flat(values), POINTS)
            np.matmul(values, weights, out=products)
            points_to_lines(0, len(images), *flat(products), filters, axis, line, results.reshape(-1), POINTS)

        x = np.ascontiguousarray(x)
        by_parts(part, x, out, (N, self.plan.tiles), (channels, filters), NUMBERS, workspace)
        return out

    def transpose(self, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """See :class:`nets.primitives.convolution_maps.Kernel`."""
        weights, (axis, line) = self._at_points(workspace).transpose(0, 2, 1), self.plan
        filters, channels = weights.shape[1:]

        def part(results: Array, images: Array, products: Array, values: Array) -> None:
            results_to_points(0, len(results), results.reshape(-1), filters, axis, line, *flat(products), POINTS, SIDES)
            np.matmul(products, weights, out=values)
            points_to_images(0, len(images), images.reshape(-1), channels, axis, line, *flat(values), POINTS)

        y = np.ascontiguousarray(y)
        by_parts(part, y, out, (N, self.plan.tiles), (filters, channels), NUMBERS, workspace)
        return out

    def correlate(
        self,
        x: Array,
        y: Array,
        out: Array,
        workspace: Workspace | None = None,
        *,
        transposed: Array | None = None,
        convolved: Array | None = None,
    ) -> Array:
        """:func:`correlate`, and with the same images or results at the points one of the other passes, or both."""
        return _correlate(self.plan, x, y, out, workspace, self, transposed, convolved)

    def _at_points(self, workspace: Workspace | None) -> Array:
        """Weights at the points (n, channels, filters), valid until another layer needs their memory."""
        channels, filters = self._weight.shape[2:]
        values = _matrices(workspace, "weights at points", channels, filters, self._weight)
        _weights_pass(weights_to_points, self._weight, values, (POINTS, ALONG))
        return values


def correlate(plan: Plan, x: Array, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
    """Gradient by the weights in ``out``, (kh, kw, channels, filters), from images x and the results' gradient y."""
    return _correlate(plan, x, y, out, workspace)


def _correlate(
    plan: Plan,
    x: Array,
    y: Array,
    out: Array,
    workspace: Workspace | None,
    kernel: TrainedLines | None = None,
    transposed: Array | None = None,
    convolved: Array | None = None,
) -> Array:
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    (axis, line), (channels, filters) = plan, out.shape[2:]
    # as many images at a time as memory for their values at the points allows
    most = max(1, CHUNK // (N * plan.tiles * max(channels, filters)))
    gradient = _matrices(workspace, "gradient at points", channels, filters, out)
    weights = None
    if kernel is not None and (transposed is not None or convolved is not None):
        weights = kernel._at_points(workspace)
    for first in range(0, len(x), most):
        some = slice(first, first + most)
        images, results = x[some], y[some]
        rows = len(images) * plan.tiles
        values = _matrices(workspace, "columns", rows, channels, x)
        products = _matrices(workspace, "results at points", rows, filters, y)
        # B^T d and A y at the points, whose products over all tiles are summed: u = (B^T d)^T (A y)
        _images_pass(lines_to_points, images, channels, axis, line, values, (POINTS,))
        _images_pass(results_to_points, results, filters, axis, line, products, (POINTS, SIDES))
        _multiply(values.transpose(0, 2, 1), products, gradient, add=first > 0)
        # with the values at hand, the other passes are a product each
        if weights is not None and convolved is not None:
            results = _matrices(workspace, "lines", rows, filters, y)
            _multiply(values, weights, results)
            _results_pass(results, convolved[some], filters, axis, line)
        if weights is not None and transposed is not None:
            _multiply(products, weights.transpose(0, 2, 1), values)
            _images_pass(points_to_images, transposed[some], channels, axis, line, values, (POINTS,))
    _weights_pass(points_to_weights, out, gradient, (POINTS,))  # G^T u
    return out


def _matrices(workspace: Workspace | None, purpose: str, rows: int, width: int, like: Array) -> Array:
    """Memory (n, rows, width) for a matrix for each point, a little apart."""
    step = rows * width + APART
    return scratch(workspace, purpose, (N * step,), like).reshape(N, step)[:, :-APART].reshape(N, rows, width)


def _multiply(left: Array, right: Array, out: Array, *, add: bool = False) -> None:
    """The product for each point, by blocks of rows, several at a time."""
    blocks = [slice(start, start + ROWS) for start in range(0, left.shape[1], ROWS)]
    every = [(point, rows) for point in range(N) for rows in blocks]
    winograd.multiply(
        [left[each] for each in every], [right[point] for point, _ in every], [out[each] for each in every], add=add
    )


def _images_pass(
    loop: Callable[..., None], images: Array, width: int, axis: int, line: Line, values: Array, lengths: tuple
) -> None:
    numbers, step = flat(values)
    pixels = images.reshape(-1)
    share_numbers(
        lambda start, stop: loop(start, stop, pixels, width, axis, line, numbers, step, *lengths),
        len(images),
        numbers.size,
    )


def _results_pass(products: Array, results: Array, filters: int, axis: int, line: Line) -> None:
    numbers, step = flat(products)
    outputs = results.reshape(-1)
    share_numbers(
        lambda start, stop: points_to_lines(start, stop, numbers, step, filters, axis, line, outputs, POINTS),
        len(results),
        numbers.size,
    )


def _weights_pass(loop: Callable[..., None], weight: Array, values: Array, lengths: tuple) -> None:
    channels, filters = weight.shape[2:]
    numbers, step = flat(values)
    taps = weight.reshape(-1)
    share_numbers(
        lambda start, stop: loop(start * filters, stop * filters, taps, channels * filters, numbers, step, *lengths),
        channels,
        numbers.size,
    )


@jit
def points_to_images(start, stop, images, channels, axis, line, values, matrix, points):
    """Images start <= i < stop: the adjoint of :func:`~nets.primitives.lines.lines_to_points`."""
    n, lane = len(points), LANE_BYTES // images.itemsize
    size = line.size * line.lines * channels  # numbers of an image
    along = channels if axis == 1 else line.lines * channels
    across = line.size * channels if axis == 1 else channels
    place = start * line.of_results * line.tiles * line.taps * channels
    for image in range(start, stop):
        images[image * size : (image + 1) * size] = 0  # tiles overlap and lines are read by several taps: each adds
        for i in range(line.of_results):
            for tile in range(line.tiles):
                first = tile * RESULTS - line.padding
                low, high = max(0, -first), min(n, line.size - first)
                for a in range(line.taps):
                    source = i + a - line.above
                    there = 0 <= source < line.lines
                    corner = image * size + source * across + first * along
                    for c in range(0, channels, lane):
                        # what was read beyond an edge is nobody's
                        if there:
                            v = load_series(values, place, matrix, 0, n, points)
                            add_series(images, corner + c, along, low, high, line_data_adjoint(v, points))
                        place += lane


@jit
def results_to_points(start, stop, outputs, filters, axis, line, products, matrix, points, sides):
    """Adjoint of :func:`~nets.primitives.lines.points_to_lines`, of the results of images start <= i < stop."""
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
                    y = load_series(outputs, corner + k, along, 0, high, sides)
                    store_series(products, place, matrix, 0, n, line_results_adjoint(y, points))
                    place += lane


@jit
def weights_to_points(start, stop, weights, size, values, matrix, points, taps):
    """G g of the weights start <= i < stop of ``size`` for each tap."""
    for i in range(start, stop, LANE_BYTES // weights.itemsize):
        g = load_series(weights, i, size, 0, len(taps), taps)
        store_series(values, i, matrix, 0, len(points), line_taps(g, points))


@jit
def points_to_weights(start, stop, weights, size, values, matrix, points):
    """Adjoint of :func:`weights_to_points`."""
    for i in range(start, stop, LANE_BYTES // weights.itemsize):
        u = load_series(values, i, matrix, 0, len(points), points)
        store_series(weights, i, size, 0, TAPS, line_taps_adjoint(u, points))
