"""What every layer offers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from coulombfield.arrays import Array
from nets.parameters import Parameters
from nets.workspace import Workspace

Cache = Any
"""What a forward pass leaves for its backward pass: a tuple of arrays whose first axis is the batch."""


class Layer(Protocol):
    """One differentiable map from a batch ``x`` to a batch ``y``.

    A layer holds its shape and settings, never its parameters: those come with each call. Layers are compared
    by identity, since each owns its memory in a workspace.
    """

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter, by name."""

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial value of each parameter, float64 on the host."""

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

    def jvp(self, params: Parameters, cache: Cache, x_dot: Array, params_dot: Parameters | None) -> Array:
        """Directional derivative of ``y`` along ``x_dot`` and, where given, ``params_dot``."""
