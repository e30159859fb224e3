"""What every layer offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from coulombfield.arrays import Array
from nets.parameters import Parameters
from nets.workspace import Workspace

Cache = Any
"""What a forward pass leaves for its backward pass: a tuple of arrays whose first axis is the batch.

A cache that holds something else is a named tuple with a method ``first_rows(count)`` of its own.
"""


class Layer(Protocol):
    """One differentiable map from a batch ``x`` to a batch ``y``.

    A layer holds its shape and settings, never its parameters: those come with each call. Layers are compared
    by identity, since each owns its memory in a workspace.
    """

    def named_children(self) -> Sequence[tuple[str, Layer]]:
        """The layers that this one is made of, none of most, each under the prefix of its parameters' names.

        Prefixes are without a dot, and in the order of the parameters. What is made of layers is a
        :class:`~nets.layers.composition.Composed`.
        """

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter, by name."""

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial value of each parameter, float64 on the host."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one sample of ``y``, for that of one sample of ``x``; both without the axis of the batch.

        Raises
        ------
        ValueError
            If the layer does not take samples of this shape; the message names the layer and both shapes.
        """

    def operations(self, shape: tuple[int, ...]) -> int:
        """Floating-point operations of the forward pass for one sample of this shape: two for each multiply-add.

        Only what grows faster than the numbers that pass counts: products, not activations, norms or copies.
        """

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, Cache]:
        """``y`` and what ``backward`` needs; ``x`` is left as it is."""

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
        """Pull ``dy = dL/dy`` back: return dL/dx if asked for, write dL/dparams ``into`` a gradient if given.

        The memory of ``dy`` may be reused.
        """

    def jvp(self, params: Parameters, cache: Cache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """Directional derivative of ``y`` along ``x_dot`` and, where given, ``params_dot``."""

    def jvp_backward(
        self, params: Parameters, cache: Cache, x_dot: Array, dy_dot: Array, *, into: Parameters | None = None
    ) -> tuple[Array | None, Array]:
        r"""Pull ``dy_dot``, the gradient of L by :math:`\dot y = J(x, \theta)\,\dot x`, back through ``jvp``.

        Returns
        -------
        dx : array or None
            dL/dx by way of the Jacobian's dependence on x; None where it has none: where y is linear in x, or
            piecewise.
        dx_dot : array
            dL/dx_dot, which is :math:`J^T \dot{dy}`: the backward pass of ``dy_dot``.

        ``into`` receives dL/dparams by way of the Jacobian. No argument changes.
        """


class SecondOrder:
    r"""Base of the layers: derivatives of :math:`\langle dy, J(x, \theta)\,\dot x\rangle` but that by x_dot.

    That number is also :math:`\langle J^T dy, \dot x\rangle`, so that they are what a function of the result of a
    backward pass of dy pulls back through that pass. Subclasses define :meth:`second_order`.
    """

    needs_dy: ClassVar[bool] = True
    """Whether :meth:`second_order` looks at dy; else it may be None."""
    keeps_result: Any = True
    """Whether a pass after the forward pass looks at y, or y may be x; if not, who is given y may overwrite it."""

    def named_children(self) -> Sequence[tuple[str, Layer]]:
        """No layers."""
        return ()

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
        r"""Derivatives by dy, by x and, written ``into`` a gradient, by the parameters.

        Returns
        -------
        y_dot : array
            By dy, :math:`J \dot x`.
        dx : array or None
            By x, by way of the Jacobian; None where that does not depend on it: where y is linear in x, or piecewise.

        The memory of ``x_dot`` and ``dy`` may be reused. With a workspace, y_dot is valid until another layer computes.
        """
        raise NotImplementedError

    def jvp_backward(
        self: Any, params: Parameters, cache: Cache, x_dot: Array, dy_dot: Array, *, into: Parameters | None = None
    ) -> tuple[Array | None, Array]:
        """See :class:`Layer`: dx_dot is the backward pass of dy_dot, all else is of second order."""
        dx_dot = self.backward(params, cache, dy_dot.copy())
        _, dx = self.second_order(params, cache, x_dot.copy(), dy_dot.copy(), into=into)
        return dx, dx_dot


class Parameterless(SecondOrder):
    """Base of the layers that have no parameters and multiply no matrices."""

    needs_dy = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """No parameters."""
        return {}

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """No parameters."""
        return {}

    def operations(self, shape: tuple[int, ...]) -> int:
        """No products of matrices."""
        return 0
