"""Batch normalisation of the places of sequences."""

from __future__ import annotations

from coulombfield.arrays import Array, module_of
from nets.arguments import count_of
from nets.initializers import Initializer, ones, zeros
from nets.layers.activations import Activation
from nets.layers.batchnorm import BatchNorm
from nets.layers.normalization import NormalizationCache, pooled
from nets.parameters import Parameters
from nets.primitives import normalization_passes as primitives
from nets.workspace import Workspace


class PlaceNorm(BatchNorm):
    """Batch normalisation of sequences x (N, L, C) that takes each place, rather than each channel, by itself.

    Mean and variance of a place are taken over samples and channels, and scale and shift are one number for each place.
    It is what a batch-norm of the last axis makes of arrays (N, C, L), as in the authors' language model. The formulas
    stand in :class:`~nets.layers.normalization.Normalization`.

    Parameters
    ----------
    places, channels : int
        L and C.
    activation : Activation, optional
        f, by default the identity.
    epsilon : float
        Added to the variance; the authors' TensorFlow has 1e-3.
    scale, shift : Initializer or None
        How these parameters start, by default at 1 and 0; None leaves them out.
    groups : int
        As many equal parts of a batch have statistics of their own; see :class:`~nets.layers.batchnorm.BatchNorm`.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Notes
    -----
    A sample is one row of L C numbers. The moments of each column come first, and those of a place are found from them.
    """

    name = "PlaceNorm"

    def __init__(
        self,
        places: int,
        channels: int,
        activation: Activation | None = None,
        *,
        epsilon: float = 1e-3,
        scale: Initializer | None = ones,
        shift: Initializer | None = zeros,
        groups: int = 1,
    ):
        super().__init__(channels, activation, epsilon=epsilon, scale=scale, shift=shift, groups=groups)
        self.places = count_of("places", places)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same shape."""
        if shape != (self.places, self.channels):
            here = self.places, self.channels
            raise ValueError(f"shape: {self.name}{here} expects {here}, got {shape}")
        return shape

    def forward(
        self, params: Parameters, x: Array, workspace: Workspace | None = None
    ) -> tuple[Array, NormalizationCache]:
        """``y = f(scale x_hat + shift)`` for x of shape (N, L, C)."""
        if x.ndim != 3 or x.shape[1:] != (self.places, self.channels):
            places, channels = self.places, self.channels
            raise ValueError(f"x: {self.name}{places, channels} expects (N, {places}, {channels}), got {x.shape}")
        return super().forward(params, x, workspace)

    def _sets(self) -> tuple[int]:
        return (self.places,)

    def _width(self) -> int:
        return self.places * self.channels

    def _spread(self, values: Array) -> Array:
        return module_of(values).repeat(values, self.channels)

    def _gathered(self, sums: Array) -> Array:
        return self._by_place(sums).sum(axis=-1)

    def _statistics(self, params: Parameters, x: Array) -> Array:
        moments = primitives.moments(x)
        if self._exchange is None:
            return self._of_row(pooled(self._by_place(moments), self.epsilon))
        xp, parts = module_of(x), self._by_place(self._exchange.gathered(moments))
        columns = xp.moveaxis(parts, 0, -2).reshape(*parts.shape[1:-1], -1)  # those of one process, then of the next
        weights = xp.repeat(self._weights(x) / self.channels, self.channels)
        return self._of_row(pooled(columns, self.epsilon, weights))

    def _average(self, sums: Array, x: Array) -> Array:
        means = self._by_place(self._added(sums)).mean(axis=-1, keepdims=True)
        means /= max(1, x.shape[1])
        return self._of_row(means)

    def _by_place(self, values: Array) -> Array:
        """Values of each number of a row (..., L C), as (..., L, C)."""
        return values.reshape(*values.shape[:-1], self.places, self.channels)

    def _of_row(self, values: Array) -> Array:
        """Values of each place (..., L, 1), as (..., L C) for each number of a row."""
        shape = values.shape[:-2]
        xp = module_of(values)
        whole = xp.broadcast_to(values, (*shape, self.places, self.channels))
        return xp.ascontiguousarray(whole).reshape(*shape, self._width())
