"""What layers that are made of layers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from coulombfield.arrays import Array
from nets.layers.base import Cache, Layer
from nets.parameters import Parameters
from nets.workspace import empty


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
    found = list(_leaves(layer))
    for i, leaf in enumerate(found):
        if any(leaf is earlier for earlier in found[:i]):
            raise ValueError(f"layers: the same {type(leaf).__name__} stands in two places; make one for each")


def pull_back_both(
    layer: Layer,
    params: Parameters,
    cache: Cache,
    x_dot: Array,
    dy: Array | None,
    dy_dot: Array,
    *,
    into: Parameters | None = None,
) -> tuple[Array | None, Array]:
    """Pull back the gradients by y, if there is one, and by y_dot: ``backward`` and ``jvp_backward``, and their sum.

    Parameters
    ----------
    dy : array or None
        Gradient by y; its memory may be reused.
    dy_dot : array
        Gradient by y_dot.

    Returns
    -------
    dx : array or None
        Gradient by x, None where both terms are.
    dx_dot : array
        Gradient by x_dot.

    ``into`` receives that by the parameters.
    """
    dx, dx_dot = layer.jvp_backward(params, cache, x_dot, dy_dot, into=into)
    if dy is None:
        return dx, dx_dot
    of_y = None if into is None else Parameters(into.layout, empty(into.vector.shape, into.vector))
    through = layer.backward(params, cache, dy, into=of_y)
    if into is not None and of_y is not None:
        into.vector[...] += of_y.vector
    return (through if dx is None else dx + through), dx_dot


def _leaves(layer: Layer) -> Iterator[Layer]:
    if not isinstance(layer, Composition):
        yield layer
    else:
        for child in layer.children():
            yield from _leaves(child)
