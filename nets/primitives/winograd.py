r"""Convolution by Winograd's minimal filtering, on NumPy: a third of the products of 5 x 5 windows at stride 2.

A convolution with stride s is a sum of s x s convolutions of stride 1, one for each phase of the rows and of the
columns: 5 x 5 at stride 2 is 3 x 3, 3 x 2, 2 x 3 and 2 x 2. Each is done on tiles (:mod:`nets.primitives.tiles`), and
all phases are added up among the products, before the one transform of the results:

.. math:: M_{ij} = \sum_f V^f_{ij} U^f_{ij}, \qquad V = B^T d B,\; U = G g G^T,\; y = A^T M A

with a matrix product for each point (i, j): tiles times phases and channels, times filters. For m = 4 that is 121
multiplications for 16 outputs of a 5 x 5 convolution at stride 2, where the sum over its windows has 400; for m = 2,
49 for 4 outputs, where that has 100. All of it is linear in d, g and y, so that its transposes are the other passes:
with :math:`\dot M = A \dot y A^T`,

.. math:: \dot V^f_{ij} = \dot M_{ij} (U^f_{ij})^T, \quad \dot d = B \dot V B^T, \qquad
          \dot U^f_{ij} = (V^f_{ij})^T \dot M_{ij}, \quad \dot g = G^T \dot U G.

In float32 the root mean square of the error is 5 times that of the sum over windows for m = 4, and twice for m = 2.

Memory: the weights at the points are 121 / 25 = 4.8 times the weights of a 5 x 5 convolution at stride 2 for m = 4 and
2.0 times for m = 2. Where they are more than :data:`PART` numbers, they come in parts of the channels or filters, each
computed anew for each pass. All layers of a workspace share this memory, and that of images and results at the points.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from coulombfield.arrays import Array
from coulombfield.lanes import LANE_BYTES, static_size
from coulombfield.threads import lone_products
from nets.primitives.shares import share_numbers
from nets.workspace import Workspace, scratch

from . import winograd_loops as loops
from .geometry import Geometry
from .tiles import SIZES, TAPS
from .winograd_loops import Axis

CHUNK = 2**24
"""Most numbers of the images at the points at a time (or those of one image), where each chunk of them needs all
weights anew."""

PART = 2**22
"""Most numbers of weights at the points at a time, and of images where the weights are no more than these. Parts four
times as large would save a twentieth of an update with the largest layers, and take as much memory as all
activations."""

NARROWEST = 16
"""Channels or filters that are not divided: narrower products are slow."""

# Costs in units of a multiplication and addition in a large product, about 1.2e-11 s on two cores. A product of few
# rows takes the time in which its weights come from memory; a number at a point, or in a column, is written and read
# again.
WEIGHT_COST = 45
NUMBER_COST = 33
COLUMN_COST = 20
MULTIPLICATIONS = 16  # in the time in which a simple loop treats one number


@functools.cache
def plan(geometry: Geometry, channels: int, filters: int, images: int, dtype: np.dtype) -> Plan | None:
    """The cheapest way to cut this many images into tiles, or None if the sum over windows is cheaper."""
    lanes = LANE_BYTES // dtype.itemsize
    taps = math.prod(geometry.kernel)
    long = any(kernel > TAPS * stride for kernel, stride in zip(geometry.kernel, geometry.stride, strict=True))
    if long or channels % lanes or filters % lanes or taps == 1 or not images:
        return None
    windows = images * math.prod(geometry.output)
    best, cheapest = None, cost_of_windows(taps, channels, filters, windows)
    for tile in SIZES:
        candidate = Plan(geometry, channels, filters, tile)
        if (cost := candidate.cost(images)) < cheapest:
            best, cheapest = candidate, cost
    return best


def cost_of_windows(taps: int, channels: int, filters: int, windows: int) -> int:
    """Time of the sum over so many windows, in the unit of :data:`WEIGHT_COST`."""
    return taps * channels * (filters * (windows + WEIGHT_COST) + COLUMN_COST * windows)


@dataclass(frozen=True)
class Plan:
    """How a convolution is cut into tiles.

    Parameters
    ----------
    geometry : Geometry
        Its windows; a kernel has at most three taps a stride.
    channels, filters : int
        Of its images and of its results; multiples of the length of a vector.
    tile : int
        m, 2 or 4.
    """

    geometry: Geometry
    channels: int
    filters: int
    tile: int

    @property
    def points(self) -> int:
        """n, along an axis."""
        return self.tile + TAPS - 1

    @functools.cached_property
    def axes(self) -> tuple[Axis, Axis]:
        """Rows and columns."""
        geometry = self.geometry
        rows, columns = (
            Axis(
                size,
                output,
                stride,
                padding[0],
                kernel,
                -(-output // self.tile),
                min(kernel, stride),
                max(0, kernel - (TAPS - 1) * stride),
            )
            for size, output, stride, padding, kernel in zip(
                geometry.size, geometry.output, geometry.stride, geometry.padding, geometry.kernel, strict=True
            )
        )
        return rows, columns

    @functools.cached_property
    def phases(self) -> np.ndarray:
        """Phases at each point, shape (n, n)."""
        along = [np.full(self.points, axis.phases) for axis in self.axes]
        for phases, axis in zip(along, self.axes, strict=True):
            phases[-1] = axis.long
        return np.multiply.outer(*along)

    @property
    def tiles(self) -> int:
        """Tiles of an image."""
        return math.prod(axis.tiles for axis in self.axes)

    @property
    def products(self) -> int:
        """Multiplications for each tile, channel and filter: phases over all points."""
        return int(self.phases.sum())

    def cost(self, images: int) -> int:
        """Time of a pass over this many images, in the unit of :data:`WEIGHT_COST`."""
        tiles = images * self.tiles
        products = self.products * self.channels * self.filters * (tiles + WEIGHT_COST)
        numbers = tiles * (self.products * self.channels + self.points**2 * self.filters)
        return products + NUMBER_COST * numbers

    def shapes(self, tiles: int = 0) -> list[tuple[int, int]]:
        """Shapes of a point's matrix: images' (tiles, phases and channels), weights' (phases and channels, filters)."""
        widths = [int(phases) * self.channels for phases in self.phases.ravel()]
        return [(tiles, width) if tiles else (width, self.filters) for width in widths]

    def of_channels(self, part: slice) -> Plan:
        """The same tiles with some of the channels."""
        return _narrowed(self, _width(part), self.filters)

    def of_filters(self, part: slice) -> Plan:
        """The same tiles with some of the filters."""
        return _narrowed(self, self.channels, _width(part))


