"""Smaller images by means over blocks of pixels."""

from __future__ import annotations

from coulombfield.arrays import Array
from nets.arguments import count_of
from nets.layers.base import Parameterless
from nets.parameters import Parameters
from nets.primitives.blocks import gather, spread
from nets.workspace import Workspace, allocate, gradient_memory


class AveragePool(Parameterless):
    r"""Mean over each block of ``size`` by ``size`` pixels.

    .. math:: y_{n i j c} = s^{-2} \sum_{a,b<s} x_{n,\,s i + a,\,s j + b,\,c}, \qquad
              dx_{n,\,s i + a,\,s j + b,\,c} = s^{-2}\,dy_{n i j c}

    Parameters
    ----------
    size : int
        s, at least 1; it divides the height and the width of x.
    """

    keeps_result = False

    def __init__(self, size: int = 2):
        self.size = count_of("size", size)
        self._share = 1 / self.size**2

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(H / s, W / s, C), for (H, W, C)."""
        if len(shape) != 3 or shape[0] % self.size or shape[1] % self.size:
            raise ValueError(
                f"shape: AveragePool({self.size}) expects (H, W, C) with H and W multiples of {self.size}, got {shape}"
            )
        height, width, channels = shape
        return height // self.size, width // self.size, channels

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, tuple]:
        """``y`` of shape (N, H / s, W / s, C)."""
        y = allocate(workspace, self, "y", (*x.shape[:1], *self.output_shape(x.shape[1:])), x)
        return gather(x, self.size, self._share, y), ()

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
        """``dx``: an equal share to each pixel of a block."""
        if not need_dx:
            return None
        return spread(dy, self.size, self._share, gradient_memory(workspace, self._input_shape(dy), dy))

    def jvp(self, params: Parameters, cache: tuple, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """The same map."""
        return self.forward(params, x_dot)[0]

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
        """``y_dot`` as y of x; the Jacobian is constant."""
        y_dot = gradient_memory(workspace, (*x_dot.shape[:1], *self.output_shape(x_dot.shape[1:])), x_dot)
        return gather(x_dot, self.size, self._share, y_dot), None

    def _input_shape(self, dy: Array) -> tuple[int, ...]:
        if dy.ndim != 4:
            raise ValueError(f"dy: AveragePool({self.size}) expects (N, H, W, C), got {dy.shape}")
        count, height, width, channels = dy.shape
        return count, self.size * height, self.size * width, channels
