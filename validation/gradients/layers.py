"""Layers and networks: backward by x, backward by the parameters, jvp, and the gradients of jvp.

To add a layer is to add a line to ``LAYERS``, or to the table of its kind in a module beside this one. Where it has
kinks, cases are drawn again until no output of a piecewise activation changes its sign within the longest step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from coulombfield.arrays import Array
from coulombfield.calculus import random_direction
from nets.architectures import mlp
from nets.chain import Chain
from nets.initializers import normal, uniform
from nets.layers.activations import ELU, Activation, Identity, LeakyReLU, ReLU, ScaledTanh, Tanh
from nets.layers.base import Cache, Layer
from nets.layers.composition import with_caches
from nets.layers.linear import Linear
from nets.layers.pooling import AveragePool
from nets.layers.reshape import Flatten, Reshape
from nets.layers.residual import Residual
from nets.layers.scale import Scale
from nets.layers.softmax import Softmax
from nets.layers.upsample import Upsample
from nets.network import Network, Sequential
from nets.parameters import Parameters
from validation.context import Context

from .architectures import ARCHITECTURES
from .convolutions import CONVOLUTIONS
from .differences import Case, magnitude, off_kinks
from .normalizations import NORMALIZATIONS
from .registry import Row
from .samples import ALL, Sample

SMOOTH = (AveragePool, Reshape, Scale, Softmax, Upsample)
SPREAD = 0.3  # of the parameters about where they start, so that none is 0
ACTIVATIONS = (
    Sample("Identity", Identity, (2, 3, 4), exact=ALL),
    Sample("ReLU", ReLU, (2, 3, 4), exact=ALL, kinks=True),
    Sample("LeakyReLU", LeakyReLU, (2, 3, 4), exact=ALL, kinks=True),
    Sample("LeakyReLU 0.75", functools.partial(LeakyReLU, 0.75), (2, 3, 4), exact=ALL, kinks=True),
    Sample("ELU", ELU, (2, 3, 4), kinks=True),
    Sample("Tanh", Tanh, (2, 3, 4)),
    Sample("ScaledTanh", ScaledTanh, (2, 3, 4)),
)


def _linear(activation: Callable[[], Any], fan_out: int = 3) -> Linear:
    return Linear(4, fan_out, activation())


def _sequential() -> Sequential:
    """Nested, with layers without parameters at both ends and in between."""
    inner = Sequential([Linear(4, 5), Tanh(), Scale(0.5)])
    return Sequential([Scale(-1.5), inner, Linear(5, 2, LeakyReLU()), ScaledTanh()])


def _chain() -> Sequential:
    """Runs as one compiled pass."""
    return Sequential([Scale(-1.5), Linear(4, 5, ELU()), Linear(5, 3, Tanh(), bias=None), LeakyReLU(), Linear(3, 2)])


def _residual() -> Residual:
    """A branch that starts with a kink, beside the identity."""
    return Residual(Sequential([ReLU(), Linear(4, 5, Tanh()), Linear(5, 4)]), factor=0.3)


def _two_branches() -> Residual:
    """Nested, and with parameters in both branches."""
    return Residual(Sequential([Linear(4, 3, ELU()), Residual(Linear(3, 3, Tanh()))]), Linear(4, 3), factor=-2.0)


def _mlp(activation: Callable[[], Any], widths: tuple[int, ...], **settings: Any) -> Network:
    return mlp(widths, activation, **settings)


LAYERS = (
    *ACTIVATIONS,
    *(
        activation._replace(
            name=f"Linear {activation.name}", make=functools.partial(_linear, activation.make), shape=(5, 4)
        )
        for activation in ACTIVATIONS
    ),
    Sample("Linear to one", functools.partial(_linear, Tanh, 1), (5, 4)),
    Sample("Linear without bias", functools.partial(Linear, 4, 3, Tanh(), bias=None), (5, 4)),
    Sample("Scale", lambda: Scale(-1.5), (2, 3, 4), exact=ALL),
    Sample("Reshape", lambda: Reshape((2, 6)), (2, 3, 4), exact=ALL),
    Sample("Flatten", Flatten, (2, 3, 1, 4), exact=ALL),
    Sample("Upsample", Upsample, (2, 3, 2, 4), exact=ALL),
    Sample("Upsample by 3", lambda: Upsample(3), (2, 1, 2, 1), exact=ALL),
    Sample("AveragePool", AveragePool, (2, 4, 2, 3), exact=ALL),
    Sample("AveragePool by 3", lambda: AveragePool(3), (2, 3, 6, 1), exact=ALL),
    Sample("Softmax", Softmax, (2, 3, 5)),
    Sample("Residual", _residual, (5, 4), kinks=True),
    Sample("Residual of two branches", _two_branches, (5, 4), kinks=True),
    Sample("Sequential", _sequential, (5, 4), kinks=True),
    Sample("Chain", _chain, (5, 4), kinks=True, covers=(Chain,)),
    *CONVOLUTIONS,
    *NORMALIZATIONS,
)
"""Every layer, with settings that take another branch of its code."""

NETWORKS = (
    *(
        Sample(
            f"mlp {activation.name}",
            functools.partial(_mlp, activation.make, (3, 6, 5, 2), input_scale=0.5, output_scale=3.0),
            (4, 3),
            exact=("dx",) if activation.exact else (),
            kinks=activation.kinks,
            covers=(mlp,),
        )
        for activation in ACTIVATIONS
        if activation.make in (ReLU, LeakyReLU, ELU, Tanh)
    ),
    Sample(
        "mlp of the paper",
        functools.partial(
            _mlp, ELU, (2, 128, 128, 1), input_scale=1 / 7, first_weight=normal(1.0), first_bias=uniform(1.0)
        ),
        (2, 2),
        kinks=True,
        covers=(mlp,),
    ),
    *ARCHITECTURES,
)
"""Every architecture."""


def rows() -> list[Row]:
    """Four rows for each layer and each network, three where there are no parameters."""
    groups = (("layer", LAYERS), ("network", NETWORKS))
    return [row for group, samples in groups for sample in samples for row in rows_of(sample, group)]


def rows_of(sample: Sample, group: str = "layer") -> list[Row]:
    """The rows of one layer or network."""
    made = sample.make()
    quantities: dict[str, Callable[[_Drawn], Case]] = dict(zip(ALL, (_dx, _dparams, _jvp, _jvp_backward), strict=True))
    if not _network(made).layout.size:
        del quantities["dparams"]
    return [
        Row(f"{sample.name}: {name}", group, (type(made), *sample.covers), functools.partial(_cases, sample, quantity))
        for name, quantity in quantities.items()
    ]


class _Drawn(NamedTuple):
    """A network with arguments and directions that were drawn."""

    sample: Sample
    context: Context
    network: Network
    params: Parameters
    x: Array
    dy: Array
    v: Array
    u: Array
    rng: np.random.Generator

    def forward(self, of_x: float, of_params: float) -> tuple[Array, Any]:
        """Output and cache after x has moved along v and the parameters along u."""
        params = Parameters(self.network.layout, self.params.vector + of_params * self.u)
        return self.network.forward(params, self.x + of_x * self.v)

    def case(self, quantity: str, exact: Any, scale: float, weights: np.ndarray | None = None) -> Case:
        """Case of y, or of its inner product with weights, along the directions that the quantity is about."""
        of_x, of_params = quantity != "dparams", quantity != "dx"
        host, (y, cache) = self.context.host, self.forward(0, 0)
        # what is computed on the way is rounded too, and y may be a small sum of large terms
        size = float(np.linalg.norm(numbers(cache, host)) + np.max(np.abs(host(y))))
        if weights is not None:
            size = size * float(np.max(np.abs(weights))) + magnitude(host(y) * weights)

        def function(t: float) -> Any:
            y = host(self.forward(of_x * t, of_params * t)[0])
            return y if weights is None else float(np.sum(weights * y))

        return self.judged(quantity, function, exact, size + scale, scale, of_x=of_x, of_params=of_params)

    def judged(
        self,
        quantity: str,
        function: Callable[[float], Any],
        exact: Any,
        size: float,
        scale: float,
        *,
        of_x: bool = True,
        of_params: bool = True,
    ) -> Case:
        """Case of a function of the time t, in which x and the parameters move, or one of them."""

        def branches(t: float) -> np.ndarray:
            _, cache = self.forward(of_x * t, of_params * t)
            return branched_on(self.network.body, cache.layers, self.context.host) > 0

        return Case(
            f"{self.sample.name}, x of shape {self.sample.shape}",
            function,
            exact,
            size,
            scale,
            polynomial=quantity in self.sample.exact,
            branches=branches if self.sample.kinks else None,
        )


def _cases(sample: Sample, quantity: Callable[[_Drawn], Case], context: Context) -> Iterator[Case]:
    rng = context.rng(f"gradients {sample.name} {quantity.__name__}")
    for _ in range(context.pick(8, 3)):
        yield off_kinks(lambda: quantity(_draw(sample, context, rng)))


def _draw(sample: Sample, context: Context, rng: np.random.Generator) -> _Drawn:
    network = _network(sample.make())
    params = network.initialize(rng, np.float64, context.device.xp)
    params.vector[...] += context.put(SPREAD * rng.standard_normal(network.layout.size))
    x = context.put(rng.standard_normal(sample.shape))
    y, _ = network.forward(params, x)
    dy = context.put(rng.standard_normal(y.shape))
    directions = random_direction(rng, x), random_direction(rng, params.vector)
    return _Drawn(sample, context, network, params, x, dy, *directions, rng)


def _dx(drawn: _Drawn) -> Case:
    """⟨dy, y(x + t v)⟩ against ⟨dx, v⟩."""
    host = drawn.context.host
    dx, _ = drawn.network.backward(drawn.params, drawn.forward(0, 0)[1], drawn.dy, need_dparams=False)
    terms = host(dx) * host(drawn.v)
    return drawn.case("dx", float(terms.sum()), magnitude(terms), host(drawn.dy))


def _dparams(drawn: _Drawn) -> Case:
    """⟨dy, y(w + t u)⟩ against ⟨dw, u⟩."""
    host = drawn.context.host
    _, gradient = drawn.network.backward(drawn.params, drawn.forward(0, 0)[1], drawn.dy, need_dx=False)
    terms = host(gradient.vector) * host(drawn.u)
    return drawn.case("dparams", float(terms.sum()), magnitude(terms), host(drawn.dy))


def _jvp(drawn: _Drawn) -> Case:
    """y(x + t v, w + t u), number by number."""
    direction = Parameters(drawn.network.layout, drawn.u)
    y_dot = drawn.context.host(drawn.network.jvp(drawn.params, drawn.forward(0, 0)[1], drawn.v, direction))
    return drawn.case("jvp", y_dot, float(np.max(np.abs(y_dot))))


def _jvp_backward(drawn: _Drawn) -> Case:
    """⟨dy_dot, jvp(x + t v, w + t u; x_dot + t s)⟩ against ⟨dx, v⟩ + ⟨dw, u⟩ + ⟨dx_dot, s⟩; dy serves as dy_dot."""
    host, weights = drawn.context.host, drawn.context.host(drawn.dy)
    x_dot, s = (drawn.context.put(drawn.rng.standard_normal(drawn.sample.shape)) for _ in range(2))
    _, cache = drawn.forward(0, 0)
    dx, dx_dot, gradient = drawn.network.jvp_backward(drawn.params, cache, x_dot, drawn.dy)
    pairs = [(dx_dot, s), (gradient.vector, drawn.u)] + ([] if dx is None else [(dx, drawn.v)])
    terms = [host(a) * host(b) for a, b in pairs]

    def y_dot(t: float) -> np.ndarray:
        params = Parameters(drawn.network.layout, drawn.params.vector + t * drawn.u)
        return host(drawn.network.jvp(params, drawn.forward(t, t)[1], x_dot + t * s))

    scale = magnitude(*terms)
    size = scale + magnitude(y_dot(0.0) * weights)
    size += float(np.linalg.norm(numbers(cache, host))) * float(np.max(np.abs(weights)))
    exact = sum(float(term.sum()) for term in terms)
    return drawn.judged("jvp backward", lambda t: float(np.sum(weights * y_dot(t))), exact, size, scale)


def _network(made: Layer | Network) -> Network:
    return made if isinstance(made, Network) else Network(made)


def branched_on(layer: Layer, cache: Cache, host: Callable[[Array], np.ndarray]) -> np.ndarray:
    """The numbers in a cache whose signs say on which of their pieces the activations are."""
    parts = [branched_on(part, of_part, host) for _, part, of_part in with_caches(layer, cache)]
    if parts:
        return np.concatenate(parts)
    activation = layer if isinstance(layer, Activation) else getattr(layer, "activation", None)
    if isinstance(layer, SMOOTH) or isinstance(activation, Identity | Tanh):
        return np.empty(0)
    return numbers(cache.y if activation else cache, host)


def numbers(cache: Any, host: Callable[[Array], np.ndarray]) -> np.ndarray:
    """All numbers of a cache's arrays, in a row."""
    if isinstance(cache, tuple):
        return np.concatenate([np.empty(0), *(numbers(part, host) for part in cache)])
    return host(cache).ravel() if array_api_compat.is_array_api_obj(cache) else np.empty(0)
