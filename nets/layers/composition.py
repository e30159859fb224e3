"""What layers that are made of layers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from coulombfield.arrays import Array
from nets.layers.base import Cache, Layer, SecondOrder
from nets.parameters import Parameters
from nets.primitives.elementwise import add, copy
from nets.workspace import Workspace, allocate, scratch


def rebuilt(layer: Layer, change: Callable[[Layer], Layer]) -> Layer:
    """Make a layer again with another in the place of each that is not made of layers.

    Parameters
    ----------
    layer : Layer
        Stays as it is.
    change : callable
        Gives what stands in the place of a layer; with the same parameters, if the result is to have the same.
    """
    if not isinstance(layer, Composed):
        return change(layer)
    return layer.with_children([rebuilt(child, change) for _, child in layer.named_children()])


def with_caches(layer: Layer, cache: Cache) -> Iterator[tuple[str, Layer, Cache]]:
    """Names of a layer's own layers, these, and their caches from that of a forward pass of all."""
    if isinstance(layer, Composed):
        for (name, child), of_child in zip(layer.named_children(), layer.caches(cache), strict=True):
            yield name, child, of_child


def with_shapes(layer: Layer, shape: tuple[int, ...]) -> Iterator[tuple[str, Layer, tuple[int, ...]]]:
    """Names of a layer's own layers, these, and the shapes of what they are given, for one sample of this shape."""
    if isinstance(layer, Composed):
        for (name, child), of_child in zip(layer.named_children(), layer.given_shapes(shape), strict=True):
            yield name, child, of_child


def refuse_repeated(layer: Layer) -> None:
    """Raise ValueError if one layer stands in two places of another: each owns its memory in a workspace."""
    found = list(leaves_of(layer))
    for i, leaf in enumerate(found):
        if any(leaf is earlier for earlier in found[:i]):
            raise ValueError(f"layers: the same {type(leaf).__name__} stands in two places; make one for each")


