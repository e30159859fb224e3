"""Networks: a layer, usually a sequence of them, and the flat parameter vector that serves them all."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from coulombfield.arrays import Array, module_of
from nets.layers.base import Layer
from nets.layers.composition import Composed, backward_from, backward_keeping, second_order
from nets.layers.sequential import Sequential
from nets.parameters import Layout, Parameters
from nets.passes import Kept, Pass, check_like, check_parameters, check_pass, first_rows
from nets.workspace import Workspace, allocate, empty

__all__ = ["Network", "Sequential", "first_rows"]


class Network:
    """A layer together with the layout of its parameters: what the users of a network call.

    Parameters
    ----------
    body : Layer
        Usually a :class:`~nets.layers.sequential.Sequential`.

    Notes
    -----
    Every pass looks at all that it is given before it computes: parameters, a gradient or a tangent laid out otherwise,
    a cache of another network, or an array of another shape are a ValueError, and arrays of another library or dtype,
    or what is none of these things, a TypeError.
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

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, Pass]:
        """``(y, cache)`` for a batch ``x``, which is left as it is.

        The cache refers to x and y: neither may change before the last backward pass through it. With a workspace,
        y and the cache are valid until the next forward pass with it.

        Raises
        ------
        TypeError
            If x is of another library or dtype than the parameters.
        ValueError
            If x has a shape that the first layer does not take, or the parameters are those of another network.
        """
        check_parameters("params", params, self.layout)
        check_like("x", x, params.vector)
        y, layers = self.body.forward(params, x, workspace)
        return y, Pass(self.body, x.shape, y.shape, y.dtype, layers)

    def backward(
        self,
        params: Parameters,
        cache: Pass,
        dy: Array,
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
        workspace: Workspace | None = None,
        into: Parameters | None = None,
    ) -> tuple[Array, Any]:
        """Pull ``dy = dL/dy`` back to ``(dL/dx, dL/dparams)``; what is not needed is None and costs nothing.

        The cache stays as it is, so that several ``dy`` can be pulled back through one forward pass. With a
        workspace, the results are valid until the next backward pass with it. dL/dparams is written to ``into`` where
        that is given.

        Raises
        ------
        TypeError
            If dy is of another library or dtype than the y that the cache belongs to.
        ValueError
            If dy has another shape than that y.
        """
        self._check(params, cache, dy=dy)
        if into is not None:
            check_parameters("into", into, self.layout, cache.dtype)
        gradient = None
        if need_dparams:
            gradient = self._gradient(params, workspace) if into is None else into
        owned = self._owned(dy, workspace)
        dx = self.body.backward(params, cache.layers, owned, into=gradient, need_dx=need_dx, workspace=workspace)
        return dx, gradient

    def backward_apart(
        self,
        params: Parameters,
        cache: Pass,
        dy_of_x: Array,
        dy_of_params: Array,
        *,
        workspace: Workspace | None = None,
        into: Parameters | None = None,
    ) -> tuple[Array, Parameters]:
        """Pull one gradient by y back to the first rows of x, and another, of all rows, to the parameters.

        The same as two calls of :meth:`backward`, for a network that treats each sample by itself; a chain of affine
        maps with one output a sample takes one pass for both.

        Parameters
        ----------
        params, cache
            Those of the forward pass.
        dy_of_x : array, of the shape of the first rows of y
            Pulled back to these rows of x.
        dy_of_params : array, of the shape of y
            Pulled back to the parameters.
        workspace, into
            As for :meth:`backward`.

        Returns
        -------
        dx : array, of the shape of these rows of x
            dL/dx for ``dy_of_x``.
        dparams : Parameters
            dL/dparams for ``dy_of_params``.

        Raises
        ------
        TypeError, ValueError
            As :meth:`backward`, for either.
        """
        self._check(params, cache, dy_of_params=dy_of_params)
        check_like("dy_of_x", dy_of_x, params.vector)
        first = cache.first_rows(len(dy_of_x))
        check_like("dy_of_x", dy_of_x, params.vector, first.y_shape, "the first rows of y")
        if isinstance(self.body, Composed):
            if into is not None:
                check_parameters("into", into, self.layout, cache.dtype)
            gradient = self._gradient(params, workspace) if into is None else into
            dx = self.body.backward_apart(
                params, cache.layers, dy_of_x, dy_of_params, into=gradient, workspace=workspace
            )
            if dx is not None:
                return dx, gradient
        _, gradient = self.backward(params, cache, dy_of_params, need_dx=False, workspace=workspace, into=into)
        return self.backward(params, first, dy_of_x, need_dparams=False, workspace=workspace)[0], gradient

    def jvp(self, params: Parameters, cache: Pass, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """Directional derivative of y along ``x_dot``, of the shape of x, and, where given, ``params_dot``.

        Raises
        ------
        TypeError
            If a tangent is of another library or dtype than x.
        ValueError
            If ``x_dot`` has another shape than x, or ``params_dot`` is laid out otherwise than the parameters.
        """
        self._check(params, cache, x_dot=x_dot)
        if params_dot is not None:
            check_parameters("params_dot", params_dot, self.layout, cache.dtype)
        return self.body.jvp(params, cache.layers, x_dot, params_dot)

    def jvp_backward(
        self, params: Parameters, cache: Pass, x_dot: Array, dy_dot: Array
    ) -> tuple[Array | None, Array, Parameters]:
        r"""Gradients of :math:`\langle\dot{dy}, J(x, \theta)\,\dot x\rangle`: they make a gradient's gradient exact.

        Parameters
        ----------
        params, cache
            Those of the forward pass.
        x_dot, dy_dot : array
            Of the shapes of x and y.

        Returns
        -------
        dx : array or None
            By x; None where the Jacobian does not depend on it.
        dx_dot : array
            By x_dot, :math:`J^T\,\dot{dy}`.
        dparams : Parameters
            By the parameters.
        """
        self._check(params, cache, x_dot=x_dot, dy_dot=dy_dot)
        gradient = self._gradient(params, None)
        return *self.body.jvp_backward(params, cache.layers, x_dot, dy_dot, into=gradient), gradient

    def backward_keeping(
        self, params: Parameters, cache: Pass, dy: Array, *, workspace: Workspace | None = None
    ) -> tuple[Array, Kept]:
        """``dx`` of :meth:`backward`, and the gradients by the layers' results, which :meth:`backward_twice` needs.

        With a workspace, they are valid until the next such pass with it.
        """
        self._check(params, cache, dy=dy)
        dx, kept = backward_keeping(self.body, params, cache.layers, self._owned(dy, workspace), workspace)
        return dx, Kept(cache, kept)

    def backward_twice(
        self, params: Parameters, cache: Pass, kept: Kept, x_dot: Array, *, workspace: Workspace | None = None
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
        self._check(params, cache, x_dot=x_dot)
        if not isinstance(kept, Kept) or kept.cache is not cache:
            raise ValueError("kept: expected what backward_keeping gave for this cache, got something else")
        gradient = self._gradient(params, workspace, "second gradient")
        _, sources = second_order(self.body, params, cache.layers, x_dot, kept.layers, gradient, workspace)
        backward_from(self.body, params, cache.layers, None, sources, gradient, False, workspace)
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

    def _check(self, params: Parameters, cache: Pass, **arrays: Array) -> None:
        """Raise unless a forward pass, its parameters and arrays like its x or its y belong together."""
        check_pass(cache, self.body)
        check_parameters("params", params, self.layout, cache.dtype)
        for name, array in arrays.items():
            of, shape = ("x", cache.x_shape) if name == "x_dot" else ("y", cache.y_shape)
            check_like(name, array, params.vector, shape, of)

    def _owned(self, dy: Array, workspace: Workspace | None) -> Array:
        """A copy of dy, whose memory layers may reuse."""
        owned = allocate(workspace, self, "dy", dy.shape, dy)
        owned[...] = dy
        return owned
