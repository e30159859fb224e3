"""Networks: a layer, usually a sequence of them, and the flat parameter vector that serves them all."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, library
from nets.layers.base import Cache, Layer
from nets.layers.composition import backward_from, backward_keeping, second_order
from nets.layers.sequential import Sequential
from nets.parameters import Layout, Parameters
from nets.primitives.inplace import module_of
from nets.workspace import Workspace, allocate, empty

__all__ = ["Network", "Sequential", "first_rows"]


def first_rows(cache: Cache, count: int) -> Cache:
    """Cache of the first ``count`` samples of a batch, as views: to pull back a gradient of these alone.

    Valid for networks that treat each sample by itself; batch-norm does so with each of its groups, which may not be
    cut.

    Raises
    ------
    ValueError
        If the count is not positive, or cuts a group. One beyond the batch gives the whole batch.
    """
    if count < 1:
        raise ValueError(f"count: expected at least one sample, got {count}")
    if hasattr(cache, "first_rows"):
        return cache.first_rows(count)
    if isinstance(cache, tuple):
        parts = [first_rows(part, count) for part in cache]
        return type(cache)(*parts) if hasattr(cache, "_fields") else tuple(parts)
    return cache[:count]


class Network:
    """A layer together with the layout of its parameters: what the users of a network call.

    Parameters
    ----------
    body : Layer
        Usually a :class:`Sequential`.
    """

    def __init__(self, body: Layer):
        self.body = body
        self.layout = Layout(body.shapes())

    def initialize(
        self, rng: np.random.Generator, dtype: np.typing.DTypeLike = np.float32, xp: ModuleType = np
    ) -> Parameters:
        """Fresh parameters: drawn on the host in float64, so that every dtype and device starts alike.

        Raises
        ------
        ValueError
            If an initializer gives another shape than it was asked for.
        """
        vector = np.empty(self.layout.size)
        values = self.body.initialize(rng)
        for name, shape in self.layout.shapes.items():
            if values[name].shape != shape:
                raise ValueError(f"{name}: expected initial values of shape {shape}, got {values[name].shape}")
            vector[self.layout.slices[name]] = values[name].ravel()
        return Parameters(self.layout, xp.asarray(vector.astype(dtype)))

    def zeros_like(self, params: Parameters) -> Parameters:
        """Parameters of the same dtype and device, all 0."""
        return Parameters(self.layout, module_of(params.vector).zeros_like(params.vector))

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, Cache]:
        """``(y, cache)`` for a batch ``x``, which is left as it is.

        The cache refers to x and y: neither may change before the last backward pass through it. With a workspace,
        y and the cache are valid until the next forward pass with it.

        Raises
        ------
        TypeError
            If x belongs to another library than the parameters.
        ValueError
            If x has another dtype than the parameters, or a shape that the first layer does not take.
        """
        _check_input(x, params.vector)
        return self.body.forward(params, x, workspace)

    def backward(
        self,
        params: Parameters,
        cache: Cache,
        dy: Array,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Any]:
        """Pull ``dy = dL/dy`` back to ``(dL/dx, dL/dparams)``; what is not needed is None and costs nothing.

        The cache stays as it is, so that several ``dy`` can be pulled back through one forward pass. With a
        workspace, the results are valid until the next backward pass with it.

        Raises
        ------
        ValueError
            If dy has not the shape and dtype of the y that the cache belongs to.
        """
        gradient = self._gradient(params, workspace) if need_dparams else None
        owned = allocate(workspace, self, "dy", dy.shape, dy)
        owned[...] = dy
        dx = self.body.backward(params, cache, owned, into=gradient, need_dx=need_dx, workspace=workspace)
        return dx, gradient

    def jvp(self, params: Parameters, cache: Cache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """Directional derivative of y along ``x_dot`` and, where given, ``params_dot``."""
        return self.body.jvp(params, cache, x_dot, params_dot)

    def jvp_backward(
        self, params: Parameters, cache: Cache, x_dot: Array, dy_dot: Array
    ) -> tuple[Array | None, Array, Parameters]:
        r"""Gradients of :math:`\langle\dot{dy}, J(x, \theta)\,\dot x\rangle`: they make a gradient's gradient exact.

        Returns
        -------
        dx : array or None
            By x; None where the Jacobian does not depend on it.
        dx_dot : array
            By x_dot, :math:`J^T\,\dot{dy}`.
        dparams : Parameters
            By the parameters.
        """
        gradient = self._gradient(params, None)
        return *self.body.jvp_backward(params, cache, x_dot, dy_dot, into=gradient), gradient

    def backward_keeping(
        self, params: Parameters, cache: Cache, dy: Array, *, workspace: Workspace | None = None
    ) -> tuple[Array, Any]:
        """``dx`` of :meth:`backward`, and the gradients by the layers' results, which :meth:`backward_twice` needs.

        With a workspace, they are valid until the next such pass with it.
        """
        owned = allocate(workspace, self, "dy", dy.shape, dy)
        owned[...] = dy
        return backward_keeping(self.body, params, cache, owned, workspace)

    def backward_twice(
        self, params: Parameters, cache: Cache, kept: Any, x_dot: Array, *, workspace: Workspace | None = None
    ) -> Parameters:
        r"""Pull the gradient by a backward pass's dx back through that pass to the parameters.

        With dx(x, theta) the result of :meth:`backward_keeping` and :math:`\dot x = \partial P/\partial dx` this is
        :math:`dP/d\theta` for dy and x held fixed.

        Parameters
        ----------
        params, cache
            Those of the backward pass.
        kept
            What it kept; used up.
        x_dot : array
            Of the shape of x; its memory may be reused.
        workspace : Workspace, optional
            The result is valid until the next such pass with it; one of :meth:`backward` is not touched.
        """
        gradient = self._gradient(params, workspace, "second gradient")
        _, sources = second_order(self.body, params, cache, x_dot, kept, gradient, workspace)
        backward_from(self.body, params, cache, None, sources, gradient, False, workspace)
        return gradient

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample of y, for that of one sample of x."""
        return self.body.output_shape(shape)

    def operations(self, shape: tuple[int, ...]) -> int:
        """Floating-point operations of a forward pass for one sample of this shape; a backward pass has twice those."""
        return self.body.operations(shape)

    def _gradient(self, params: Parameters, workspace: Workspace | None, name: str = "gradient") -> Parameters:
        def make() -> Parameters:
            return Parameters(self.layout, empty((self.layout.size,), params.vector))

        return make() if workspace is None else workspace.get((self, name, params.vector.dtype), make)


def _check_input(x: Array, vector: Array) -> None:
    if library(type(x)) != library(type(vector)):
        raise TypeError(f"x: expected a {library(type(vector))} array like the parameters, got {type(x).__name__}")
    if x.dtype != vector.dtype:
        raise ValueError(f"x: expected {vector.dtype} like the parameters, got {x.dtype}")
