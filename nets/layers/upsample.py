"""Larger images by repetition of pixels."""

from __future__ import annotations

from coulombfield.arrays import Array
from nets.arguments import count_of
from nets.layers.base import Parameterless
from nets.parameters import Parameters
from nets.primitives.blocks import gather, spread
from nets.workspace import Workspace, allocate, gradient_memory


class Upsample(Parameterless):
    r"""Nearest neighbours: each pixel becomes a block of ``factor`` by ``factor`` pixels.

    .. math:: y_{n,\,f i + a,\,f j + b,\,c} = x_{n i j c}, \qquad
              dx_{n i j c} = \sum_{a,b<f} dy_{n,\,f i + a,\,f j + b,\,c}

    Parameters
    ----------
    factor : int
        f, at least 1.
    """

    keeps_result = False

    def __init__(self, factor: int = 2):
        self.factor = count_of("factor", factor)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(f H, f W, C), for (H, W, C)."""
        if len(shape) != 3:
            raise ValueError(f"shape: Upsample({self.factor}) expects (H, W, C), got {shape}")
        height, width, channels = shape
        return self.factor * height, self.factor * width, channels

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, tuple]:
        """``y`` of shape (N, f H, f W, C)."""
        y = allocate(workspace, self, "y", (*x.shape[:1], *self.output_shape(x.shape[1:])), x)
        return spread(x, self.factor, 1.0, y), ()

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
        """``dx``: the sum over each block."""
        if not need_dx:
            return None
        dx = gradient_memory(workspace, self._input_shape(dy), dy)
        return gather(dy, self.factor, 1.0, dx)

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
        return spread(x_dot, self.factor, 1.0, y_dot), None

    def _input_shape(self, dy: Array) -> tuple[int, ...]:
        if dy.ndim != 4 or dy.shape[1] % self.factor or dy.shape[2] % self.factor:
            raise ValueError(
                f"dy: Upsample({self.factor}) expects (N, {self.factor} H, {self.factor} W, C), got {dy.shape}"
            )
        count, height, width, channels = dy.shape
        return count, height // self.factor, width // self.factor, channels
