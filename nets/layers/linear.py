"""The affine layer, with its activation fused into the pass that adds the bias."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array, module_of
from nets.arguments import counts_of
from nets.initializers import Initializer, glorot_uniform, zeros
from nets.layers.activations import Activation, Identity, check_gradient
from nets.layers.base import SecondOrder
from nets.parameters import Parameters
from nets.primitives.products import product
from nets.workspace import Workspace, allocate, empty


class LinearCache(NamedTuple):
    """Input, as the caller's array, and output of one forward pass."""

    x: Array
    y: Array


class Linear(SecondOrder):
    r"""Affine map and activation, :math:`y = f(x W + b)`.

    Parameters
    ----------
    fan_in, fan_out : int
        Widths of x and y.
    activation : Activation, optional
        f; by default the identity.
    weight, bias : Initializer, optional
        How W, of shape (fan_in, fan_out), and b, of shape (fan_out,), start: by default Glorot uniform and 0. None for
        the bias means that there is none.

    Notes
    -----
    With :math:`u = x W + b` and :math:`du = f'(u)\,dy`, the chain rule on
    :math:`u_{nj} = \sum_i x_{ni} W_{ij} + b_j` gives

    .. math:: dx = du\,W^T, \qquad dW = x^T du, \qquad db_j = \sum_n du_{nj}.
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        activation: Activation | None = None,
        *,
        weight: Initializer = glorot_uniform,
        bias: Initializer | None = zeros,
    ):
        self.fan_in, self.fan_out = counts_of(fan_in=fan_in, fan_out=fan_out)
        self.activation = activation or Identity()
        self._weight, self._bias = weight, bias

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (fan_in, fan_out), and ``bias`` (fan_out,) unless there is none."""
        weight: dict[str, tuple[int, ...]] = {"weight": (self.fan_in, self.fan_out)}
        return weight if self._bias is None else {**weight, "bias": (self.fan_out,)}

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial weight, and bias unless there is none."""
        fans = (self.fan_in, self.fan_out)
        weight = self._weight(rng, fans, fans)
        return {"weight": weight} | ({} if self._bias is None else {"bias": self._bias(rng, fans, (self.fan_out,))})

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(fan_out,), for (fan_in,)."""
        if shape != (self.fan_in,):
            raise ValueError(f"shape: Linear({self.fan_in}, {self.fan_out}) expects ({self.fan_in},), got {shape}")
        return (self.fan_out,)

    def operations(self, shape: tuple[int, ...]) -> int:
        """Operations of the matrix product."""
        return 2 * self.fan_in * self.fan_out

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, LinearCache]:
        """``y = f(x W + b)`` for x of shape (N, fan_in)."""
        if x.ndim != 2 or x.shape[1] != self.fan_in:
            raise ValueError(f"x: Linear({self.fan_in}, {self.fan_out}) expects (N, {self.fan_in}), got {x.shape}")
        y = allocate(workspace, self, "y", (x.shape[0], self.fan_out), x)
        product(x, params["weight"], y)
        y = self.activation.apply(y, params.get("bias"))
        return y, LinearCache(x, y)

    def backward(
        self,
        params: Parameters,
        cache: LinearCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """``dx = du W^T``, ``dW = x^T du`` and ``db = sum_n du_n``, as derived above."""
        check_gradient(self, dy, cache.y)
        xp = module_of(dy)
        du = self.activation.scale_by_slope(dy, cache.y)
        if into is not None:
            product(cache.x.T, du, into["weight"])
            if "bias" in into:
                xp.sum(du, axis=0, out=into["bias"])
        if not need_dx:
            return None
        dx = allocate(workspace, self, "dx", cache.x.shape, dy)
        if self.fan_out == 1:  # an outer product: BLAS takes ten times longer over it than a broadcast
            return xp.multiply(du, params["weight"].T, out=dx)
        return product(du, params["weight"].T, dx)

    def jvp(self, params: Parameters, cache: LinearCache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        r""":math:`\dot y = f'(u)\,(\dot x W + x \dot W + \dot b)`."""
        u_dot = _product(x_dot, params["weight"])
        if params_dot is not None:
            u_dot += _product(cache.x, params_dot["weight"])
            if "bias" in params_dot:
                u_dot += params_dot["bias"]
        return self.activation.scale_by_slope(u_dot, cache.y)

    def second_order(
        self,
        params: Parameters,
        cache: LinearCache,
        x_dot: Array,
        dy: Array,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Array | None]:
        r"""Derivatives of :math:`\langle dy, f'(u)\,\dot u\rangle` with :math:`\dot u = \dot x W`.

        With :math:`d\dot u = f'(u)\,dy` and :math:`du = f''(u)\,\dot u\,dy`,

        .. math:: dx = du\,W^T, \quad dW = \dot x^T d\dot u + x^T du, \quad db_j = \sum_n du_{nj}.
        """
        weight = params["weight"]
        u_dot = product(x_dot, weight, allocate(workspace, self, "y_dot", cache.y.shape, x_dot))
        du = self.activation.through_curvature(u_dot, cache.y, dy)
        du_dot = self.activation.scale_by_slope(dy, cache.y)
        if into is not None:
            product(x_dot.T, du_dot, into["weight"])
            if du is not None:
                into["weight"][...] += _product(cache.x.T, du)
            if "bias" in into:
                into["bias"][...] = 0 if du is None else du.sum(axis=0)
        return self.activation.scale_by_slope(u_dot, cache.y), None if du is None else _product(du, weight.T)


def _product(a: Array, b: Array) -> Array:
    return product(a, b, empty((a.shape[0], b.shape[1]), a))
