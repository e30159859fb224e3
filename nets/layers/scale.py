"""Multiplication by a constant: the units of a network's input or output."""

from __future__ import annotations

from coulombfield.arrays import Array, module_of
from nets.arguments import number_of
from nets.layers.base import Parameterless
from nets.parameters import Parameters
from nets.workspace import Workspace, allocate


class Scale(Parameterless):
    """``y = factor x``, with no parameters.

    Parameters
    ----------
    factor : float
        The constant, neither 0 nor infinite.
    """

    def __init__(self, factor: float):
        self.factor = number_of("factor", factor)
        if self.factor == 0:
            raise ValueError(f"factor: expected a finite number other than 0, got {factor}")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same shape."""
        return shape

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, tuple]:
        """``y = factor x``."""
        y = allocate(workspace, self, "y", x.shape, x)
        return module_of(x).multiply(x, self.factor, out=y), ()

    def backward(
        self,
        params: Parameters,
        cache: tuple,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """``dx = factor dy``."""
        if not need_dx:
            return None
        dy *= self.factor
        return dy

    def jvp(self, params: Parameters, cache: tuple, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """``y_dot = factor x_dot``."""
        return x_dot * self.factor

    def second_order(
        self,
        params: Parameters,
        cache: tuple,
        x_dot: Array,
        dy: Array | None,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, None]:
        """``y_dot = factor x_dot``; the Jacobian is constant."""
        x_dot *= self.factor
        return x_dot, None
