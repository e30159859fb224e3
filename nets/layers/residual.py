"""The sum of two branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from coulombfield.arrays import Array
from nets.arguments import number_of
from nets.layers.base import Cache, Layer
from nets.layers.composition import (
    Composed,
    backward_from,
    backward_keeping,
    refuse_repeated,
    second_order,
)
from nets.parameters import Parameters
from nets.primitives.elementwise import add, copy
from nets.workspace import Workspace, allocate, scratch


class ResidualCache(NamedTuple):
    """The caches of the branches, () for an identity; or what else there is of each."""

    body: Cache
    shortcut: Cache


class Residual(Composed):
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
        self.body, self.shortcut, self.factor = body, shortcut, number_of("factor", factor)
        if self.factor == 0:
            raise ValueError(f"factor: expected a finite number other than 0, got {factor}")
        refuse_repeated(self)
        self._keeps_branch = getattr(body, "keeps_result", True)
        # blocks that are not within each other may use the same memory
        self._height = 1 + super().height

    keeps_result = False

    @property
    def height(self) -> int:
        """See :class:`~nets.layers.composition.Composed`: this block among them."""
        return self._height

    def named_children(self) -> Sequence[tuple[str, Layer]]:
        """The branches that are layers, ``body`` and ``shortcut``."""
        body = ("body", self.body)
        return (body,) if self.shortcut is None else (body, ("shortcut", self.shortcut))

    def with_children(self, children: Sequence[Layer]) -> Residual:
        """Make the sum of other branches, with the same factor."""
        return Residual(children[0], children[1] if len(children) > 1 else None, self.factor)

    def caches(self, cache: ResidualCache) -> Sequence[Cache]:
        """Caches of the branches that are layers."""
        return cache[: len(self.named_children())]

    def given_shapes(self, shape: tuple[int, ...]) -> Sequence[tuple[int, ...]]:
        """Both branches see x."""
        return [shape for _ in self.named_children()]

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of either branch's result."""
        of_body = self.body.output_shape(shape)
        of_shortcut = shape if self.shortcut is None else self.shortcut.output_shape(shape)
        if of_body != of_shortcut:
            raise ValueError(
                f"shape: Residual expects branches of one shape, got {of_body} from its body and {of_shortcut} "
                f"from its shortcut for {shape}"
            )
        return of_body

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
        y = of_body
        if self._keeps_branch:  # for its backward pass
            y = allocate(workspace, self, "y", of_body.shape, x)
            copy(of_body, y)
        if self.factor != 1:
            y *= self.factor
        return add(of_shortcut, y), ResidualCache(body, shortcut)

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

        def back(branch: str, layer: Layer, dy: Array | None) -> Array | None:
            return layer.backward(
                params.child(branch),
                getattr(cache, branch),
                dy,
                into=_child(into, branch),
                need_dx=need_dx,
                workspace=workspace,
            )

        return self._through_branches(back, dy, workspace)

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

    def backward_keeping(
        self, params: Parameters, cache: ResidualCache, dy: Array, *, workspace: Workspace | None = None
    ) -> tuple[Array, ResidualCache]:
        """See :class:`~nets.layers.composition.Composed`."""
        kept: dict[str, Any] = {"shortcut": None}

        def back(branch: str, layer: Layer, dy: Array | None) -> Array | None:
            dx, kept[branch] = backward_keeping(layer, params.child(branch), getattr(cache, branch), dy, workspace)
            return dx

        return self._through_branches(back, dy, workspace), ResidualCache(**kept)

    def second_order(
        self,
        params: Parameters,
        cache: ResidualCache,
        x_dot: Array,
        dy: ResidualCache,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, ResidualCache]:
        """See :class:`~nets.layers.composition.Composed`: tangents add up as results do."""

        def forth(branch: str, layer: Layer, x_dot: Array) -> tuple[Array, Any]:
            return second_order(
                layer,
                params.child(branch),
                getattr(cache, branch),
                x_dot,
                getattr(dy, branch),
                _child(into, branch),
                workspace,
            )

        of_body = self._memory(workspace, "x_dot of the body", x_dot)
        copy(x_dot, of_body)
        through, sources = x_dot, None
        if self.shortcut is None:
            of_body, through = x_dot, of_body
        else:
            of_shortcut, sources = forth("shortcut", self.shortcut, x_dot)
            through = self._memory(workspace, "y_dot of the shortcut", of_shortcut)
            copy(of_shortcut, through)
        y_dot, of_x = forth("body", self.body, of_body)
        if self.factor != 1:
            y_dot *= self.factor
        return add(through, y_dot), ResidualCache(of_x, sources)

    def backward_from(
        self,
        params: Parameters,
        cache: ResidualCache,
        dy: Array | None,
        sources: ResidualCache,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """See :class:`~nets.layers.composition.Composed`."""

        def back(branch: str, layer: Layer, dy: Array | None) -> Array | None:
            return backward_from(
                layer,
                params.child(branch),
                getattr(cache, branch),
                dy,
                getattr(sources, branch),
                _child(into, branch),
                need_dx,
                workspace,
            )

        return self._through_branches(back, dy, workspace)

    def _through_branches(
        self,
        back: Callable[[str, Layer, Array | None], Array | None],
        dy: Array | None,
        workspace: Workspace | None,
    ) -> Array | None:
        """Sum of what ``back`` makes of the gradients by the branches' results."""
        # What one branch is given and gives back, the layers of the other may overwrite.
        of_shortcut = None
        if dy is not None:
            of_shortcut = self._memory(workspace, "dy of the shortcut", dy)
            copy(dy, of_shortcut)
            if self.factor != 1:
                dy *= self.factor
        dx = back("body", self.body, dy)
        through = of_shortcut
        if self.shortcut is not None:
            if dx is not None:
                of_body, dx = dx, self._memory(workspace, "dx of the body", dx)
                copy(of_body, dx)
            through = back("shortcut", self.shortcut, of_shortcut)
            if dx is None:
                return through
        if dx is not None and through is not None:
            add(through, dx)
        return dx

    def _memory(self, workspace: Workspace | None, purpose: str, like: Array) -> Array:
        return scratch(workspace, f"{purpose}, at height {self._height}", like.shape, like)


def _child(params: Parameters | None, branch: str) -> Parameters | None:
    return None if params is None else params.child(branch)
