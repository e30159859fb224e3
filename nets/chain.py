"""Affine maps, activations and scales in sequence, whose passes run as one compiled loop each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array
from coulombfield.threads import share
from nets.layers.activations import (
    ELU,
    Activation,
    ActivationCache,
    Identity,
    LeakyReLU,
    ReLU,
    ScaledTanh,
    Tanh,
    check_gradient,
)
from nets.layers.base import Cache, Layer
from nets.layers.linear import Linear, LinearCache
from nets.layers.scale import Scale
from nets.parameters import Layout, Parameters
from nets.primitives import chains
from nets.workspace import Workspace, allocate, scratch

SHARED = 2**23
"""Multiplications of a pass from which on threads pay: some hundred microseconds of work."""
LARGEST = 2**27
"""Multiplications of a pass up to which it is compiled: those of more have products that are large by themselves."""


Step = tuple[int, tuple[float, ...]]
"""An activation of :mod:`nets.primitives.chains` and its numbers."""


class ChainCache(NamedTuple):
    """What a forward pass leaves: x, and the results of all layers for ``samples`` samples, one after the other."""

    x: Array
    results: Array
    samples: int

    def first_rows(self, count: int) -> ChainCache:
        """Cache of the first ``count`` samples."""
        return self._replace(x=self.x[:count])


class Chain:
    """The layers of a sequence as a table for :mod:`nets.primitives.chains`, on NumPy only.

    The layers' own passes are the reference: results and gradients are theirs up to rounding.

    Parameters
    ----------
    layers : sequence of Layer
        Layers that have a step each.
    steps : sequence
        What :func:`_activation` says of each.
    layout : Layout
        Of the sequence's parameters.
    """

    def __init__(self, layers: Sequence[Layer], steps: Sequence[Step], layout: Layout):
        self._layers = list(layers)
        widths = _widths(layers)
        self.outputs, self._widest = widths[-1], max(widths)
        self._places = [0, *itertools.accumulate(widths[1:])]
        self._table = np.empty((len(layers), 6), np.int64)
        self._numbers = np.zeros((len(layers), 2))
        for i, (layer, (activation, numbers)) in enumerate(zip(layers, steps, strict=True)):
            at = [layout.slices[f"{i}.{name}"].start if name in layer.shapes() else -1 for name in ("weight", "bias")]
            self._table[i] = widths[i], widths[i + 1], *at, activation, self._places[i]
            self._numbers[i, : len(numbers)] = numbers
        self._panels = {itemsize: chains.panels(self._table, itemsize) for itemsize in (4, 8)}
        self.multiplications = sum(math.prod(layer.shapes().get("weight", (0,))) for layer in layers)

    @classmethod
    def of(cls, layers: Sequence[Layer], layout: Layout) -> Chain | None:
        """Chain of a sequence; None unless all layers have a step, and one at least is a Linear."""
        steps = [step for step in map(_activation, layers) if step is not None]
        linear = [layer for layer in layers if type(layer) is Linear]
        fit = all(one.fan_out == other.fan_in for one, other in itertools.pairwise(linear))
        return cls(layers, steps, layout) if linear and fit and len(steps) == len(layers) else None

    def takes(self, params: Parameters, x: Array) -> bool:
        """Whether a batch is of a kind and a size that a compiled pass is for."""
        return (
            type(x) is np.ndarray
            and x.dtype == params.vector.dtype
            and x.dtype.isnative
            and x.ndim == 2
            and x.shape[1] == self._table[0, 0]
            and 0 < x.shape[0] * self.multiplications <= LARGEST
            and x.flags.c_contiguous
            and x.flags.writeable
        )

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None) -> tuple[Array, ChainCache]:
        """Output of the last layer and the cache of all."""
        n = len(x)
        results = allocate(workspace, self, "y", (n, self._places[-1]), x).reshape(-1)
        nothing = np.zeros(self._widest, x.dtype)
        arguments = self._table, self._numbers, params.vector, nothing, x.reshape(-1), results, n
        self._each(lambda start, stop: chains.forward_rows(start, stop, *arguments), n, n)
        cache = ChainCache(x, results, n)
        y = self._result(cache, len(self._layers) - 1)
        return (y.copy() if workspace is None else y), cache  # who keeps y alone doesn't keep the results of all layers

    def backward(
        self,
        params: Parameters,
        cache: ChainCache,
        dy: Array | float,
        into: Parameters | None,
        need_dx: bool,
        workspace: Workspace | None,
        factors: Array | None = None,
    ) -> Array:
        """Chain rule from the last layer to the first; dx is empty where it is not needed.

        With factors, shape (N,), the gradient by the parameters is that of ``factors[i] dy[i]``.
        """
        if not isinstance(dy, float):
            check_gradient(self._layers[-1], dy, self._result(cache, len(self._layers) - 1))
        x, results, n = cache
        count, vector = len(x), params.vector
        gradients = scratch(workspace, "gradients of a chain", (n * self._places[-1],), vector)
        start, none = n * self._places[-2], gradients[:0]
        gradients[start : start + count * (self._places[-1] - self._places[-2])] = np.ravel(dy)
        dx = allocate(workspace, self, "dx", x.shape, vector) if need_dx else none
        arguments = self._table, self._numbers, vector, results, gradients, dx.reshape(-1), n
        self._each(lambda start, stop: chains.backward_rows(start, stop, *arguments), count, count)
        if into is not None:
            of = self._table, x.reshape(-1), results, gradients, none if factors is None else factors
            self._each(
                lambda start, stop: chains.weight_panels(start, stop, *of, into.vector, count, n),
                self._panels[vector.itemsize],
                count,
            )
        return dx

    def backward_apart(
        self,
        params: Parameters,
        cache: ChainCache,
        dy_of_x: Array,
        dy_of_params: Array,
        into: Parameters,
        workspace: Workspace | None,
    ) -> Array:
        """See :meth:`nets.network.Network.backward_apart`, for one output a sample.

        What either makes of a sample's slopes is these times a number.
        """
        dx = self.backward(params, cache, 1.0, into, True, workspace, dy_of_params.reshape(-1))
        rows = dx[: len(dy_of_x)]
        rows *= dy_of_x
        return rows

    def caches(self, cache: ChainCache) -> tuple[Cache, ...]:
        """Caches of the layers, for their own passes."""
        found: list[Cache] = []
        x = cache.x
        for i, layer in enumerate(self._layers):
            y = self._result(cache, i)
            found.append(_layer_cache(layer, x, y))
            x = y
        return tuple(found)

    def _result(self, cache: ChainCache, i: int) -> Array:
        start, stop = (cache.samples * place for place in self._places[i : i + 2])
        return cache.results[start:stop].reshape(cache.samples, -1)[: len(cache.x)]

    def _each(self, work: Callable[[int, int], object], count: int, n: int) -> None:
        if n * self.multiplications < SHARED:
            work(0, count)
        else:
            share(work, count)


def _widths(layers: Sequence[Layer]) -> list[int]:
    """Widths of x and of every layer's results."""
    shape: tuple[int, ...] = (next(layer.fan_in for layer in layers if isinstance(layer, Linear)),)
    widths = [*shape]
    for layer in layers:
        shape = layer.output_shape(shape)
        widths += shape
    return widths


def _activation(layer: Layer) -> Step | None:
    """What a step of the table says of a layer's activation; None where there is no step for the layer."""
    activation: Any = layer.activation if type(layer) is Linear else layer
    if type(activation) not in (Scale, Identity, ELU, LeakyReLU, ReLU, Tanh, ScaledTanh):  # what derives may differ
        return None
    match activation:
        case Scale():
            return chains.SCALE, (activation.factor,)
        case LeakyReLU():
            return chains.LEAKY_RELU, (activation.slope,)
        case ELU():
            return chains.ELU, ()
        case Tanh():
            return chains.TANH, (activation.amplitude, activation.rate)
    return chains.IDENTITY, ()


def _layer_cache(layer: Layer, x: Array, y: Array) -> Cache:
    if isinstance(layer, Linear):
        return LinearCache(x, y)
    return ActivationCache(y) if isinstance(layer, Activation) else ()
