r"""Convolutions that run as one with the pooling after them or the upsampling before them.

A mean over blocks of s pixels of a convolution of stride 1 is a convolution of stride s whose kernel is wider by s - 1,

.. math:: s^{-2} \sum_{d} \sum_{a} x_{s i + d + a - p}\, w_a = \sum_{t} x_{s i + t - p}\, \tilde w_t, \qquad
          \tilde w_t = s^{-2} \sum_{d<s} w_{t-d},

with one index for rows and columns together. A convolution of repeated pixels, :math:`u_j = x_{\lfloor j/s \rfloor}`,
is likewise the transpose of one: :math:`y_r = \sum_i x_i\, \tilde w_{r + p' - s i}` with :math:`p' = k - 1 - p` and
:math:`\tilde w_t = \sum_{d<s} w_{k-1-t+d}`. Of 3 x 3 windows and s = 2 that is 4 = 16 / 4 multiplications a pixel of
the larger image in the place of 9, and that image is not formed where it is the convolution's result or argument alone.

:class:`~nets.layers.sequential.Sequential` runs such pairs of its layers as one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array, library, module_of
from nets.layers.activations import Identity
from nets.layers.base import Layer
from nets.layers.conv2d import Conv2d
from nets.layers.conv_transpose2d import ConvTranspose2d
from nets.layers.convolution import Beside, Convolution
from nets.layers.pooling import AveragePool
from nets.layers.upsample import Upsample
from nets.parameters import Parameters
from nets.primitives.geometry import Geometry, Pair
from nets.primitives.shares import share_numbers
from nets.workspace import Workspace, allocate, scratch

IN_CACHE = 2**17
"""Numbers of a wide kernel at a time."""


class Step(NamedTuple):
    """What a sequence runs at once."""

    layer: Layer
    place: int
    """Place of the layer whose parameters and cache these are, in the sequence."""
    length: int
    """How many of its layers."""


def steps(layers: Sequence[Layer]) -> list[Step]:
    """Layers one by one, but pairs of a convolution and a pooling or an upsampling together where that is less work."""
    found: list[Step] = []
    place = 0
    while place < len(layers):
        pair = layers[place : place + 2]
        match pair:
            case [Conv2d() as convolution, AveragePool() as pooling] if _pools(convolution, pooling):
                found.append(Step(PooledConv2d(convolution, pooling), place, 2))
            case [Upsample() as upsampling, Conv2d() as convolution] if _pays(convolution, upsampling.factor):
                found.append(Step(UpsampledConv2d(upsampling, convolution), place + 1, 2))
            case _:
                found.append(Step(layers[place], place, 1))
        place += found[-1].length
    return found


def _pools(convolution: Conv2d, pooling: AveragePool) -> bool:
    return isinstance(convolution.activation, Identity) and _pays(convolution, pooling.size)


def _pays(convolution: Conv2d, factor: int) -> bool:
    """Whether the wider kernel has fewer multiplications for each pixel, and a transpose exists."""
    kernel, padding = convolution.kernel, convolution.padding
    narrow = isinstance(padding, str) or all(max(p) < k for p, k in zip(padding, kernel, strict=True))
    fewer = math.prod(_wide(kernel, factor)) < factor**2 * math.prod(kernel)
    return convolution.stride == (1, 1) and narrow and fewer


def _wide(kernel: Pair, factor: int) -> Pair:
    return kernel[0] + factor - 1, kernel[1] + factor - 1


class _Resampled(Convolution):
    """What both share: parameters are those of the convolution, products are with the wide kernel."""

    def __init__(self, before: Layer, after: Layer, convolution: Conv2d, factor: int):
        self._layers, self._convolution, self._factor = (before, after), convolution, factor
        super().__init__(
            convolution.channels_in,
            convolution.channels_out,
            _wide(convolution.kernel, factor),
            factor,
            activation=convolution.activation,
            bias=None,
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters of the convolution."""
        return self._convolution.shapes()

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial values of the convolution."""
        return self._convolution.initialize(rng)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what one layer after the other gives."""
        for layer in self._layers:
            shape = layer.output_shape(shape)
        return shape

    def operations(self, shape: tuple[int, ...]) -> int:
        """Operations of the convolution without the other layer."""
        before, _ = self._layers
        return self._convolution.operations(shape if before is self._convolution else before.output_shape(shape))

    def _called(self) -> str:
        return self._convolution._called()

    def _sums(self, weight: Array, workspace: Workspace | None) -> Array:
        """Sums of the weights over shifts by less than the factor: the wide kernel."""
        rows, columns, *channels = weight.shape
        wide = allocate(workspace, self, "wide", (*_wide((rows, columns), self._factor), *channels), weight)

        def work(start: int, stop: int) -> None:
            wide[:, :, start:stop] = 0
            for shifted in self._shifts(wide):
                shifted[:, :, start:stop] += weight[:, :, start:stop]

        _share_channels(work, wide)
        return wide

    def _sums_transposed(self, wide: Array, out: Array) -> Array:
        def work(start: int, stop: int) -> None:
            first, *others = self._shifts(wide)
            out[:, :, start:stop] = first[:, :, start:stop]
            for shifted in others:
                out[:, :, start:stop] += shifted[:, :, start:stop]

        _share_channels(work, wide)
        return out

    def _shifts(self, wide: Array) -> list[Array]:
        rows, columns = self._convolution.kernel
        return [wide[i : i + rows, j : j + columns] for i, j in itertools.product(range(self._factor), repeat=2)]


