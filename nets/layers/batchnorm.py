"""Batch normalisation."""

from __future__ import annotations

import copy
from typing import Protocol

import numpy as np

from coulombfield.arrays import Array, module_of
from nets.arguments import count_of, number_of
from nets.initializers import Initializer, ones, zeros
from nets.layers.activations import Activation
from nets.layers.normalization import Normalization, NormalizationCache, pooled
from nets.parameters import Parameters
from nets.primitives import normalization_passes as primitives


class Exchange(Protocol):
    """What passes between the processes that have one part each of a batch."""

    @property
    def weights(self) -> tuple[float, ...]:
        """Share of each process in a batch, whose sum is 1."""

    @property
    def rank(self) -> int:
        """Which of them is this process."""

    def gathered(self, array: Array) -> Array:
        """That array of every process, shape (processes, ...), in one order everywhere; all have to call it."""


class BatchNorm(Normalization):
    r"""Batch normalisation (Ioffe & Szegedy 2015) by the batch's own statistics, which the authors use also to sample.

    Each channel is normalised by mean and biased variance over all other axes. The formulas stand in
    :class:`~nets.layers.normalization.Normalization`.

    Parameters
    ----------
    channels : int
        C, the length of the last axis.
    activation : Activation, optional
        f, by default the identity.
    epsilon : float
        Added to the variance; the authors' TensorFlow has 1e-3.
    momentum : float
        What remains of the running statistics at an update of them.
    scale, shift : Initializer or None
        How these parameters start, by default at 1 and 0; None leaves them out.
    groups : int
        The batch is this many equal parts, one after the other, each with statistics of its own: generated and real
        samples then pass a discriminator together as if each came alone.
    running : bool
        Whether there are parameters ``running_mean`` and ``running_variance``, for :meth:`frozen`. Their gradient is
        always 0, so that no optimizer moves them unless it decays weights, and checkpoints hold them.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Notes
    -----
    Where a batch lies in parts on several processes (``nets.running.over_processes``), the moments of the parts
    make those of all. Each process starts its backward passes from the gradient of the mean over its own samples,
    which is :math:`1/w_p` times its part of that of the mean over all, if :math:`w_p` is its share. Hence a mean over
    a set, in the terms of process p, is :math:`\frac{1}{n_p} \sum_q w_q \Sigma_q` of the sums :math:`\Sigma_q` over
    its part of the set, of :math:`n_p` numbers here.
    """

    name = "BatchNorm"

    def __init__(
        self,
        channels: int,
        activation: Activation | None = None,
        *,
        epsilon: float = 1e-3,
        momentum: float = 0.99,
        scale: Initializer | None = ones,
        shift: Initializer | None = zeros,
        groups: int = 1,
        running: bool = False,
    ):
        super().__init__(channels, activation, epsilon=epsilon, scale=scale, shift=shift)
        groups = count_of("groups", groups)
        if not 0 <= number_of("momentum", momentum) <= 1:
            raise ValueError(f"momentum: expected a number in [0, 1], got {momentum}")
        self.groups, self.momentum, self.running = groups, float(momentum), running
        self._group: int | None = None  # samples of a group, where they are fixed rather than the number of groups
        self._frozen = False
        self._exchange: Exchange | None = None  # with the processes that have other parts of a batch

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``scale``, ``shift``, ``running_mean`` and ``running_variance`` (C,), each where it is wanted."""
        running = ("running_mean", "running_variance") if self.running else ()
        return super().shapes() | dict.fromkeys(running, (self.channels,))

    def initialize(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Initial values; the running mean starts at 0 and the running variance at 1."""
        values = super().initialize(rng)
        if self.running:
            values |= {"running_mean": np.zeros(self.channels), "running_variance": np.ones(self.channels)}
        return values

    def update_running(self, params: Parameters, cache: NormalizationCache) -> None:
        r"""Move the running statistics r towards those of each group, b: :math:`r \leftarrow m r + (1 - m)\,b`.

        The running variance is of the unbiased kind, with n - 1 for n, as TensorFlow's layer has it for images; for one
        number it is the biased one. ``params`` change in place, and no backward pass through the cache notices.

        Raises
        ------
        ValueError
            If the layer keeps no running statistics, or the pass was one of a frozen layer.
        """
        if not self.running or self._frozen:
            raise ValueError("running: expected a BatchNorm with running=True that is not frozen")
        mean, variance = params["running_mean"], params["running_variance"]
        xp, (centers, remainders, inverses) = module_of(mean), cache.statistics.values
        count = self._count(cache.x.size // centers.size)
        for center, remainder, inverse in zip(centers, remainders, inverses, strict=True):
            biased = xp.maximum(1 / (inverse * inverse) - self.epsilon, 0)
            mean += (1 - self.momentum) * ((center - mean) + remainder)
            variance += (1 - self.momentum) * (biased * (count / max(1, count - 1)) - variance)

    def frozen(self) -> BatchNorm:
        """A layer with the same parameters that normalises by the running statistics: an affine map of each channel.

        It takes the statistics as constants, whose gradient is 0 also here.

        Raises
        ------
        ValueError
            If this layer keeps no running statistics.
        """
        if not self.running:
            raise ValueError("running: expected a BatchNorm with running=True, got one without running statistics")
        other = copy.copy(self)
        other._frozen = True
        return other

    def in_groups_of(self, samples: int) -> BatchNorm:
        """A layer with the same parameters that takes each ``samples`` successive samples of a batch as a group.

        Raises
        ------
        ValueError
            If the number is not positive.
        """
        other = copy.copy(self)
        other._group = count_of("samples", samples)
        return other

    def over_processes(self, exchange: Exchange) -> BatchNorm:
        """A layer with the same parameters whose groups have a part on each of several processes."""
        other = copy.copy(self)
        other._exchange = exchange
        return other

    def _groups(self, x: Array) -> int:
        if self._frozen:
            return 1
        if x.size == 0:
            raise ValueError(f"x: BatchNorm({self.channels}) expects at least one number a channel, got {x.shape}")
        if self._group is not None:
            if x.shape[0] % self._group:
                raise ValueError(
                    f"x: BatchNorm({self.channels}) in groups of {self._group} samples expects a multiple of them, "
                    f"got {x.shape}"
                )
            return x.shape[0] // self._group
        if x.shape[0] % self.groups:
            raise ValueError(
                f"x: BatchNorm({self.channels}, groups={self.groups}) expects a batch of {self.groups} equal parts, "
                f"got {x.shape}"
            )
        return self.groups

    def _samples(self, x: Array) -> int:
        return 0 if self._frozen else x.shape[0] // self._groups(x)

    def _statistics(self, params: Parameters, x: Array) -> Array:
        if self._frozen:
            xp, mean = module_of(x), params["running_mean"]
            statistics = xp.stack([mean, xp.zeros_like(mean), params["running_variance"]])[:, None]
        else:
            statistics = primitives.moments(x)
            if self._exchange is not None:
                parts = module_of(x).moveaxis(self._exchange.gathered(statistics), 0, -1)
                return pooled(parts, self.epsilon, self._weights(x))[..., 0]
        variance = statistics[2]  # a view
        variance += self.epsilon
        variance **= -0.5
        return statistics

    def _average(self, sums: Array, x: Array) -> Array:
        # What does not depend on x has no part in its gradient.
        return module_of(sums).zeros_like(sums) if self._frozen else self._added(sums) / x.shape[1]

    def _added(self, sums: Array) -> Array:
        """Sums over this process's part of the sets from those of all parts, as the notes of the class have it."""
        if self._exchange is None:
            return sums
        xp, parts = module_of(sums), self._exchange.gathered(sums)
        total = parts[0] * self._exchange.weights[0]
        for part, weight in zip(parts[1:], self._exchange.weights[1:], strict=True):
            total += part * weight
        return xp.ascontiguousarray(total)

    def _weights(self, x: Array) -> Array:
        """Shares of the processes, float64, where x is."""
        xp = module_of(x)
        assert self._exchange is not None
        return xp.asarray(self._exchange.weights, xp.float64)

    def _count(self, own: int) -> int:
        """Numbers of a set, of which this process has so many."""
        return own if self._exchange is None else round(own / self._exchange.weights[self._exchange.rank])
