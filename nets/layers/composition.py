"""What layers that are made of layers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from coulombfield.arrays import Array
from nets.layers.base import Cache, Layer, SecondOrder
from nets.parameters import Parameters
from nets.primitives.elementwise import add, copy
from nets.workspace import Workspace, allocate, scratch


@runtime_checkable
class Composition(Protocol):
    """What a layer that is made of layers offers beside its passes."""

    def children(self) -> Sequence[Layer]:
        """Its layers, in the order of their parameters."""

    def with_children(self, children: Sequence[Layer]) -> Layer:
        """Make the same of other layers, as many as there are children."""


def rebuilt(layer: Layer, change: Callable[[Layer], Layer]) -> Layer:
    """Make a layer again with another in the place of each that is not made of layers.

    Parameters
    ----------
    layer : Layer
        Stays as it is.
    change : callable
        Gives what stands in the place of a layer; with the same parameters, if the result is to have the same.
    """
    if not isinstance(layer, Composition):
        return change(layer)
    return layer.with_children([rebuilt(child, change) for child in layer.children()])


def refuse_repeated(layer: Layer) -> None:
    """Raise ValueError if one layer stands in two places of another: each owns its memory in a workspace."""
    found = list(leaves_of(layer))
    for i, leaf in enumerate(found):
        if any(leaf is earlier for earlier in found[:i]):
            raise ValueError(f"layers: the same {type(leaf).__name__} stands in two places; make one for each")


class Composed(SecondOrder):
    """Base of the layers that are made of layers: their passes of second order.

    Three passes make one: :meth:`backward_keeping`, :meth:`~nets.layers.base.SecondOrder.second_order` from the first
    layer to the last, and :meth:`backward_from`. What the first keeps for the second, and the second for the third, is
    one part for each layer, and may lie in the same memory.
    """

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
    if not isinstance(layer, Composition):
        yield layer
    else:
        for child in layer.children():
            yield from leaves_of(child)
