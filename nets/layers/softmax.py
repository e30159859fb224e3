"""Probabilities over the last axis: the output of networks that write text."""

from __future__ import annotations

from typing import NamedTuple

from coulombfield.arrays import Array, module_of
from nets.layers.activations import check_gradient
from nets.layers.base import Parameterless
from nets.parameters import Parameters
from nets.workspace import Workspace, allocate


class SoftmaxCache(NamedTuple):
    """The output: all derivatives are functions of it."""

    y: Array


class Softmax(Parameterless):
    r"""Softmax over the last axis, :math:`y_c = e^{x_c} / \sum_k e^{x_k}`.

    Notes
    -----
    The Jacobian of each row, :math:`J = \mathrm{diag}(y) - y y^T`, is its own transpose, so that backward and jvp are
    the same map of dy and of x_dot,

    .. math:: J v = y \odot (v - \langle y, v\rangle).
    """

    needs_dy = True

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same shape."""
        if not shape:
            raise ValueError("shape: Softmax() expects (..., C), got ()")
        return shape

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, SoftmaxCache]:
        """``y``, with the largest x of each row subtracted first, so that nothing overflows."""
        self.output_shape(x.shape[1:])
        xp = module_of(x)
        y = allocate(workspace, self, "y", x.shape, x)
        xp.subtract(x, x.max(axis=-1, keepdims=True), out=y)
        xp.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        return y, SoftmaxCache(y)

    def backward(
        self,
        params: Parameters,
        cache: SoftmaxCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """``dx = J dy``."""
        if not need_dx:
            return None
        check_gradient(self, dy, cache.y)
        return _times_jacobian(dy, cache.y)

    def jvp(self, params: Parameters, cache: SoftmaxCache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """``y_dot = J x_dot``."""
        return _times_jacobian(x_dot.copy(), cache.y)

    def second_order(
        self,
        params: Parameters,
        cache: SoftmaxCache,
        x_dot: Array,
        dy: Array,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Array]:
        r"""Derivatives of :math:`\langle w, J v\rangle`, where w is dy and v is x_dot.

        .. math:: \langle w, J v\rangle = \sum_c w_c y_c v_c - \langle w, y\rangle\,\langle y, v\rangle

        It is symmetric in w and v, and by y its gradient is

        .. math:: w \odot v - w\,\langle y, v\rangle - v\,\langle w, y\rangle,

        to which J is applied once more for that by x.
        """
        y = cache.y
        of_y = dy * x_dot
        of_y -= dy * (y * x_dot).sum(axis=-1, keepdims=True)
        of_y -= x_dot * (y * dy).sum(axis=-1, keepdims=True)
        return _times_jacobian(x_dot, y), _times_jacobian(of_y, y)


def _times_jacobian(v: Array, y: Array) -> Array:
    """``y (v - <y, v>)``, row by row, in the memory of v."""
    v -= (y * v).sum(axis=-1, keepdims=True)
    v *= y
    return v
