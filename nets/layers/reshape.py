"""The same numbers in another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from coulombfield.arrays import Array
from nets.arguments import count_of
from nets.layers.activations import check_gradient
from nets.layers.base import Parameterless
from nets.parameters import Parameters
from nets.workspace import Workspace


class ReshapeCache(NamedTuple):
    """Input and output of one forward pass, whose shapes are what counts."""

    x: Array
    y: Array


class Reshape(Parameterless):
    """Each sample in another shape, last axis fastest; y shares the memory of x where that is contiguous.

    Parameters
    ----------
    shape : sequence of int
        Shape of one sample of y.
    """

    def __init__(self, shape: Sequence[int]):
        self.shape = tuple(count_of("shape", size) for size in shape)
        if not self.shape:
            raise ValueError("shape: expected one number or more, got none")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape given, for any of as many numbers."""
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"shape: Reshape({self.shape}) expects {math.prod(self.shape)} numbers, got {shape}")
        return self.shape

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, ReshapeCache]:
        """``y`` with the numbers of ``x``."""
        y = x.reshape(x.shape[0], *self.output_shape(x.shape[1:]))
        return y, ReshapeCache(x, y)

    def backward(
        self,
        params: Parameters,
        cache: ReshapeCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """``dx`` with the numbers of ``dy``: the map permutes nothing, so that its transpose is its inverse."""
        if not need_dx:
            return None
        check_gradient(self, dy, cache.y)
        return dy.reshape(cache.x.shape)

    def jvp(self, params: Parameters, cache: ReshapeCache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """``y_dot`` with the numbers of ``x_dot``."""
        return x_dot.reshape(cache.y.shape)

    def second_order(
        self,
        params: Parameters,
        cache: ReshapeCache,
        x_dot: Array,
        dy: Array | None,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, None]:
        """``y_dot`` with the numbers of ``x_dot``; the Jacobian is constant."""
        return x_dot.reshape(cache.y.shape), None


class Flatten(Reshape):
    """Each sample as one row of numbers, last axis fastest."""

    def __init__(self) -> None:
        pass

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same, as many numbers in a row."""
        return (math.prod(shape),)