def _share_channels(work: Callable[[int, int], None], weight: Array) -> None:
    """Call ``work`` for parts of the third axis: on the host in threads, and few at a time, which stay in the cache."""
    channels = weight.shape[2]
    if library(type(weight)) != "numpy":
        work(0, channels)
        return
    few = max(1, IN_CACHE * channels // weight.size)
    parts = -(-channels // few)

    def some(start: int, stop: int) -> None:
        for part in range(start, stop):
            work(part * few, min(channels, (part + 1) * few))

    share_numbers(some, parts, weight.size)


class PooledConv2d(_Resampled, Conv2d):
    """A convolution of stride 1 without activation, and the mean over blocks of its result.

    Parameters
    ----------
    convolution : Conv2d
        Whose parameters these are.
    pooling : AveragePool
        What follows.
    """

    def __init__(self, convolution: Conv2d, pooling: AveragePool):
        super().__init__(convolution, pooling, convolution, pooling.size)

    def _windows(self, size: tuple[int, ...]) -> Geometry:
        self.output_shape((*size, self.channels_in))  # which has to be a multiple of the blocks
        height, width = size
        return Geometry((height, width), self.kernel, self.stride, self._convolution._windows(size).padding)

    def _images_weight(self, params: Parameters, workspace: Workspace | None = None) -> Array:
        wide = self._sums(params["weight"], workspace)
        wide *= 1 / self._factor**2
        return wide

    def _weight_gradient(
        self, x: Array, du: Array, out: Array, workspace: Workspace | None = None, beside: Beside | None = None
    ) -> None:
        wide = scratch(workspace, "wide", (*self.kernel, *out.shape[2:]), x)
        super()._weight_gradient(x, du, wide, workspace, beside)
        out = self._sums_transposed(wide, out)
        out *= 1 / self._factor**2


class UpsampledConv2d(_Resampled, ConvTranspose2d):
    """Blocks of equal pixels, and a convolution of stride 1 of these.

    Parameters
    ----------
    upsampling : Upsample
        What precedes.
    convolution : Conv2d
        Whose parameters these are.
    """

    def __init__(self, upsampling: Upsample, convolution: Conv2d):
        super().__init__(upsampling, convolution, convolution, upsampling.factor)

    def _windows(self, size: tuple[int, ...]) -> Geometry:
        inner = self._convolution._windows((self._factor * size[0], self._factor * size[1]))
        rows, columns = (
            (kernel - 1 - before, kernel - 1 - after)
            for kernel, (before, after) in zip(inner.kernel, inner.padding, strict=True)
        )
        return Geometry(inner.output, self.kernel, self.stride, (rows, columns))

    def _images_weight(self, params: Parameters, workspace: Workspace | None = None) -> Array:
        return self._sums(self._turned(params["weight"]), workspace)

    def _weight_gradient(
        self, x: Array, du: Array, out: Array, workspace: Workspace | None = None, beside: Beside | None = None
    ) -> None:
        rows, columns, channels, filters = out.shape
        wide = scratch(workspace, "wide", (*self.kernel, filters, channels), x)
        super()._weight_gradient(x, du, wide, workspace, beside)
        narrow = scratch(workspace, "narrow", (rows, columns, filters, channels), x)
        out[...] = self._turned(self._sums_transposed(wide, narrow))

    def _turned(self, weight: Array) -> Array:
        """The kernel turned about, with the images of y where those of x were."""
        return module_of(weight).ascontiguousarray(weight[::-1, ::-1].swapaxes(2, 3))
