"""Elementwise activations, by themselves or fused with the bias of the layer before."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np

from coulombfield.arrays import Array
from nets.parameters import Parameters
from nets.primitives import activations as primitives
from nets.workspace import Workspace, allocate


class ActivationCache(NamedTuple):
    """The output: every derivative here is a function of it."""

    y: Array


class Activation:
    """Base of the activations: f acts on each element, and f' is computed from y = f(u).

    Subclasses define :meth:`apply` and :meth:`scale_by_slope` on rows (N, C), in place.
    """

    gain: float = 1.0
    """Factor on the standard deviation of the weights before it, chosen to keep the signal's size."""

    def apply(self, h: Array, bias: Array) -> Array:
        """``f(h + bias)`` for h of shape (N, C) and a bias of shape (C,), in the memory of h."""
        raise NotImplementedError

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """``f'(u) dy`` where y = f(u), in the memory of dy; both have shape (N, C)."""
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """An activation has no parameters."""
        return {}

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """An activation has no parameters."""
        return {}

    def forward(
        self, params: Parameters, x: Array, workspace: Workspace | None = None
    ) -> tuple[Array, ActivationCache]:
        """``y = f(x)``, of any shape with channels last."""
        y = allocate(workspace, self, "y", x.shape, x)
        y[...] = x
        channels = x.shape[-1]
        no_bias = allocate(workspace, self, "no bias", (channels,), x)
        no_bias[...] = 0
        y = self.apply(y.reshape(-1, channels), no_bias).reshape(x.shape)
        return y, ActivationCache(y)

    def backward(
        self,
        params: Parameters,
        cache: ActivationCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        r""":math:`dx = f'(x)\,dy`, elementwise."""
        if not need_dx:
            return None
        check_gradient(self, dy, cache.y)
        channels = dy.shape[-1]
        return self.scale_by_slope(dy.reshape(-1, channels), cache.y.reshape(-1, channels)).reshape(dy.shape)

    def jvp(
        self, params: Parameters, cache: ActivationCache, x_dot: Array, params_dot: Parameters | None = None
    ) -> Array:
        r""":math:`\dot y = f'(x)\,\dot x`: the Jacobian is diagonal, hence its own transpose."""
        dx = self.backward(params, cache, x_dot.copy())
        assert dx is not None
        return dx


def check_gradient(layer: object, dy: Array, y: Array) -> None:
    """Raise ValueError if ``dy`` does not have the shape and the dtype of the output ``y`` that it belongs to."""
    if dy.shape != y.shape or dy.dtype != y.dtype:
        raise ValueError(
            f"dy: {type(layer).__name__} expects {y.shape} {y.dtype} like its output, got {dy.shape} {dy.dtype}"
        )


class Identity(Activation):
    """``f(u) = u``."""

    def apply(self, h: Array, bias: Array) -> Array:
        """See the base class."""
        return primitives.bias_identity(h, bias)

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """See the base class."""
        return dy


class LeakyReLU(Activation):
    """``f(u) = u`` for positive u and ``slope u`` elsewhere; the authors' discriminators use slope 0.2.

    Parameters
    ----------
    slope : float
        Slope for negative u, in [0, 1).
    """

    def __init__(self, slope: float = 0.2):
        if not 0 <= slope < 1:
            raise ValueError(f"slope: expected a number in [0, 1), got {slope}")
        self.slope = float(slope)
        self.gain = math.sqrt(2 / (1 + self.slope**2))  # E[f(gain z)**2] = 1 for z from N(0, 1)

    def apply(self, h: Array, bias: Array) -> Array:
        """See the base class."""
        return primitives.bias_leaky_relu(h, bias, self.slope)

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """See the base class; the sign of y is that of u, and the slope at 0 is taken as that of negative u."""
        return primitives.leaky_relu_gradient(dy, y, self.slope)


class ReLU(LeakyReLU):
    """``f(u) = max(u, 0)``."""

    def __init__(self) -> None:
        super().__init__(slope=0.0)


class ELU(Activation):
    """``f(u) = u`` for positive u and ``exp(u) - 1`` elsewhere (Clevert et al. 2016, alpha = 1)."""

    gain = 1.25  # E[f(gain z)**2] = 0.96 for z from N(0, 1)

    def apply(self, h: Array, bias: Array) -> Array:
        """See the base class."""
        return primitives.bias_elu(h, bias)

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """See the base class."""
        return primitives.elu_gradient(dy, y)


class Tanh(Activation):
    """``f(u) = tanh(u)``."""

    amplitude: ClassVar[float] = 1.0
    rate: ClassVar[float] = 1.0

    def apply(self, h: Array, bias: Array) -> Array:
        """See the base class."""
        return primitives.bias_tanh(h, bias, self.amplitude, self.rate)

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """See the base class."""
        return primitives.tanh_gradient(dy, y, self.amplitude, self.rate)


class ScaledTanh(Tanh):
    """``f(u) = 1.7159 tanh(2 u / 3)``, the output of the authors' generators: f(1) is 1 within 3e-6."""

    amplitude = 1.7159
    rate = 2 / 3
