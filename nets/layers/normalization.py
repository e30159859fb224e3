"""What batch-norm and layer-norm share: all but the numbers over which they take mean and variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from coulombfield.arrays import Array, module_of
from nets.arguments import count_of, number_of
from nets.initializers import Initializer, ones, zeros
from nets.layers.activations import Activation, Identity, LeakyReLU, check_gradient
from nets.layers.base import SecondOrder
from nets.parameters import Parameters
from nets.primitives import normalization_passes as primitives
from nets.primitives import normalization_tangents as tangents
from nets.workspace import Workspace, allocate, empty


@dataclass(frozen=True)
class Statistics:
    """Statistics of the groups of a batch.

    Attributes
    ----------
    values : array, shape (3, G, C)
        Center, remainder and inverse deviation, as nets.primitives.normalization_passes has them.
    samples : int
        How many samples a group has; 0 where the statistics are none of the batch's.
    """

    values: Array
    samples: int


class NormalizationCache(NamedTuple):
    """Input, output and statistics of one forward pass."""

    x: Array
    y: Array
    statistics: Statistics

    def first_rows(self, count: int) -> NormalizationCache:
        """Cache of the first samples, which may not cut a group."""
        count, (values, samples) = min(count, self.x.shape[0]), (self.statistics.values, self.statistics.samples)
        if samples:
            if count % samples:
                raise ValueError(f"count: expected a multiple of the {samples} samples of a group, got {count}")
            values = values[:, : count // samples].copy()
        return NormalizationCache(self.x[:count], self.y[:count], Statistics(values, samples))


class Normalization(SecondOrder):
    r"""Normalisation by mean and variance, an affine map of each channel, and an activation.

    .. math::
        \hat x = s\,(x - \mu), \quad s = (v + \epsilon)^{-1/2}, \quad u = \gamma \hat x + \beta, \quad y = f(u)

    :math:`\mu` and v are mean and biased variance of the n numbers of a set, and subclasses say what a set is.
    :math:`\gamma` and :math:`\beta` are one number for each channel. x is of any shape with channels last.

    Notes
    -----
    *Forward and backward.* Let a bar be the mean over a set, and along a tangent :math:`\dot x` of x

    .. math:: P \dot x = \dot x - \bar{\dot x} - \hat x\,\overline{\dot x \hat x}.

    Since :math:`\dot v = 2\,\overline{(x - \mu)\,\dot x}`, it is :math:`\dot s = -s^2\,\overline{\dot x \hat x}`, hence

    .. math:: \dot{\hat x} = s\,(\dot x - \bar{\dot x}) + (x - \mu)\,\dot s = s\,P \dot x.

    P is symmetric. With :math:`du = f'(u)\,dy`,

    .. math:: dx = s\,P(\gamma\,du), \qquad d\gamma = \sum du\,\hat x, \qquad d\beta = \sum du.

    *Backward of the tangent.* Let :math:`L = \langle \dot{dy}, \dot y\rangle` with
    :math:`\dot y = f'(u)\,\gamma s P \dot x`, and :math:`g = f'(u)\,\dot{dy}`, :math:`h = \gamma g`. Then
    :math:`d\dot x = s\,P h`, and for each set :math:`L = s\,Q` with

    .. math:: Q = \langle h, P \dot x\rangle = n\,(\overline{h \dot x} - \bar h\,\bar{\dot x} - a b),
        \qquad a = \overline{h \hat x}, \quad b = \overline{\dot x \hat x}.

    Its gradient by x has one part through s, whose derivative is :math:`ds = -s^2 \hat x / n`, and one through
    :math:`\hat x` in a and b: by :math:`\hat x` it is :math:`-s\,(b h + a \dot x)`, and s P pulls that back. Together

    .. math::
        dx &= -s^2 \bigl(\hat x\,Q / n + P(b h + a \dot x)\bigr) \\
           &= -s^2 \bigl(b h + a \dot x - b \bar h - a \bar{\dot x}
              + (\overline{h \dot x} - \bar h\,\bar{\dot x} - 3 a b)\,\hat x\bigr), \\
        d\gamma &= \sum g\,s P \dot x = \sum s\,(g \dot x - \bar{\dot x}\,g - b\,g \hat x), \qquad d\beta = 0.

    A curved f adds the backward pass of :math:`du = f''(u)\,\dot u\,\dot{dy}`.

    *Passes over memory.* x-hat is computed from x again wherever it is needed. Forward, one pass reads x for its
    statistics and one goes from x to y; back, one reads (x, y, dy) for their sums and one goes to dx, in the memory of
    dy. Of second order, one pass reads (x, y, dy, v) for sums, and one goes to the tangent and to dx, in the memory of
    v and of dy. The identity and the (leaky) ReLU are part of these; any other activation takes a pass of its own.
    """

    name = "Normalization"
    """In messages."""

    def __init__(
        self,
        channels: int,
        activation: Activation | None = None,
        *,
        epsilon: float,
        scale: Initializer | None = ones,
        shift: Initializer | None = zeros,
    ):
        channels = count_of("channels", channels)
        if number_of("epsilon", epsilon) <= 0:
            raise ValueError(f"epsilon: expected a finite positive number, got {epsilon}")
        self.channels, self.epsilon = channels, float(epsilon)
        self.activation = activation or Identity()
        self._fused = isinstance(self.activation, Identity | LeakyReLU)
        self._initializers = {"scale": scale, "shift": shift}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``scale`` and ``shift``, each where it is wanted."""
        return {name: self._sets() for name, initializer in self._initializers.items() if initializer}

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial scale and shift."""
        shape = self._sets()
        fans = shape[0], shape[0]
        return {name: start(rng, fans, shape) for name, start in self._initializers.items() if start}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same shape."""
        if not shape or shape[-1] != self.channels:
            raise ValueError(f"shape: {self.name}({self.channels}) expects (..., {self.channels}), got {shape}")
        return shape

    def operations(self, shape: tuple[int, ...]) -> int:
        """No products that grow faster than the numbers."""
        return 0

    def forward(
        self, params: Parameters, x: Array, workspace: Workspace | None = None
    ) -> tuple[Array, NormalizationCache]:
        """``y = f(scale x_hat + shift)`` for x of shape (N, ..., C)."""
        if x.ndim < 2 or x.shape[-1] != self.channels:
            raise ValueError(f"x: {self.name}({self.channels}) expects (N, ..., {self.channels}), got {x.shape}")
        x = module_of(x).ascontiguousarray(x)
        groups = self._groups(x)
        width = self._width()
        rows = x.reshape(groups, x.size // (width * max(1, groups)), width)
        statistics = self._statistics(params, rows)
        y = allocate(workspace, self, "y", x.shape, x)
        scale, shift = self._affine(params, x)
        primitives.normalize(y.reshape(rows.shape), rows, statistics, scale, shift, self._slope())
        if not self._fused:
            y = self.activation.apply(y)
        return y, NormalizationCache(x, y, Statistics(statistics, self._samples(x)))

    def backward(
        self,
        params: Parameters,
        cache: NormalizationCache,
        dy: Array,
        *,
        into: Parameters | None = None,
        need_dx: bool = True,
        workspace: Workspace | None = None,
    ) -> Array | None:
        """``dx = s P(scale du)``, ``dscale = sum of du x_hat`` and ``dshift = sum of du``, as derived above."""
        check_gradient(self, dy, cache.y)
        dy, slope = module_of(dy).ascontiguousarray(dy), self._slope()
        if not self._fused:
            dy = self.activation.scale_by_slope(dy, cache.y)
        return self._pull_back(params, cache, dy, slope, into, need_dx)

    def jvp(
        self,
        params: Parameters,
        cache: NormalizationCache,
        x_dot: Array,
        params_dot: Parameters | None = None,
    ) -> Array:
        r""":math:`\dot y = f'(u)\,(\gamma s P \dot x + \dot\gamma \hat x + \dot\beta)`."""
        u_dot = self._tangent(params, cache, x_dot)
        if params_dot is not None:
            (x,) = _rows(cache, cache.x)
            more = module_of(x).empty_like(x)
            primitives.normalize(more, x, cache.statistics.values, *self._affine(params_dot, x, missing=0), 1.0)
            u_dot += more.reshape(u_dot.shape)
        return self.activation.scale_by_slope(u_dot, cache.y)

    def second_order(
        self,
        params: Parameters,
        cache: NormalizationCache,
        x_dot: Array,
        dy: Array,
        *,
        into: Parameters | None = None,
        workspace: Workspace | None = None,
    ) -> tuple[Array, Array | None]:
        """The gradients of the tangent, as derived above."""
        activation, slope, unchanged = self.activation, self._slope(), dy
        if not self._fused:
            unchanged = dy.copy() if activation.curved else dy
            dy = activation.scale_by_slope(dy, cache.y)
        g, v, y, x = _rows(cache, dy, x_dot, cache.y, cache.x)
        (scale, _), values = self._affine(params, x), cache.statistics.values
        sums = tangents.tangent_sums(g, v, y, x, values, slope)
        means_v = mean_v, b = self._average(sums[2:4], x)
        if into is not None:
            d_scale = (sums[4] - mean_v * sums[0] - b * sums[1]) * values[2]
            _write(into, scale=self._gathered(d_scale.sum(axis=0)), shift=0)
        means_h = self._average(sums[[0, 1, 4]] * scale, x)
        means = module_of(x).concatenate([means_h[:2], means_v, means_h[2:]])
        u_dot, dx = (part.reshape(cache.x.shape) for part in tangents.tangent(v, g, y, x, values, scale, means, slope))
        of_batch = cache.statistics.samples > 0
        if self._fused:
            return u_dot, dx if of_batch else None
        du = activation.through_curvature(u_dot, cache.y, unchanged)
        if du is not None:
            of_u = None if into is None else Parameters(into.layout, empty(into.vector.shape, into.vector))
            through = self._pull_back(params, cache, du, 1.0, of_u, True)
            if into is not None and of_u is not None:
                into.vector[...] += of_u.vector
            dx = dx + through if of_batch else through
        return activation.scale_by_slope(u_dot, cache.y), dx if of_batch or du is not None else None

    def _pull_back(
        self,
        params: Parameters,
        cache: NormalizationCache,
        dy: Array,
        slope: float,
        into: Parameters | None,
        need_dx: bool,
    ) -> Array | None:
        """Gradients from ``du = f'(u) dy`` with an f of this slope; the memory of dy is reused."""
        x, y, rows = _rows(cache, cache.x, cache.y, dy)
        scale, _ = self._affine(params, x)
        sums = primitives.gradient_sums(rows, y, x, cache.statistics.values, slope)
        if into is not None:
            _write(into, scale=self._gathered(sums[1].sum(axis=0)), shift=self._gathered(sums[0].sum(axis=0)))
        if not need_dx:
            return None
        means = self._average(sums * scale, x)
        return primitives.gradient(rows, y, x, cache.statistics.values, scale, means, slope).reshape(cache.x.shape)

    def _tangent(self, params: Parameters, cache: NormalizationCache, x_dot: Array) -> Array:
        r""":math:`\gamma s P \dot x`."""
        x, v = _rows(cache, cache.x, x_dot.copy(order="C"))
        scale, _ = self._affine(params, x)
        means = self._average(primitives.gradient_sums(v, v, x, cache.statistics.values, 1.0), x)
        one = module_of(x).ones_like(scale)
        x_hat_dot = primitives.gradient(v, v, x, cache.statistics.values, one, means, 1.0)
        x_hat_dot *= scale
        return x_hat_dot.reshape(cache.x.shape)

    def _affine(self, params: Parameters, like: Array, missing: float = 1) -> tuple[Array, Array]:
        """Scale and shift, or what stands for one that is missing."""
        xp = module_of(like)
        width = self._width()
        scale = self._spread(params["scale"]) if "scale" in params else xp.full(width, missing, like.dtype)
        shift = self._spread(params["shift"]) if "shift" in params else xp.zeros(width, like.dtype)
        return scale, shift

    def _sets(self) -> tuple[int]:
        """Shape of scale and shift."""
        return (self.channels,)

    def _width(self) -> int:
        """Numbers of a row of x, as the passes see it: those of which each has a scale and a shift."""
        return self.channels

    def _spread(self, values: Array) -> Array:
        """A parameter's value for each number of a row."""
        return values

    def _gathered(self, sums: Array) -> Array:
        """The transpose of that: a parameter's gradient from that of each number of a row."""
        return sums

    def _slope(self) -> float:
        """Slope of the activation for negative u where it is part of the passes over x; 1 where it has its own."""
        return self.activation.slope if isinstance(self.activation, LeakyReLU) else 1.0

    def _groups(self, x: Array) -> int:
        """Into how many parts the batch is cut."""
        raise NotImplementedError

    def _samples(self, x: Array) -> int:
        """How many samples of the batch a group has, or 0 where the statistics are none of the batch's."""
        raise NotImplementedError

    def _statistics(self, params: Parameters, x: Array) -> Array:
        """Center, remainder and inverse deviation (3, G, C) of x (G, R, C)."""
        raise NotImplementedError

    def _average(self, sums: Array, x: Array) -> Array:
        """Means over the sets from sums (k, G, C) over the rows of x (G, R, C), of the shape of the sums."""
        raise NotImplementedError


def pooled(moments: Array, epsilon: float, weights: Array | None = None) -> Array:
    """Center, remainder and inverse deviation (3, ..., 1) of sets from the moments (3, ..., k) of their parts.

    The parts are equal, or have these weights (k,), whose sum is 1.
    """
    xp = module_of(moments)
    center, remainder, variance = moments.astype(xp.float64)
    origin = center[..., :1]  # means are counted from it: so they have digits to spare for the remainder
    means = (center - origin) + remainder
    mean = _mean(means, weights)
    variance = _mean(variance + xp.square(means - mean), weights)
    statistics = xp.empty((3, *mean.shape), moments.dtype)
    statistics[0] = origin + mean
    statistics[1] = (origin - statistics[0]) + mean
    statistics[2] = (variance + epsilon) ** -0.5
    return statistics


def _mean(values: Array, weights: Array | None) -> Array:
    """Mean over the last axis, which stays."""
    if weights is None:
        return values.mean(axis=-1, keepdims=True)
    return (values * weights).sum(axis=-1, keepdims=True)


def _rows(cache: NormalizationCache, *arrays: Array) -> list[Array]:
    """Views (G, R, C) of arrays that have the shape of x."""
    groups, width = cache.statistics.values.shape[1:]
    rows = cache.x.size // (width * max(1, groups))
    return [array.reshape(groups, rows, width) for array in arrays]


def _write(into: Parameters, **gradients: Any) -> None:
    """Write the gradients that are wanted, and 0 for the other parameters, on which y does not depend."""
    for name in into:
        into[name][...] = gradients.get(name, 0)