def _narrowed(plan: Plan, channels: int, filters: int) -> Plan:
    return plan if (channels, filters) == (plan.channels, plan.filters) else _part_of(plan, channels, filters)


@functools.cache
def _part_of(plan: Plan, channels: int, filters: int) -> Plan:
    return dataclasses.replace(plan, channels=channels, filters=filters)


class Points:
    """A matrix for each point of a tile, one after the other in one flat array.

    Parameters
    ----------
    shapes : list of pairs of int
        Of the matrices.
    allocate : callable
        Gives the flat array for a number of numbers.
    """

    def __init__(self, shapes: list[tuple[int, int]], allocate: Callable[[int], Array]):
        ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
        starts = [0, *ends[:-1]]
        self.flat = allocate(ends[-1])
        self.matrices = [
            self.flat[start:end].reshape(shape) for start, end, shape in zip(starts, ends, shapes, strict=True)
        ]
        n = math.isqrt(len(shapes))
        self.offsets = np.reshape(starts, (n, n))


class Slot:
    """Weights at the points that stay for the passes that follow, and whose they are."""

    holder: Winograd | None = None
    matrices: Sequence[Array] = ()


class Winograd:
    """A convolution's weights, which each pass takes to the points of the tiles.

    Parameters
    ----------
    plan : Plan
        The tiles.
    weight : array, shape (kernel, kernel, channels, filters)
        NumPy, contiguous.
    constant : bool
        Whether the weights never change: at the points they then stay with the kernel, whatever the workspace.

    Notes
    -----
    At most :data:`PART` numbers at the points stay for the passes that follow; in a workspace until another kernel of
    as many takes their place, so that networks that take turns share this memory.
    """

    def __init__(self, plan: Plan, weight: Array, *, constant: bool = False):
        self.plan = plan
        self._weight = weight
        self._slot = Slot()
        self._constant = constant and _weight_numbers(plan) <= PART
        if self._constant:
            self._weights(None)

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """Results of the images x, (images, *size, channels), in ``out``, (images, *output, filters)."""
        chunks, parts = _division(self.plan, len(x), self.plan.filters)
        whole = self._weights(workspace) if len(parts) == 1 else None
        for chunk in chunks:
            images = _images_at_points(self.plan, x[chunk], _all(self.plan.channels), workspace)
            for part in parts:
                weights = whole or self._weights(workspace, filters=part)
                _push(self.plan, images, weights, out[chunk], part, workspace)
        return out

    def transpose(self, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """The adjoint of :meth:`convolve`: images in ``out``, (images, *size, channels), from results y."""
        chunks, parts = _division(self.plan, len(y), self.plan.channels)
        whole = self._weights(workspace) if len(parts) == 1 else None
        for chunk in chunks:
            products = _results_at_points(self.plan, y[chunk], workspace)
            for part in parts:
                weights = whole or self._weights(workspace, channels=part)
                _pull(self.plan, products, weights, out[chunk], part, workspace)
        return out

    def at_hand(self, plan: Plan, images: int) -> bool:
        """Whether :meth:`correlate` is possible for this many images: the weights' gradient may need their memory."""
        return plan == self.plan and (len(_chunks(plan, images)) == 1 or _weight_numbers(plan) <= PART)

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

    def _weights(
        self, workspace: Workspace | None, channels: slice | None = None, filters: slice | None = None
    ) -> Sequence[Array]:
        """The weights' matrix for each point; more than stay are valid until another layer needs their memory."""
        plan, numbers = self.plan, _weight_numbers(self.plan)
        channels, filters = channels or _all(plan.channels), filters or _all(plan.filters)
        if numbers > PART:
            return self._at_points(workspace, "weights at points", channels, filters)
        key = "weights at points that stay", numbers
        slot = self._slot
        if workspace is not None and not self._constant:
            slot = workspace.get((key, self._weight.dtype), Slot)
        if slot.holder is not self:
            slot.holder, slot.matrices = self, self._at_points(workspace, key, channels, filters)
        return slot.matrices

    def _at_points(
        self, workspace: Workspace | None, purpose: Hashable, channels: slice, filters: slice
    ) -> Sequence[Array]:
        narrow = self.plan.of_channels(channels).of_filters(filters)
        points = Points(narrow.shapes(), lambda size: scratch(workspace, purpose, (size,), self._weight))
        arguments = _weight_arguments(self.plan, self._weight, points, channels, filters)
        _share(loops.weights_to_points, narrow.channels, arguments, (narrow.points, TAPS))
        return points.matrices


def correlate(plan: Plan, x: Array, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
    """Gradient by the weights in ``out``, (kernel, kernel, channels, filters), images x, the results' gradient y."""
    return _correlate(plan, x, y, out, workspace)


def _correlate(
    plan: Plan,
    x: Array,
    y: Array,
    out: Array,
    workspace: Workspace | None,
    kernel: Winograd | None = None,
    transposed: Array | None = None,
    convolved: Array | None = None,
) -> Array:
    chunks, parts = _division(plan, len(x), plan.channels)
    for chunk in chunks:
        products = _results_at_points(plan, y[chunk], workspace)
        for part in parts:
            images = _images_at_points(plan, x[chunk], part, workspace)
            narrow = plan.of_channels(part)
            if chunk.start == 0:  # several chunks have one part
                gradient = Points(narrow.shapes(), lambda size: scratch(workspace, "weights at points", (size,), x))
            transposes = [matrix.T for matrix in images.matrices]
            multiply(transposes, products, gradient.matrices, add=chunk.start > 0)
            if chunk is chunks[-1]:  # and then its memory is free
                arguments = _weight_arguments(plan, out, gradient, part, _all(plan.filters))
                _share(loops.points_to_weights, narrow.channels, arguments, (plan.points,))
            if kernel is not None and transposed is not None:
                _pull(plan, products, kernel._weights(workspace, channels=part), transposed[chunk], part, workspace)
        if kernel is not None and convolved is not None and len(parts) == 1:
            if transposed is not None:  # which has taken the images' place
                images = _images_at_points(plan, x[chunk], parts[0], workspace)
            _push(plan, images, kernel._weights(workspace), convolved[chunk], _all(plan.filters), workspace)
    if kernel is not None and convolved is not None and len(parts) > 1:
        kernel.convolve(x, convolved, workspace)
    return out


def _push(
    plan: Plan, images: Points, weights: Sequence[Array], out: Array, part: slice, workspace: Workspace | None
) -> None:
    """Some filters of results from images at the points."""
    products = _products(plan.of_filters(part), len(out), out, workspace)
    multiply(images.matrices, weights, products)
    _results_of_points(plan, products, out, part)


def _pull(
    plan: Plan, products: Array, weights: Sequence[Array], out: Array, part: slice, workspace: Workspace | None
) -> None:
    """Some channels of images from results at the points."""
    images = _image_points(plan.of_channels(part), len(out), out, workspace)
    multiply(products, [matrix.T for matrix in weights], images.matrices)
    _share(loops.points_to_images, len(out), _image_arguments(plan, out, images, part), (plan.points,))


def multiply(left: Sequence[Array], right: Sequence[Array], out: Sequence[Array], *, add: bool = False) -> None:
    """A product for each point, several at a time."""

    def some(start: int, stop: int) -> None:
        for a, b, product in parts[start:stop]:
            if add:
                product += a @ b
            else:
                np.matmul(a, b, out=product)

    # a point at infinity where no phase has three taps: what is there counts for nothing
    parts = [part for part in zip(left, right, out, strict=True) if part[0].size and part[1].size]
    multiplications = sum(a.size * b.shape[1] for a, b, _ in parts)
    with lone_products():
        share_numbers(some, len(parts), multiplications // MULTIPLICATIONS)


def _share(loop: Callable[..., None], count: int, arguments: tuple, sizes: tuple[int, ...]) -> None:
    """Run a compiled loop over range(count) in threads; these sizes say how large its tiles are."""
    static = [static_size(size) for size in sizes]
    numbers = max(each.size for each in arguments if isinstance(each, np.ndarray))
    share_numbers(lambda start, stop: loop(start, stop, *arguments, *static), count, numbers)


def _image_numbers(plan: Plan, images: int) -> int:
    return images * plan.tiles * plan.products * plan.channels


def _weight_numbers(plan: Plan) -> int:
    return plan.products * plan.channels * plan.filters


def _division(plan: Plan, images: int, width: int) -> tuple[list[slice], list[slice]]:
    """Chunks of a batch and parts of the channels or filters, as many as ``width``: one of either kind at least."""
    numbers = _weight_numbers(plan)
    if numbers <= PART:
        return _chunks(plan, images, PART), [_all(width)]
    chunks = _chunks(plan, images)
    return chunks, _parts(width, numbers) if len(chunks) == 1 else [_all(width)]


def _chunks(plan: Plan, images: int, numbers: int | None = None) -> list[slice]:
    """Parts of a batch, nearly equal, of at most so many numbers at the points, :data:`CHUNK` by default."""
    most = max(1, (numbers or CHUNK) // _image_numbers(plan, 1))
    parts = -(-images // most)
    return [slice(images * part // parts, images * (part + 1) // parts) for part in range(parts)]


def _parts(width: int, numbers: int) -> list[slice]:
    """Parts of the channels or filters with at most :data:`PART` of the numbers, whole vectors each."""
    step = -(-width // -(-numbers // PART))
    step += -step % NARROWEST
    return [slice(start, min(start + step, width)) for start in range(0, width, step)]


def _all(width: int) -> slice:
    return slice(0, width)


def _width(part: slice) -> int:
    return part.stop - part.start


def _products(plan: Plan, images: int, like: Array, workspace: Workspace | None) -> Array:
    """Memory for the results at each point, (points, tiles, filters)."""
    return scratch(workspace, "results at points", (plan.points**2, images * plan.tiles, plan.filters), like)


def _results_at_points(plan: Plan, y: Array, workspace: Workspace | None) -> Array:
    products = _products(plan, len(y), y, workspace)
    arguments = _result_arguments(plan, y, products, _all(plan.filters))
    _share(loops.results_to_points, len(y) * plan.tiles, arguments, (plan.points, plan.tile))
    return products


def _results_of_points(plan: Plan, products: Array, out: Array, part: slice) -> None:
    arguments = _result_arguments(plan, out, products, part)
    _share(loops.points_to_results, len(out) * plan.tiles, arguments, (plan.points,))


def _result_arguments(plan: Plan, y: Array, products: Array, part: slice) -> tuple:
    return y.reshape(-1)[part.start :], plan.filters, _width(part), *plan.axes, products.reshape(-1)


def _image_points(plan: Plan, images: int, like: Array, workspace: Workspace | None) -> Points:
    return Points(plan.shapes(images * plan.tiles), lambda size: scratch(workspace, "columns", (size,), like))


def _images_at_points(plan: Plan, x: Array, part: slice, workspace: Workspace | None) -> Points:
    images = _image_points(plan.of_channels(part), len(x), x, workspace)
    _share(loops.images_to_points, len(x) * plan.tiles, _image_arguments(plan, x, images, part), (plan.points,))
    return images


def _image_arguments(plan: Plan, x: Array, images: Points, part: slice) -> tuple:
    return x.reshape(-1)[part.start :], plan.channels, _width(part), *plan.axes, images.flat, images.offsets


def _weight_arguments(plan: Plan, weight: Array, points: Points, channels: slice, filters: slice) -> tuple:
    first = channels.start * plan.filters + filters.start
    sizes = plan.channels, plan.filters, _width(channels), _width(filters)
    return weight.reshape(-1)[first:], *sizes, *plan.axes, points.flat, points.offsets
