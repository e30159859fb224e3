"""Potential energy between samples and data (Eq 7 and 33), the Coulomb GAN's own measure of distance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from coulombfield import Plummer, interaction_energy
from coulombfield.kernels import RadialKernel
from coulombfield.rng import Streams

from ..data.dataset import DataSet
from .metric import DEVIATION, Column, Metric, MetricConfig

SPLITS = 16
"""Random splits behind the noise floor, which makes it exact to about 1/sqrt(2 * 16) = 18 %."""


@dataclass(frozen=True, kw_only=True)
class Config(MetricConfig):
    """Unbiased energy under a Plummer kernel that stays the same at every update, so that energies compare.

    Parameters
    ----------
    samples : int
        Generated samples, and as many held-out ones.
    exponent : float
        d of the kernel.
    softening : float
        ε of the kernel [length].
    """

    exponent: float = 1.0
    softening: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("exponent", "softening"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")

    def build(self, data: DataSet, streams: Streams) -> Energy:
        """The metric on this data."""
        return Energy(self, data, streams)


class Energy(Metric):
    """Energy between samples and held-out data, each sample taken as one point."""

    columns: ClassVar = {
        "energy": Column(
            "Unbiased potential energy between the samples and held-out data; zero is perfect.",
            "length**-d",
            "symlog",
            noise="energy_noise_floor",
        ),
        "energy_noise_floor": Column(
            "Root mean square of that energy for data against data: below about twice this, nothing can be told from "
            "zero.",
            "length**-d",
            axis="",
        ),
    }
    headline = ("energy",)

    def check(self) -> None:
        """Raise unless as many are held out as samples are taken."""
        self.expect_held_out()

    @property
    def kernel(self) -> Plummer:
        """The kernel."""
        return Plummer(self.config.exponent, self.config.softening)

    @cached_property
    def _held_out(self) -> np.ndarray:
        return _points(self.data.held_out.first(self.samples))

    @cached_property
    def _floor(self) -> float:
        like_samples = _points(self.data.like_samples.first(self.samples))
        return energy_noise_floor(like_samples, self._held_out, self.kernel, self.streams.stream("noise floor"))

    def evaluate(self, samples: np.ndarray) -> Mapping[str, float]:
        """Energy and its noise floor."""
        energy = interaction_energy(self._held_out, _points(samples), self.kernel, unbiased=True)
        return {"energy": float(energy), "energy_noise_floor": self._floor}

    @cached_property
    def reference(self) -> Mapping[str, float]:
        """See the base class; by chance alone the energy has a mean of zero and the noise floor as its deviation."""
        return {**super().reference, "energy" + DEVIATION: self._floor}


def _points(samples: np.ndarray) -> np.ndarray:
    return samples.reshape(len(samples), -1)


def energy_noise_floor(
    first: np.ndarray, second: np.ndarray, kernel: RadialKernel, rng: np.random.Generator, splits: int = SPLITS
) -> float:
    r"""Root mean square of the unbiased energy (Eq 33) between random halves of two sets of data.

    Parameters
    ----------
    first, second : array, shape (N, m)
        Two independent sets of data [length].
    kernel : RadialKernel
        The kernel of the energy to judge.
    rng : numpy.random.Generator
        Draws the splits.
    splits : int
        How many.

    Returns
    -------
    float
        Noise floor [kernel].

    Notes
    -----
    If samples came from the data's own distribution, every split of the pool would be as likely as the given one: this
    is the null distribution of the two-sample permutation test, whose mean is zero. It holds for sets of this
    size N; the floor falls as 1/N.
    """
    pool = np.concatenate([first, second])
    energies = []
    for _ in range(splits):
        left, right = np.split(rng.permutation(pool), [len(first)])
        energies.append(float(interaction_energy(left, right, kernel, unbiased=True)))
    return math.sqrt(np.mean(np.square(energies)))
