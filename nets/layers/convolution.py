"""What the convolution layers share: bias and activation, and the passes in terms of three linear maps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array, module_of
from coulombfield.threads import share
from nets.arguments import count_of, counts_of
from nets.initializers import Initializer, glorot_uniform, zeros
from nets.layers.activations import Activation, Identity, check_gradient
from nets.layers.base import SecondOrder
from nets.parameters import Parameters
from nets.primitives.convolution_maps import Kernel, correlate, prepare
from nets.primitives.geometry import Geometry, Padding, Pair
from nets.workspace import Workspace, allocate, empty, gradient_memory

BLOCK = 1024
"""Rows that are added up one after the other: float32 sums of more are added up block by block."""


class ConvolutionCache(NamedTuple):
    """Input, as the caller's array where that is contiguous, output, and the weights as they were made ready."""

    x: Array
    y: Array
    kernel: Kernel

    def first_rows(self, count: int) -> ConvolutionCache:
        """Cache of the first ``count`` samples."""
        return ConvolutionCache(self.x[:count], self.y[:count], self.kernel)


class Beside(NamedTuple):
    """Where to write what has to do with x and du beside the gradient by the weights; None where it is not wanted."""

    kernel: Kernel | None = None
    dx: Array | None = None
    """Transpose of the map of x, of du."""
    u: Array | None = None
    """Map of x."""


