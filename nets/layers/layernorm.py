"""Layer normalisation."""

from __future__ import annotations

import math

from coulombfield.arrays import Array, module_of
from nets.layers.activations import Activation
from nets.layers.normalization import Normalization, pooled
from nets.parameters import Parameters
from nets.primitives import normalization_passes as primitives

COLUMNS, SHORTEST = 64, 8
"""Length of the rows as which the numbers of a sample are added up, where C allows no less than the second."""


class LayerNorm(Normalization):
    """Layer normalisation (Ba et al. 2016), as WGAN-GP's critics have it: each sample by statistics of its own.

    Mean and variance are taken over all axes but the batch; scale and shift are one number for each channel. The
    formulas stand in :class:`~nets.layers.normalization.Normalization`.

    Parameters
    ----------
    channels : int
        C, the length of the last axis.
    activation : Activation, optional
        f, by default the identity.
    epsilon : float
        Added to the variance.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Notes
    -----
    A sample's numbers are taken as rows of some length: the moments of each column come first, and those of the sample
    are found from them.
    """

    name = "LayerNorm"

    def __init__(self, channels: int, activation: Activation | None = None, *, epsilon: float = 1e-5):
        super().__init__(channels, activation, epsilon=epsilon)

    def _groups(self, x: Array) -> int:
        if x.shape[0] and x.size == 0:
            raise ValueError(f"x: LayerNorm({self.channels}) expects at least one number a sample, got {x.shape}")
        return x.shape[0]

    def _samples(self, x: Array) -> int:
        return 1

    def _statistics(self, params: Parameters, x: Array) -> Array:
        xp, (samples, rows, channels) = module_of(x), x.shape
        width = math.gcd(channels, COLUMNS)
        if width < SHORTEST:
            width = channels
        moments = primitives.moments(x.reshape(samples, rows * (channels // width), width))
        statistics = pooled(moments, self.epsilon)
        return xp.ascontiguousarray(xp.broadcast_to(statistics, (3, samples, channels)))

    def _average(self, sums: Array, x: Array) -> Array:
        xp = module_of(sums)
        means = sums.mean(axis=-1, keepdims=True)
        means /= max(1, x.shape[1])
        return xp.ascontiguousarray(xp.broadcast_to(means, sums.shape))
