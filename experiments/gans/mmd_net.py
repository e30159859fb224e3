r"""MMD network: a generator trained on the unbiased estimate of the squared discrepancy (Dziugaite et al. 2015).

As :mod:`~experiments.gans.gmmn`, but for the estimate, which leaves out the pairs of a sample with itself (their Eq 6,
Gretton et al. 2012, Eq 3) and has no root:

.. math:: L_G = \frac{1}{N (N - 1)} \sum_{i \ne j} \bigl(k(x_i, x_j) + k(y_i, y_j)\bigr)
                - \frac{2}{N^2} \sum_{ij} k(x_i, y_j)

It may be negative, and its mean over minibatches is the squared discrepancy of the distributions. The gradient by a
sample is that of :func:`nets.losses.gaussian_mmd2`, the generator's backward pass does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coulombfield.arrays import Array
from nets.losses import gaussian_mmd2

from ..data.dataset import Source
from ..players.player import Player
from . import gmmn


@dataclass(frozen=True, kw_only=True)
class Config(gmmn.Config):
    """The kernel.

    Parameters
    ----------
    widths : tuple of float
        Standard deviations of the Gaussians, whose sum is the kernel [length].
    """

    def build(self, players: Mapping[str, Player], data: Source, **setting: Any) -> MMDNet:
        """The network at its start; a minibatch has at least two samples."""
        if setting["batch"] < 2:
            raise ValueError(f"kind: its unbiased estimate needs a batch of at least 2, got {setting['batch']}")
        return MMDNet(self, players, data, **setting)


class MMDNet(gmmn.GMMN):
    """A generator, and one update of it against the unbiased squared discrepancy."""

    def _discrepancy(self, x: Array, y: Array) -> tuple[Array, Array]:
        value, dx, _ = gaussian_mmd2(x, y, self.config.widths, unbiased=True, need_dy=False)
        return value, dx