class Convolution(SecondOrder):
    r"""Base of the convolution layers: :math:`y = f(w * x + b)` for a product that is linear in w and in x.

    :meth:`_multiply` is the map of x, :meth:`_pull` its transpose and :meth:`_correlate` the transpose of the map of w:
    those of a convolution, where a subclass says nothing else. With :math:`u = w * x + b` and :math:`du = f'(u)\,dy`,

    .. math:: dx = (w\,*)^T du, \qquad dw = (*\,x)^T du, \qquad db_k = \sum_{nij} du_{nijk}.
    """

    axes: tuple[str, ...] = ("H", "W")
    """Axes of a sample of x, before the channels."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: str | Padding = "same",
        activation: Activation | None = None,
        *,
        weight: Initializer = glorot_uniform,
        bias: Initializer | None = zeros,
    ):
        self.channels_in, self.channels_out = counts_of(channels_in=channels_in, channels_out=channels_out)
        self.kernel, self.stride = _pair("kernel", kernel), _pair("stride", stride)
        self.padding = _padding(padding)
        self.activation = activation or Identity()
        self._weight, self._bias = weight, bias

    @property
    def keeps_result(self) -> bool:
        """Whether a backward pass looks at y."""
        return not isinstance(self.activation, Identity)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight``, and ``bias`` (channels_out,) unless there is none."""
        bias = {} if self._bias is None else {"bias": (self.channels_out,)}
        return {"weight": self._weight_shape()} | bias

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial values, with TensorFlow's fans: the last two axes of the weights, times the size of the kernel."""
        shape = self._weight_shape()
        size = math.prod(self.kernel)
        fans = shape[-2] * size, shape[-1] * size
        bias = {} if self._bias is None else {"bias": self._bias(rng, fans, (self.channels_out,))}
        return {"weight": self._weight(rng, fans, shape)} | bias

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Size of the result and ``channels_out``."""
        self._check("shape", shape, ())
        return (*self._output_size(self._geometry(shape[:-1])), self.channels_out)

    def operations(self, shape: tuple[int, ...]) -> int:
        """Operations of the sum over all windows, zeros of the padding included."""
        self._check("shape", shape, ())
        return 2 * math.prod(self._geometry(shape[:-1]).output) * math.prod(self._weight_shape())

    def forward(
        self, params: Parameters, x: Array, workspace: Workspace | None = None
    ) -> tuple[Array, ConvolutionCache]:
        """``y = f(w * x + b)``."""
        self._check("x", x.shape, ("N",))
        x = module_of(x).ascontiguousarray(x)
        geometry = self._geometry(x.shape[1:-1])
        kernel = prepare(self._images_weight(params, workspace), geometry, x.shape[0])
        y = allocate(workspace, self, "y", (x.shape[0], *self._output_size(geometry), self.channels_out), x)
        self._multiply(kernel, self._images(x), self._images(y), workspace)
        y = self.activation.apply(y, params.get("bias"))
        return y, ConvolutionCache(x, y, kernel)

    def backward(
        self,
        params: Parameters,
        cache: ConvolutionCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """The transposes of du, as given above."""
        check_gradient(self, dy, cache.y)
        du = module_of(dy).ascontiguousarray(self.activation.scale_by_slope(dy, cache.y))
        dx = gradient_memory(workspace, cache.x.shape, du) if need_dx else None
        if into is not None:
            self._weight_gradient(cache.x, du, into["weight"], workspace, Beside(cache.kernel, dx))
            if "bias" in into:
                _sum_rows(du, into["bias"])
        elif dx is not None:
            self._pull(cache.kernel, self._images(du), self._images(dx), workspace)
        return dx

    def jvp(
        self, params: Parameters, cache: ConvolutionCache, x_dot: Array, params_dot: Parameters | None = None
    ) -> Array:
        r""":math:`\dot y = f'(u)\,(w * \dot x + \dot w * x + \dot b)`."""
        u_dot = self._product(cache.kernel, x_dot, cache.y)
        if params_dot is not None:
            geometry = self._geometry(cache.x.shape[1:-1])
            kernel = prepare(self._images_weight(params_dot), geometry, x_dot.shape[0])
            u_dot += self._product(kernel, cache.x, cache.y)
            if "bias" in params_dot:
                u_dot += params_dot["bias"]
        return self.activation.scale_by_slope(u_dot, cache.y)

    def second_order(
        self,
        params: Parameters,
        cache: ConvolutionCache,
        x_dot: Array,
        dy: Array,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Array | None]:
        r"""Derivatives of :math:`\langle dy, f'(u)\,\dot u\rangle` with :math:`\dot u = w * \dot x`.

        With :math:`d\dot u = f'(u)\,dy` and :math:`du = f''(u)\,\dot u\,dy`,

        .. math:: dx = (w\,*)^T du, \quad dw = (*\,\dot x)^T d\dot u + (*\,x)^T du, \quad db_k = \sum_{nij} du_{nijk}.
        """
        u_dot = gradient_memory(workspace, cache.y.shape, x_dot)
        together = into is not None and not self.activation.curved
        if not together:
            self._multiply(cache.kernel, self._images(x_dot), self._images(u_dot), workspace)
        du = None if together else self.activation.through_curvature(u_dot, cache.y, dy)
        du_dot = self.activation.scale_by_slope(dy, cache.y)
        if into is not None:
            beside = Beside(cache.kernel, u=u_dot) if together else None
            self._weight_gradient(x_dot, du_dot, into["weight"], workspace, beside)
            if du is not None:
                of_x = empty(into["weight"].shape, du)
                self._weight_gradient(cache.x, du, of_x, workspace)
                into["weight"][...] += of_x
            if "bias" in into and du is not None:
                _sum_rows(du, into["bias"])
            elif "bias" in into:
                into["bias"][...] = 0
        dx = None
        if du is not None:
            dx = empty(cache.x.shape, du)
            self._pull(cache.kernel, self._images(du), self._images(dx), workspace)
        return self.activation.scale_by_slope(u_dot, cache.y), dx

    def _product(self, kernel: Kernel, x: Array, like: Array) -> Array:
        u = empty(like.shape, like)
        self._multiply(kernel, self._images(module_of(x).ascontiguousarray(x)), self._images(u), None)
        return u

    def _weight_gradient(
        self, x: Array, du: Array, out: Array, workspace: Workspace | None = None, beside: Beside | None = None
    ) -> None:
        xp, geometry = module_of(x), self._geometry(x.shape[1:-1])
        x, du = self._images(xp.ascontiguousarray(x)), self._images(xp.ascontiguousarray(du))
        kernel, dx, u = beside or (None, None, None)
        images = [array if array is None else self._images(array) for array in (dx, u)]
        self._correlate(x, du, geometry, out.reshape(*self.kernel, *out.shape[-2:]), workspace, Beside(kernel, *images))

    def _check(self, name: str, shape: tuple[int, ...], before: tuple[str, ...]) -> None:
        expected = (*before, *self.axes, self.channels_in)
        if len(shape) != len(expected) or shape[-1] != self.channels_in:
            raise ValueError(f"{name}: {self._called()} expects ({', '.join(map(str, expected))}), got {shape}")

    def _called(self) -> str:
        return f"{type(self).__name__}({self.channels_in}, {self.channels_out})"

    def _geometry(self, size: tuple[int, ...]) -> Geometry:
        """Geometry of the convolution, of which a transposed convolution is the transpose, for x of this size."""
        try:
            return self._windows(size)
        except ValueError as error:
            raise ValueError(f"x: {self._called()} can't take a sample of size {size}: {error}") from error

    def _images(self, array: Array) -> Array:
        """Give x or y as images (N, H, W, channels), without a copy."""
        return array

    def _images_weight(self, params: Parameters, workspace: Workspace | None = None) -> Array:
        weight = params["weight"]
        return weight.reshape(*self.kernel, *weight.shape[-2:])

    def _weight_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def _windows(self, size: tuple[int, ...]) -> Geometry:
        raise NotImplementedError

    def _output_size(self, geometry: Geometry) -> tuple[int, ...]:
        raise NotImplementedError

    def _multiply(self, kernel: Kernel, x: Array, out: Array, workspace: Workspace | None) -> None:
        """Write ``w * x``."""
        kernel.convolve(x, out, workspace)

    def _pull(self, kernel: Kernel, du: Array, out: Array, workspace: Workspace | None) -> None:
        """Write the transpose of the map of x, of du."""
        kernel.transpose(du, out, workspace)

    def _correlate(
        self, x: Array, du: Array, geometry: Geometry, out: Array, workspace: Workspace | None, beside: Beside
    ) -> None:
        """Write the transpose of the map of w, of du, and what is wanted beside."""
        correlate(x, du, geometry, out, workspace, beside.kernel, transposed=beside.dx, convolved=beside.u)


def _pair(name: str, value: int | Pair) -> Pair:
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name}: expected one number or two, got {value}")
    return count_of(name, pair[0]), count_of(name, pair[1])


def _padding(given: str | Padding) -> str | Padding:
    if isinstance(given, str) and given == "same":
        return given
    refused = ValueError(f'padding: expected "same" or ((above, below), (left, right)), got {given!r}')
    if isinstance(given, str):
        raise refused
    try:
        (above, below), (left, right) = given
    except (TypeError, ValueError):
        raise refused from None
    above, below, left, right = (count_of("padding", rows, least=0) for rows in (above, below, left, right))
    return (above, below), (left, right)


def _sum_rows(du: Array, out: Array) -> None:
    """Sum over all axes but the last; on NumPy by blocks of rows, in threads, and then over the blocks in order."""
    rows = du.reshape(-1, du.shape[-1])
    if not isinstance(rows, np.ndarray) or len(rows) <= BLOCK:
        module_of(rows).sum(rows, axis=0, out=out)
        return
    blocks = -(-len(rows) // BLOCK)
    sums = empty((blocks, rows.shape[1]), rows)

    def work(start: int, stop: int) -> None:
        for block in range(start, stop):
            np.add.reduce(rows[block * BLOCK : (block + 1) * BLOCK], axis=0, out=sums[block])

    share(work, blocks)
    np.add.reduce(sums, axis=0, out=out)
