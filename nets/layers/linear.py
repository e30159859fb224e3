"""The affine layer, with its activation fused into the pass that adds the bias."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array
from nets.initializers import Initializer, glorot_uniform, zeros
from nets.layers.activations import Activation, Identity, check_gradient
from nets.parameters import Parameters
from nets.primitives.inplace import module_of
from nets.workspace import Workspace, allocate


class LinearCache(NamedTuple):
    """Input, as the caller's array, and output of one forward pass."""

    x: Array
    y: Array


class Linear:
    r"""Affine map and activation, :math:`y = f(x W + b)`.

    Parameters
    ----------
    fan_in, fan_out : int
        Widths of x and y.
    activation : Activation, optional
        f; by default the identity.
    weight, bias : Initializer, optional
        How W, of shape (fan_in, fan_out), and b, of shape (fan_out,), start: by default Glorot uniform and 0.

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
        bias: Initializer = zeros,
    ):
        for name, width in (("fan_in", fan_in), ("fan_out", fan_out)):
            if width < 1:
                raise ValueError(f"{name}: expected a positive width, got {width}")
        self.fan_in, self.fan_out = fan_in, fan_out
        self.activation = activation or Identity()
        self._weight, self._bias = weight, bias

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (fan_in, fan_out) and ``bias`` (fan_out,)."""
        return {"weight": (self.fan_in, self.fan_out), "bias": (self.fan_out,)}

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial weight and bias."""
        fans = (self.fan_in, self.fan_out)
        return {"weight": self._weight(rng, fans, fans), "bias": self._bias(rng, fans, (self.fan_out,))}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(fan_out,), for (fan_in,)."""
        if shape != (self.fan_in,):
            raise ValueError(f"shape: Linear({self.fan_in}, {self.fan_out}) expects ({self.fan_in},), got {shape}")
        return (self.fan_out,)

    def operations(self, shape: tuple[int, ...]) -> int:
        """Those of the matrix product."""
        return 2 * self.fan_in * self.fan_out

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, LinearCache]:
        """``y = f(x W + b)`` for x of shape (N, fan_in)."""
        if x.ndim != 2 or x.shape[1] != self.fan_in:
            raise ValueError(f"x: Linear({self.fan_in}, {self.fan_out}) expects (N, {self.fan_in}), got {x.shape}")
        y = allocate(workspace, self, "y", (x.shape[0], self.fan_out), x)
        module_of(x).matmul(x, params["weight"], out=y)
        y = self.activation.apply(y, params["bias"])
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
            xp.matmul(cache.x.T, du, out=into["weight"])
            xp.sum(du, axis=0, out=into["bias"])
        if not need_dx:
            return None
        dx = allocate(workspace, self, "dx", cache.x.shape, dy)
        if self.fan_out == 1:  # an outer product: BLAS takes ten times longer over it than a broadcast
            return xp.multiply(du, params["weight"].T, out=dx)
        return xp.matmul(du, params["weight"].T, out=dx)

    def jvp(self, params: Parameters, cache: LinearCache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        r""":math:`\dot y = f'(u)\,(\dot x W + x \dot W + \dot b)`."""
        u_dot = x_dot @ params["weight"]
        if params_dot is not None:
            u_dot += cache.x @ params_dot["weight"]
            u_dot += params_dot["bias"]
        return self.activation.scale_by_slope(u_dot, cache.y)

    def jvp_backward(
        self,
        params: Parameters,
        cache: LinearCache,
        x_dot: Array,
        dy_dot: Array,
        *,
        into: Parameters | None = None,
    ) -> tuple[Array | None, Array]:
        r"""Gradients of :math:`\langle\dot{dy}, f'(u)\,\dot u\rangle` with :math:`\dot u = \dot x W`.

        With du and :math:`d\dot u` as :meth:`~nets.layers.activations.Activation.tangent_backward` gives them,

        .. math:: dx = du\,W^T, \quad d\dot x = d\dot u\,W^T, \quad dW = \dot x^T d\dot u + x^T du, \quad
                  db_j = \sum_n du_{nj}.
        """
        check_gradient(self, dy_dot, cache.y)
        weight = params["weight"]
        du, du_dot = self.activation.tangent_backward(x_dot @ weight, cache.y, dy_dot)
        if into is not None:
            into["weight"][...] = x_dot.T @ du_dot
            into["bias"][...] = 0
            if du is not None:
                into["weight"][...] += cache.x.T @ du
                into["bias"][...] = du.sum(axis=0)
        return None if du is None else du @ weight.T, du_dot @ weight.T
