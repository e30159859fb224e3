"""Layers in sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from coulombfield.arrays import Array
from nets.chain import Chain, ChainCache
from nets.layers.base import Cache, Layer
from nets.layers.composition import Composed, backward_from, backward_keeping, refuse_repeated, second_order
from nets.layers.resampled import steps
from nets.parameters import Layout, Parameters
from nets.workspace import Workspace


class Sequential(Composed):
    """Layers one after the other; itself a layer, so that sequences nest.

    Some pairs of layers run as one, see :mod:`nets.layers.resampled`; a cache still has one part for each layer, ()
    for the one of a pair that has no parameters. Affine maps and activations alone run as one where they are small, see
    :mod:`nets.chain`: a layer's settings are to stay as they are once it is in a sequence.

    Parameters
    ----------
    layers : sequence of Layer
        At least one, and each a layer of its own, since a layer owns its memory in a workspace.

    Raises
    ------
    ValueError
        If there is none, or the same one twice.
    """

    def __init__(self, layers: Sequence[Layer]):
        if not layers:
            raise ValueError("layers: expected at least one layer, got none")
        self.layers = list(layers)
        refuse_repeated(self)
        self._steps = steps(self.layers)
        parametric = [i for i, step in enumerate(self._steps) if step.layer.shapes()]
        self._first_with_parameters = parametric[0] if parametric else len(self._steps)
        self._chain = Chain.of(self.layers, Layout(self.shapes()))

    @property
    def keeps_result(self) -> bool:
        """Whether the last layer does."""
        return getattr(self.layers[-1], "keeps_result", True)

    def named_children(self) -> Sequence[tuple[str, Layer]]:
        """The layers, by their places from 0 on."""
        return [(str(i), layer) for i, layer in enumerate(self.layers)]

    def with_children(self, children: Sequence[Layer]) -> Sequential:
        """Other layers one after the other."""
        return Sequential(children)

    def given_shapes(self, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """What the sequence is given, and what each layer but the last makes of it."""
        for layer in self.layers:
            yield shape
            shape = layer.output_shape(shape)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the last layer's result."""
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, Cache]:
        """Output of the last layer and the caches of all."""
        if self._chain is not None and self._chain.takes(params, x):
            return self._chain.forward(params, x, workspace)
        caches: list[Cache] = [()] * len(self.layers)
        for layer, place, _ in self._steps:
            x, caches[place] = layer.forward(params.child(str(place)), x, workspace)
        return x, tuple(caches)

    def backward(
        self,
        params: Parameters,
        cache: Cache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """The chain rule, from the last layer to the first that anything is needed of."""
        if into is None and not need_dx:
            return None
        if self._chain is not None and isinstance(cache, ChainCache):
            dx = self._chain.backward(params, cache, dy, into, need_dx, workspace)
            return dx if need_dx else None
        first = 0 if need_dx else self._first_with_parameters
        gradient: Array | None = dy
        for i in range(len(self._steps) - 1, first - 1, -1):
            layer, place, _ = self._steps[i]
            gradient = layer.backward(
                params.child(str(place)),
                cache[place],
                gradient,
                into=None if into is None else into.child(str(place)),
                need_dx=need_dx or i > first,
                workspace=workspace,
            )
        return gradient if need_dx else None

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
        if self._chain is None or not isinstance(cache, ChainCache) or self._chain.outputs > 1:
            return None
        return self._chain.backward_apart(params, cache, dy_of_x, dy_of_params, into, workspace)

    def jvp(self, params: Parameters, cache: Cache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """The chain rule, from the first layer to the last."""
        cache = self.caches(cache)
        for layer, place, _ in self._steps:
            child = None if params_dot is None else params_dot.child(str(place))
            x_dot = layer.jvp(params.child(str(place)), cache[place], x_dot, child)
        return x_dot

    def backward_keeping(
        self, params: Parameters, cache: Cache, dy: Array, *, workspace: Workspace | None = None
    ) -> tuple[Array, Any]:
        """See :class:`~nets.layers.composition.Composed`."""
        cache = self.caches(cache)
        kept: list[Any] = [None] * len(self.layers)
        gradient: Any = dy
        for layer, place, _ in reversed(self._steps):
            gradient, kept[place] = backward_keeping(layer, params.child(str(place)), cache[place], gradient, workspace)
        return gradient, tuple(kept)

    def second_order(
        self,
        params: Parameters,
        cache: Cache,
        x_dot: Array,
        dy: Any,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Any]:
        r"""See :class:`~nets.layers.composition.Composed`.

        Layer i makes :math:`\dot x_{i+1} = J_i(x_i)\,\dot x_i` beside :math:`x_{i+1}`, and its Jacobian adds to the
        gradients by :math:`x_i` and by its parameters, given that by :math:`\dot x_{i+1}`, which comes from that by
        :math:`\dot x_{i+2}` alone: a backward pass, by which it was kept.
        """
        cache = self.caches(cache)
        sources: list[Any] = [None] * len(self.layers)
        for layer, place, _ in self._steps:
            child = None if into is None else into.child(str(place))
            x_dot, sources[place] = second_order(
                layer, params.child(str(place)), cache[place], x_dot, dy[place], child, workspace
            )
        return x_dot, tuple(sources)

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
        """See :class:`~nets.layers.composition.Composed`."""
        if into is None and not need_dx:
            return None
        cache = self.caches(cache)
        first = 0 if need_dx else self._first_with_parameters
        for i in range(len(self._steps) - 1, first - 1, -1):
            layer, place, _ = self._steps[i]
            child = None if into is None else into.child(str(place))
            dy = backward_from(
                layer,
                params.child(str(place)),
                cache[place],
                dy,
                sources[place],
                child,
                need_dx or i > first,
                workspace,
            )
        return dy if need_dx else None

    def caches(self, cache: Cache) -> Cache:
        """Caches of the layers, from that of a forward pass of all."""
        return self._chain.caches(cache) if self._chain is not None and isinstance(cache, ChainCache) else cache
