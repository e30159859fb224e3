"""Batch-norm and layer-norm: over rows and images, in groups, with each kind of activation, and frozen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coulombfield.arrays import Array, module_of
from nets.layers.activations import ELU, Identity, LeakyReLU, ReLU, Tanh
from nets.layers.base import Cache, Layer
from nets.layers.batchnorm import BatchNorm
from nets.layers.layernorm import LayerNorm
from nets.layers.normalization import Normalization
from nets.layers.placenorm import PlaceNorm
from nets.parameters import Layout, Parameters
from nets.workspace import Workspace

from .samples import Sample

MEAN, VARIANCE = (0.5, -1.0, 0.25), (0.5, 2.0, 1.25)
"""Running statistics of the frozen layers."""


class Frozen:
    """A frozen batch-norm whose running statistics are no parameters, for a derivative takes them as constants."""

    def __init__(self, layer: BatchNorm):
        self.layer = layer.frozen()
        self._all = Layout(self.layer.shapes())
        self._own = Layout(self.shapes())

    def named_children(self) -> Sequence[tuple[str, Layer]]:
        """See the layer."""
        return self.layer.named_children()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of scale and shift."""
        return {name: shape for name, shape in self.layer.shapes().items() if not name.startswith("running")}

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial values of scale and shift."""
        return {name: value for name, value in self.layer.initialize(rng).items() if name in self._own.shapes}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """See the layer."""
        return self.layer.output_shape(shape)

    def operations(self, shape: tuple[int, ...]) -> int:
        """See the layer."""
        return self.layer.operations(shape)

    def forward(self, params: Parameters, x: Array, workspace: Workspace | None = None) -> tuple[Array, Cache]:
        """See the layer."""
        return self.layer.forward(self._with_statistics(params), x, workspace)

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
        """See the layer."""
        gradient = None if into is None else self._with_statistics(into)
        dx = self.layer.backward(
            self._with_statistics(params), cache, dy, into=gradient, need_dx=need_dx, workspace=workspace
        )
        self._hand_over(gradient, into)
        return dx

    def jvp(self, params: Parameters, cache: Cache, x_dot: Array, params_dot: Parameters | None = None) -> Array:
        """See the layer."""
        direction = None if params_dot is None else self._with_statistics(params_dot)
        return self.layer.jvp(self._with_statistics(params), cache, x_dot, direction)

    def jvp_backward(
        self, params: Parameters, cache: Cache, x_dot: Array, dy_dot: Array, *, into: Parameters | None = None
    ) -> tuple[Array | None, Array]:
        """See the layer."""
        gradient = None if into is None else self._with_statistics(into)
        results = self.layer.jvp_backward(self._with_statistics(params), cache, x_dot, dy_dot, into=gradient)
        self._hand_over(gradient, into)
        return results

    def _with_statistics(self, params: Parameters) -> Parameters:
        vector = module_of(params.vector).empty(self._all.size, params.vector.dtype)
        whole = Parameters(self._all, vector)
        for name, value in params.items():
            whole[name][...] = value
        for name, constant in (("running_mean", MEAN), ("running_variance", VARIANCE)):
            whole[name][...] = module_of(vector).asarray(constant, vector.dtype)
        return whole

    def _hand_over(self, gradient: Parameters | None, into: Parameters | None) -> None:
        if gradient is None or into is None:
            return
        if any(bool((value != 0).any()) for name, value in gradient.items() if name.startswith("running")):
            raise AssertionError("running statistics: expected no gradient, got one")
        for name in into:
            into[name][...] = gradient[name]


def _batch(activation: Callable[[], Any] = Identity, **settings: Any) -> BatchNorm:
    return BatchNorm(3, activation(), **settings)


def _frozen(activation: Callable[[], Any] = Identity) -> Frozen:
    return Frozen(BatchNorm(3, activation(), running=True))


def _layer(activation: Callable[[], Any] = Identity) -> LayerNorm:
    return LayerNorm(3, activation())


def _places(activation: Callable[[], Any] = Identity, **settings: Any) -> PlaceNorm:
    return PlaceNorm(2, 3, activation(), **settings)


ROWS, LINES, IMAGES = (6, 3), (3, 2, 3), (4, 2, 2, 3)
MAKERS = (
    ("BatchNorm", _batch, ROWS),
    ("LayerNorm", _layer, (2, 2, 3)),
    ("PlaceNorm", _places, LINES),
    ("frozen BatchNorm", _frozen, ROWS),
)

NORMALIZATIONS = (
    *(
        Sample(
            f"{name} {activation.__name__}",
            functools.partial(make, activation),
            shape,
            exact=exact,
            kinks=kinks,
            covers=(Normalization, BatchNorm, *((PlaceNorm,) if make is _places else ())),
        )
        for name, make, shape in MAKERS
        for activation, kinks in ((Identity, False), (ReLU, True), (LeakyReLU, True), (ELU, True), (Tanh, False))
        # Piece by piece, y is linear in the parameters, and in x too where the layer is frozen.
        for exact in [
            ("dparams", *(("dx", "jvp", "jvp backward") if make is _frozen else ()))
            if activation in (Identity, ReLU, LeakyReLU)
            else ()
        ]
    ),
    *(
        Sample(f"BatchNorm {name}", functools.partial(_batch, **settings), shape, exact, kinks)
        for name, settings, shape, exact, kinks in (
            ("images", {}, IMAGES, ("dparams",), False),
            ("in groups", {"activation": LeakyReLU, "groups": 2}, IMAGES, ("dparams",), True),
            ("without scale", {"scale": None}, ROWS, ("dparams",), False),
            ("without shift", {"activation": Tanh, "shift": None}, ROWS, (), False),
            ("without both", {"scale": None, "shift": None}, ROWS, (), False),
            ("running", {"running": True, "groups": 2}, ROWS, ("dparams",), False),
        )
    ),
    *(
        Sample(f"PlaceNorm {name}", functools.partial(_places, **settings), shape, exact, covers=(PlaceNorm,))
        for name, settings, shape, exact in (
            ("in groups", {"groups": 2}, (4, 2, 3), ("dparams",)),
            ("without scale", {"scale": None}, LINES, ("dparams",)),
            ("without shift", {"activation": Tanh, "shift": None}, LINES, ()),
        )
    ),
    Sample("LayerNorm rows", _layer, (2, 3), exact=("dparams",)),
    Sample("LayerNorm images", functools.partial(_layer, Tanh), (2, 2, 2, 3)),
)
"""All these layers, with settings that take another branch of their code."""
