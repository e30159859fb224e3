"""What a forward pass of a network leaves, and whether what the passes after it are given belongs to it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array, backend
from nets.arguments import count_of
from nets.layers.base import Cache, Layer
from nets.parameters import Layout, Parameters


class Pass(NamedTuple):
    """One forward pass of a network: whose it was, of what, and the caches of its layers."""

    body: Layer
    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    dtype: np.dtype
    layers: Cache

    def first_rows(self, count: int) -> Pass:
        """Pass of the first ``count`` samples."""
        x, y = ((min(count, shape[0]), *shape[1:]) for shape in (self.x_shape, self.y_shape))
        return Pass(self.body, x, y, self.dtype, first_rows(self.layers, count))


class Kept(NamedTuple):
    """What a backward pass kept for the one through it: whose pass it was, and one part for each layer."""

    cache: Pass
    layers: Any


def first_rows(cache: Cache, count: int) -> Cache:
    """Cache of the first ``count`` samples of a batch, as views: to pull back a gradient of these alone.

    Valid for networks that treat each sample by itself; batch-norm does so with each of its groups, which may not be
    cut.

    Raises
    ------
    TypeError
        If the count is no integer.
    ValueError
        If the count is not positive, or cuts a group. One beyond the batch gives the whole batch.
    """
    count = count_of("count", count)
    if hasattr(cache, "first_rows"):
        return cache.first_rows(count)
    if isinstance(cache, tuple):
        parts = [first_rows(part, count) for part in cache]
        return type(cache)(*parts) if hasattr(cache, "_fields") else tuple(parts)
    return cache[:count]


def check_parameters(name: str, params: Parameters, layout: Layout, dtype: np.dtype | None = None) -> None:
    """Raise unless parameters, or a gradient or tangent of their form, are laid out so and, where given, of a dtype."""
    if not isinstance(params, Parameters):
        raise TypeError(f"{name}: expected Parameters, got {type(params).__name__}")
    if params.layout is not layout and list(params.layout.shapes.items()) != list(layout.shapes.items()):
        raise ValueError(
            f"{name}: expected those of this network, {layout.size} numbers in {len(layout.shapes)} arrays, "
            f"got {params.layout.size} in {len(params)}, laid out otherwise"
        )
    if dtype is not None and params.vector.dtype != dtype:
        raise TypeError(f"{name}: expected {dtype} like the forward pass, got {params.vector.dtype}")


def check_pass(cache: Pass, body: Layer) -> None:
    """Raise unless a cache was left by a forward pass of the network that has this body."""
    if not isinstance(cache, Pass):
        raise TypeError(f"cache: expected that of a network's forward pass, got {type(cache).__name__}")
    if cache.body is not body:
        raise ValueError("cache: expected that of a forward pass of this network, got one of another network")


def check_like(name: str, array: Array, vector: Array, shape: tuple[int, ...] | None = None, of: str = "") -> None:
    """Raise unless an array is of the library and dtype of the parameters' vector and, where given, of a shape.

    Raises
    ------
    TypeError
        For another library or dtype, or what is no plain array.
    ValueError
        For another shape; ``of`` is what has it.
    """
    if type(array) is not type(vector):  # a vector is a plain array: only what differs from it needs a closer look
        backend(**{"the parameters": vector, name: array})
    if array.dtype != vector.dtype:
        raise TypeError(f"{name}: expected {vector.dtype} like the parameters, got {array.dtype}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape} like {of}, got {array.shape}")
