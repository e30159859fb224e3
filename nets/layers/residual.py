"""The sum of two branches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import Array
from nets.layers.base import Cache, Layer
from nets.layers.composition import refuse_repeated
from nets.parameters import Parameters
from nets.primitives.inplace import module_of
from nets.workspace import Workspace, allocate


class ResidualCache(NamedTuple):
    """The caches of the branches; () for an identity."""

    body: Cache
    shortcut: Cache


class Residual:
    r"""Residual block, :math:`y = s(x) + c\,b(x)` (He et al. 2016).

    Parameters
    ----------
    body : Layer
        b, the branch that is learned.
    shortcut : Layer, optional
        s, by default the identity: then b keeps the shape of x.
    factor : float
        c, neither 0 nor infinite.

    Notes
    -----
    Both branches see x, so that gradients by x add up: :math:`dx = J_s^T dy + c\,J_b^T dy`.
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None, factor: float = 1.0):
        self.body, self.shortcut, self.factor = body, shortcut, float(factor)
        if self.factor == 0 or not math.isfinite(self.factor):
            raise ValueError(f"factor: expected a finite number other than 0, got {factor}")
        refuse_repeated(self)

    def children(self) -> Sequence[Layer]:
        """The branches that are layers."""
        return (self.body,) if self.shortcut is None else (self.body, self.shortcut)

    def with_children(self, children: Sequence[Layer]) -> Residual:
        """Make the sum of other branches, with the same factor."""
        return Residual(children[0], children[1] if len(children) > 1 else None, self.factor)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The branches' parameters, as ``body.name`` and ``shortcut.name``."""
        return {
            f"{branch}.{name}": shape for branch, layer in self._branches() for name, shape in layer.shapes().items()
        }

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """The branches' initial values, those of the body drawn first."""
        return {
            f"{branch}.{name}": v for branch, layer in self._branches() for name, v in layer.initialize(rng).items()
        }

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """That of either branch."""
        of_body = self.body.output_shape(shape)
        of_shortcut = shape if self.shortcut is None else self.shortcut.output_shape(shape)
        if of_body != of_shortcut:
            raise ValueError(
                f"shape: Residual expects branches of one shape, got {of_body} from its body and {of_shortcut} "
                f"from its shortcut for {shape}"
            )
        return of_body

    def operations(self, shape: tuple[int, ...]) -> int:
        """Those of both branches."""
        return sum(layer.operations(shape) for layer in self.children())

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, ResidualCache]:
        """``y = s(x) + c b(x)``."""
        of_body, body = self.body.forward(params.child("body"), x, workspace)
        of_shortcut, shortcut = x, ()
        if self.shortcut is not None:
            of_shortcut, shortcut = self.shortcut.forward(params.child("shortcut"), x, workspace)
        if of_body.shape != of_shortcut.shape:  # which might broadcast
            raise ValueError(
                f"x: Residual expects branches of one shape, got {of_body.shape} from its body and {of_shortcut.shape} "
                f"from its shortcut for {x.shape}"
            )
        y = allocate(workspace, self, "y", of_body.shape, x)  # the branches' outputs stay, for their backward passes
        module_of(x).multiply(of_body, self.factor, out=y)
        y += of_shortcut
        return y, ResidualCache(body, shortcut)

    def backward(
        self,
        params: Parameters,
        cache: ResidualCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """``dx`` as the sum over the branches; each writes the gradient by its own parameters."""
        # What one branch is given and gives back, the layers of the other may overwrite.
        of_shortcut = allocate(workspace, self, "dy of the shortcut", dy.shape, dy)
        of_shortcut[...] = dy
        dy *= self.factor
        dx = self.body.backward(
            params.child("body"),
            cache.body,
            dy,
            into=_child(into, "body"),
            need_dx=need_dx,
            workspace=workspace,
        )
        if self.shortcut is None:
            if dx is not None:
                dx += of_shortcut
            return dx
        if dx is not None:
            of_body, dx = dx, allocate(workspace, self, "dx", dx.shape, dx)
            dx[...] = of_body
        through = self.shortcut.backward(
            params.child("shortcut"),
            cache.shortcut,
            of_shortcut,
            into=_child(into, "shortcut"),
            need_dx=need_dx,
            workspace=workspace,
        )
        if dx is not None:
            dx += through
        return dx

    def jvp(
        self, params: Parameters, cache: ResidualCache, x_dot: Array, params_dot: Parameters | None = None
    ) -> Array:
        r""":math:`\dot y = \dot s + c\,\dot b`."""
        y_dot = self.factor * self.body.jvp(params.child("body"), cache.body, x_dot, _child(params_dot, "body"))
        if self.shortcut is None:
            return y_dot + x_dot
        return y_dot + self.shortcut.jvp(
            params.child("shortcut"), cache.shortcut, x_dot, _child(params_dot, "shortcut")
        )

    def jvp_backward(
        self, params: Parameters, cache: ResidualCache, x_dot: Array, dy_dot: Array, *, into: Parameters | None = None
    ) -> tuple[Array | None, Array]:
        """The sums over the branches: the tangent of y is that of the shortcut and c times that of the body."""
        dx, dx_dot = self.body.jvp_backward(
            params.child("body"), cache.body, x_dot, self.factor * dy_dot, into=_child(into, "body")
        )
        if self.shortcut is None:
            return dx, dx_dot + dy_dot
        dx_other, dx_dot_other = self.shortcut.jvp_backward(
            params.child("shortcut"), cache.shortcut, x_dot, dy_dot, into=_child(into, "shortcut")
        )
        parts = [part for part in (dx, dx_other) if part is not None]
        return (sum(parts[1:], parts[0]) if parts else None), dx_dot + dx_dot_other

    def _branches(self) -> Sequence[tuple[str, Layer]]:
        return tuple(zip(("body", "shortcut"), self.children(), strict=False))


def _child(params: Parameters | None, branch: str) -> Parameters | None:
    return None if params is None else params.child(branch)