class Composed(SecondOrder):
    """Base of the layers that are made of layers: what they are made of, and their passes of second order.

    All that looks at a network layer by layer asks here, so that another way to compose layers needs no edit elsewhere:
    a subclass defines :meth:`named_children`, :meth:`with_children`, :meth:`caches` and :meth:`given_shapes`.

    Three passes make one of second order: :meth:`backward_keeping`,
    :meth:`~nets.layers.base.SecondOrder.second_order` from the first layer to the last, and :meth:`backward_from`. What
    the first keeps for the second, and the second for the third, is one part for each layer, and may lie in the same
    memory.
    """

    def with_children(self, children: Sequence[Layer]) -> Layer:
        """Make the same of other layers, as many as there are children."""
        raise NotImplementedError

    def caches(self, cache: Cache) -> Sequence[Cache]:
        """Caches of the children, from that of a forward pass of all."""
        raise NotImplementedError

    def given_shapes(self, shape: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
        """Shape of one sample of what each child is given, for that of one sample of ``x``."""
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every child's parameters, as ``child.name``."""
        return {
            f"{prefix}.{name}": shape
            for prefix, layer in self.named_children()
            for name, shape in layer.shapes().items()
        }

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Every child's initial values, drawn in the order of the children."""
        return {
            f"{prefix}.{name}": value
            for prefix, layer in self.named_children()
            for name, value in layer.initialize(rng).items()
        }

    def operations(self, shape: tuple[int, ...]) -> int:
        """Sum over the children."""
        pairs = zip(self.named_children(), self.given_shapes(shape), strict=True)
        return sum(layer.operations(given) for (_, layer), given in pairs)

    @property
    def height(self) -> int:
        """How many residual blocks are within each other: they may not use the same memory, all others may."""
        return max((height(layer) for _, layer in self.named_children()), default=0)

    def backward_apart(
        self,
        params: Parameters,
        cache: Cache,
        dy_of_x: Array,
        dy_of_params: Array,
        *,
        into: Parameters,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """See :meth:`nets.network.Network.backward_apart`; None where it takes two passes."""
        return None

    def backward_keeping(
        self, params: Parameters, cache: Cache, dy: Array, *, workspace: Workspace | None = None
    ) -> tuple[Array, Any]:
        """``dx`` of a backward pass, and the gradients by the layers' results on its way."""
        raise NotImplementedError

    def backward_from(
        self,
        params: Parameters,
        cache: Cache,
        dy: Array | None,
        sources: Any,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """Backward pass of dy, None for 0, and of what adds to the gradients by the layers' arguments on its way.

        The gradient by the parameters is added to what is in ``into``.
        """
        raise NotImplementedError

    def jvp_backward(
        self, params: Parameters, cache: Cache, x_dot: Array, dy_dot: Array, *, into: Parameters | None = None
    ) -> tuple[Array | None, Array]:
        """See :class:`~nets.layers.base.Layer`: the three passes."""
        dx_dot, kept = self.backward_keeping(params, cache, dy_dot.copy())
        _, sources = self.second_order(params, cache, x_dot.copy(), kept, into=into)
        return self.backward_from(params, cache, None, sources, into=into), dx_dot


def height(layer: Layer) -> int:
    """See :class:`Composed`; 0 of a layer that is not made of layers."""
    return layer.height if isinstance(layer, Composed) else 0


def backward_keeping(
    layer: Layer, params: Parameters, cache: Cache, dy: Array, workspace: Workspace | None
) -> tuple[Array | None, Any]:
    """Backward pass of any layer to its argument, and what ``second_order`` needs of it."""
    if isinstance(layer, Composed):
        return layer.backward_keeping(params, cache, dy, workspace=workspace)
    kept = None
    if _second_order(layer).needs_dy:
        kept = allocate(workspace, layer, "kept dy", dy.shape, dy)
        copy(dy, kept)
    return layer.backward(params, cache, dy, workspace=workspace), kept


def second_order(
    layer: Layer,
    params: Parameters,
    cache: Cache,
    x_dot: Array,
    kept: Any,
    into: Parameters | None,
    workspace: Workspace | None,
) -> tuple[Array, Any]:
    """See :class:`~nets.layers.base.SecondOrder`, for what :func:`backward_keeping` of any layer has kept."""
    return _second_order(layer).second_order(params, cache, x_dot, kept, into=into, workspace=workspace)


def backward_from(
    layer: Layer,
    params: Parameters,
    cache: Cache,
    dy: Array | None,
    sources: Any,
    into: Parameters | None,
    need_dx: bool,
    workspace: Workspace | None,
) -> Array | None:
    """Backward pass of dy, None for 0, through any layer, and what :func:`second_order` adds to its dx.

    The gradient by the parameters is added to what is in ``into``.
    """
    if isinstance(layer, Composed):
        return layer.backward_from(params, cache, dy, sources, into=into, need_dx=need_dx, workspace=workspace)
    dx = None
    if dy is not None:
        own = None
        if into is not None:
            vector = scratch(workspace, "gradient of a layer", into.vector.shape, into.vector)
            own = Parameters(into.layout, vector)
        dx = layer.backward(params, cache, dy, into=own, need_dx=need_dx, workspace=workspace)
        if into is not None and own is not None:
            add(own.vector, into.vector)
    if not need_dx or sources is None:
        return dx
    if dx is None:
        return sources
    return add(sources, dx)


def _second_order(layer: Layer) -> SecondOrder:
    if not isinstance(layer, SecondOrder):
        raise TypeError(f"layer: {type(layer).__name__} has no derivatives of second order")
    return layer


def leaves_of(layer: Layer) -> Iterator[Layer]:
    """Layers that are not made of layers, in the order of their parameters."""
    children = layer.named_children()
    if not children:
        yield layer
    for _, child in children:
        yield from leaves_of(child)
