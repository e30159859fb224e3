"""Elementwise activations, by themselves or fused with the bias of the layer before."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

from coulombfield.arrays import Array, module_of
from nets.arguments import number_of
from nets.layers.base import Parameterless
from nets.parameters import Parameters
from nets.primitives import bias_activation as primitives
from nets.workspace import Workspace, allocate


class ActivationCache(NamedTuple):
    """The output: every derivative here is a function of it."""

    y: Array


class Activation(Parameterless):
    r"""Base of the activations: f acts on each element, and its derivatives are computed from y = f(u).

    Subclasses define :meth:`apply` and :meth:`scale_by_slope`, and curved ones :meth:`scale_by_curvature`, on arrays of
    any shape with channels last. A layer that ends in an activation calls :meth:`apply` with its bias in its forward
    pass, :meth:`scale_by_slope` in its backward pass and in jvp, and :meth:`through_curvature` in second_order.
    """

    gain: float = 1.0
    """Factor on the standard deviation of the weights before it, chosen to keep the signal's size."""

    curved: ClassVar[bool] = False
    """Whether f'' is other than 0 anywhere but at a kink."""

    def apply(self, h: Array, bias: Array | None = None) -> Array:
        """``f(h + bias)`` for a bias of shape (C,), or ``f(h)``, in the memory of h, which is contiguous."""
        raise NotImplementedError

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """``f'(u) dy`` where y = f(u), in the memory of dy where that is contiguous."""
        raise NotImplementedError

    def scale_by_curvature(self, dy: Array, y: Array) -> Array:
        """``f''(u) dy`` where y = f(u), in the memory of dy; only where f is curved."""
        raise NotImplementedError

    def through_curvature(self, u_dot: Array, y: Array, dy: Array) -> Array | None:
        r"""Gradient by u of :math:`\langle dy, f'(u)\,\dot u\rangle`, which is :math:`f''(u)\,\dot u\,dy`.

        Parameters
        ----------
        u_dot, y, dy : array, all of one shape
            Tangent of u, output f(u), and gradient; none of them changes.

        Returns
        -------
        array or None
            In memory of its own; None where f is not curved.
        """
        return self.scale_by_curvature(u_dot * dy, y) if self.curved else None

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same shape."""
        return shape

    def forward(
        self, params: Parameters, x: Array, workspace: Workspace | None = None
    ) -> tuple[Array, ActivationCache]:
        """``y = f(x)``, of any shape with channels last."""
        y = allocate(workspace, self, "y", x.shape, x)
        y[...] = x
        y = self.apply(y)
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
        return self.scale_by_slope(dy, cache.y)

    def jvp(
        self, params: Parameters, cache: ActivationCache, x_dot: Array, params_dot: Parameters | None = None
    ) -> Array:
        r""":math:`\dot y = f'(x)\,\dot x`: the Jacobian is diagonal, hence its own transpose."""
        return self.scale_by_slope(x_dot.copy(), cache.y)

    def second_order(
        self,
        params: Parameters,
        cache: ActivationCache,
        x_dot: Array,
        dy: Array | None,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Array | None]:
        """See :meth:`through_curvature`: here u is x."""
        dx = None if dy is None else self.through_curvature(x_dot, cache.y, dy)
        return self.scale_by_slope(x_dot, cache.y), dx


def check_gradient(layer: object, dy: Array, y: Array) -> None:
    """Raise ValueError if ``dy`` does not have the shape and the dtype of the output ``y`` that it belongs to."""
    if dy.shape != y.shape or dy.dtype != y.dtype:
        raise ValueError(
            f"dy: {type(layer).__name__} expects {y.shape} {y.dtype} like its output, got {dy.shape} {dy.dtype}"
        )


class Identity(Activation):
    """``f(u) = u``."""

    def apply(self, h: Array, bias: Array | None = None) -> Array:
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
        if not 0 <= number_of("slope", slope) < 1:
            raise ValueError(f"slope: expected a number in [0, 1), got {slope}")
        self.slope = float(slope)
        self.gain = math.sqrt(2 / (1 + self.slope**2))  # E[f(gain z)**2] = 1 for z from N(0, 1)

    def apply(self, h: Array, bias: Array | None = None) -> Array:
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

    curved = True
    needs_dy = True
    gain = 1.25  # E[f(gain z)**2] = 0.96 for z from N(0, 1)

    def apply(self, h: Array, bias: Array | None = None) -> Array:
        """See the base class."""
        return primitives.bias_elu(h, bias)

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """See the base class."""
        return primitives.elu_gradient(dy, y)

    def scale_by_curvature(self, dy: Array, y: Array) -> Array:
        """See the base class: exp(u) = y + 1 is its own derivative, and that of 1 is 0; at u = 0, 1 is taken."""
        xp = module_of(dy)
        return xp.multiply(dy, xp.where(y > 0, y.dtype.type(0), y + 1), out=dy)


class Tanh(Activation):
    """``f(u) = tanh(u)``."""

    curved = True
    needs_dy = True
    amplitude: ClassVar[float] = 1.0
    rate: ClassVar[float] = 1.0

    def apply(self, h: Array, bias: Array | None = None) -> Array:
        """See the base class."""
        return primitives.bias_tanh(h, bias, self.amplitude, self.rate)

    def scale_by_slope(self, dy: Array, y: Array) -> Array:
        """See the base class."""
        return primitives.tanh_gradient(dy, y, self.amplitude, self.rate)

    def scale_by_curvature(self, dy: Array, y: Array) -> Array:
        r"""See the base class: from :math:`f' = r (A - f^2/A)` follows :math:`f'' = -2 r f f' / A`."""
        dy *= y
        dy *= -2 * self.rate / self.amplitude
        return self.scale_by_slope(dy, y)


class ScaledTanh(Tanh):
    """``f(u) = 1.7159 tanh(2 u / 3)``, the output of the authors' generators: f(1) is 1 within 3e-6."""

    amplitude = 1.7159
    rate = 2 / 3
