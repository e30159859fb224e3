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

Memory: the weights at the points, or their gradient while it is computed: 121 / 25 = 4.8 times the weights of a 5 x 5
convolution at stride 2 for m = 4 and 2.0 times for m = 2; and up to twice :data:`CHUNK`. All layers of a workspace
share this memory, but for weights that a layer keeps (:data:`KEPT`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coulombfield.arrays import Array
from coulombfield.lanes import LANE_BYTES
from coulombfield.threads import lone_products
from nets.primitives.shares import share_numbers
from nets.workspace import Workspace, allocate, scratch

from . import winograd_loops as loops
from .geometry import Geometry
from .tiles import SIZES, TAPS
from .winograd_loops import Axis

CHUNK = 2**24
"""Most numbers of the images at the points at a time (or those of one image). Fewer would stay in the cache, but larger
matrices gain more."""

KEPT = 2**22
"""Most numbers of weights at the points that a layer keeps. More take several times the weights' own memory for each
layer, and computing them anew costs a twentieth of an update of small batches, and less of larger ones."""

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
    best, cheapest = None, taps * channels * (filters * (windows + WEIGHT_COST) + COLUMN_COST * windows)
    for tile in SIZES:
        candidate = Plan(geometry, channels, filters, tile)
        if (cost := candidate.cost(images)) < cheapest:
            best, cheapest = candidate, cost
    return best


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
        """Of each point's matrix: of images (tiles, phases and channels), of weights (phases and channels, filters)."""
        widths = [int(phases) * self.channels for phases in self.phases.ravel()]
        return [(tiles, width) if tiles else (width, self.filters) for width in widths]


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


class Winograd:
    """A convolution's weights at the points of the tiles.

    Parameters
    ----------
    plan : Plan
        The tiles.
    weight : array, shape (kernel, kernel, channels, filters)
        NumPy, contiguous.
    workspace, owner
        Where the weights at the points are kept, ``plan.products`` times channels times filters numbers, if there are
        at most :data:`KEPT`; more are computed anew for each pass.
    """

    def __init__(self, plan: Plan, weight: Array, workspace: Workspace | None = None, owner: object = None):
        self.plan = plan
        self._weight = weight
        self._points: Points | None = None
        if workspace is None or plan.products * plan.channels * plan.filters <= KEPT:
            self._points = self._at_points(
                lambda size: allocate(workspace, owner, "weights at points", (size,), weight)
            )

    def _weights(self, workspace: Workspace | None) -> list[Array]:
        """The weights' matrix for each point, valid until another layer needs the workspace's scratch."""
        if self._points is not None:
            return self._points.matrices
        return self._at_points(lambda size: scratch(workspace, "weights at points", (size,), self._weight)).matrices

    def _at_points(self, allocate: Callable[[int], Array]) -> Points:
        plan, points = self.plan, Points(self.plan.shapes(), allocate)
        _share(
            loops.weights_to_points,
            plan.channels,
            (self._weight.reshape(-1), plan.channels, plan.filters, *plan.axes, points.flat, points.offsets),
            (plan.points, TAPS),
        )
        return points

    def convolve(self, x: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """Results of the images x, (images, *size, channels), in ``out``, (images, *output, filters)."""
        weights = self._weights(workspace)
        for part in _chunks(self.plan, len(x)):
            images = _images_at_points(self.plan, x[part], workspace)
            products = _products(self.plan, len(x[part]), x, workspace)
            _multiply(images.matrices, weights, products)
            _results_of_points(self.plan, products, out[part])
        return out

    def transpose(self, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
        """The adjoint of :meth:`convolve`: images in ``out``, (images, *size, channels), from results y."""
        weights = self._weights(workspace)
        for part in _chunks(self.plan, len(y)):
            _pull(self.plan, _results_at_points(self.plan, y[part], workspace), weights, out[part], workspace)
        return out

    def at_hand(self, plan: Plan, images: int) -> bool:
        """Whether :meth:`correlate` is possible for this many images: the weights' gradient may need their memory."""
        return plan == self.plan and (self._points is not None or len(_chunks(plan, images)) == 1)

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
        plan, gradient = self.plan, _gradient_points(self.plan, x, workspace)
        chunks = _chunks(plan, len(x))
        for part in chunks:
            images = _images_at_points(plan, x[part], workspace)
            products = _results_at_points(plan, y[part], workspace)
            _add_gradient(images, products, gradient, add=part.start > 0)
            if part is chunks[-1]:
                _weights_of_points(plan, gradient, out)  # whose memory is now free
            if transposed is not None:
                _pull(plan, products, self._weights(workspace), transposed[part], workspace)
            if convolved is not None:
                if transposed is not None:  # which has taken the images' place
                    images = _images_at_points(plan, x[part], workspace)
                _multiply(images.matrices, self._weights(workspace), products)
                _results_of_points(plan, products, convolved[part])
        return out


def correlate(plan: Plan, x: Array, y: Array, out: Array, workspace: Workspace | None = None) -> Array:
    """Gradient by the weights in ``out``, (kernel, kernel, channels, filters), images x, the results' gradient y."""
    gradient = _gradient_points(plan, x, workspace)
    for part in _chunks(plan, len(x)):
        images = _images_at_points(plan, x[part], workspace)
        _add_gradient(images, _results_at_points(plan, y[part], workspace), gradient, add=part.start > 0)
    _weights_of_points(plan, gradient, out)
    return out


def _pull(plan: Plan, products: Array, weights: list[Array], out: Array, workspace: Workspace | None) -> None:
    """Images from results at the points."""
    images = _image_points(plan, len(out), out, workspace)
    _multiply(products, [matrix.T for matrix in weights], images.matrices)
    _share(loops.points_to_images, len(out), _image_arguments(plan, out, images), (plan.points,))


def _gradient_points(plan: Plan, like: Array, workspace: Workspace | None) -> Points:
    return Points(plan.shapes(), lambda size: scratch(workspace, "weights at points", (size,), like))


def _add_gradient(images: Points, products: Array, gradient: Points, *, add: bool) -> None:
    _multiply([matrix.T for matrix in images.matrices], products, gradient.matrices, add=add)


def _weights_of_points(plan: Plan, gradient: Points, out: Array) -> None:
    _share(
        loops.points_to_weights,
        plan.channels,
        (out.reshape(-1), plan.channels, plan.filters, *plan.axes, gradient.flat, gradient.offsets),
        (plan.points,),
    )


def _multiply(left: Sequence[Array], right: Sequence[Array], out: Sequence[Array], *, add: bool = False) -> None:
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


def _share(loop: Callable[..., None], count: int, arguments: tuple, lengths: tuple[int, ...]) -> None:
    """Run a compiled loop over range(count) in threads; the tuples of these lengths say how large its tiles are."""
    tuples = [(0,) * length for length in lengths]
    numbers = max(each.size for each in arguments if isinstance(each, np.ndarray))
    share_numbers(lambda start, stop: loop(start, stop, *arguments, *tuples), count, numbers)


def _chunks(plan: Plan, images: int) -> list[slice]:
    """Parts of a batch, nearly equal."""
    most = max(1, CHUNK // (plan.products * plan.channels * plan.tiles))
    parts = -(-images // most)
    return [slice(images * part // parts, images * (part + 1) // parts) for part in range(parts)]


def _products(plan: Plan, images: int, like: Array, workspace: Workspace | None) -> Array:
    """Memory for the results at each point, (points, tiles, filters)."""
    return scratch(workspace, "results at points", (plan.points**2, images * plan.tiles, plan.filters), like)


def _results_at_points(plan: Plan, y: Array, workspace: Workspace | None) -> Array:
    products = _products(plan, len(y), y, workspace)
    arguments = _result_arguments(plan, y, products)
    _share(loops.results_to_points, len(y) * plan.tiles, arguments, (plan.points, plan.tile))
    return products


def _results_of_points(plan: Plan, products: Array, out: Array) -> None:
    _share(loops.points_to_results, len(out) * plan.tiles, _result_arguments(plan, out, products), (plan.points,))


def _result_arguments(plan: Plan, y: Array, products: Array) -> tuple:
    return y.reshape(-1), plan.filters, *plan.axes, products.reshape(-1)


def _image_points(plan: Plan, images: int, like: Array, workspace: Workspace | None) -> Points:
    return Points(plan.shapes(images * plan.tiles), lambda size: scratch(workspace, "columns", (size,), like))


def _images_at_points(plan: Plan, x: Array, workspace: Workspace | None) -> Points:
    images = _image_points(plan, len(x), x, workspace)
    _share(loops.images_to_points, len(x) * plan.tiles, _image_arguments(plan, x, images), (plan.points,))
    return images


def _image_arguments(plan: Plan, x: Array, images: Points) -> tuple:
    return x.reshape(-1), plan.channels, *plan.axes, images.flat, images.offsets
