"""Gaussian components on a square grid: the paper's toy data (Appendix A.5)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp

from coulombfield.arrays import Device

from .dataset import ArrayPart, DataConfig

MARGIN = 4.0  # standard deviations of a component that figures show beyond the outermost centres


@dataclass(frozen=True)
class GaussianMixture:
    r"""Equally likely isotropic Gaussians in the plane, centred on a square grid (Appendix A.5).

    .. math:: p(a) = \frac{1}{K} \sum_{k=1}^{K} \mathcal{N}(a; c_k, \sigma^2 I)

    Parameters
    ----------
    components_per_side : int
        Centres along each axis, so that :math:`K` is its square; at least 2.
    extent : float
        The centres are spread evenly over [-extent, extent] on both axes [length].
    variance : float
        Variance :math:`\sigma^2` of each component along each axis [length**2].

    Raises
    ------
    ValueError
        If a parameter is out of range; the message starts with its name.
    """

    components_per_side: int = 5
    extent: float = 21.0
    variance: float = 1.0

    def __post_init__(self) -> None:
        if not 2 <= self.components_per_side <= 1_000:
            raise ValueError(f"components_per_side: expected from 2 to 1000, got {self.components_per_side}")
        for name in ("extent", "variance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")

    @cached_property
    def centres(self) -> np.ndarray:
        """Centres, shape (K, 2), float64 [length]."""
        ticks = np.linspace(-self.extent, self.extent, self.components_per_side)
        centres = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
        centres.flags.writeable = False  # one array serves all callers
        return centres

    def sample(self, count: int, rng: np.random.Generator, dtype: np.typing.DTypeLike = np.float64) -> np.ndarray:
        """Independent points.

        Parameters
        ----------
        count : int
            Number of points.
        rng : numpy.random.Generator
            Source of randomness; float32 and float64 draw the same points but for rounding.
        dtype : dtype
            Floating-point type of the result.

        Returns
        -------
        array, shape (count, 2)
            Points [length].
        """
        component = rng.integers(len(self.centres), size=count)
        offset = rng.standard_normal((count, 2))
        return (self.centres[component] + math.sqrt(self.variance) * offset).astype(dtype)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Natural logarithm of the density.

        Parameters
        ----------
        points : array, shape (N, 2)
            Where [length].

        Returns
        -------
        array, shape (N,)
            Log density, float64 [log of length**-2].

        Notes
        -----
        Memory is O(N K).
        """
        squared = ((points[:, None, :].astype(np.float64) - self.centres) ** 2).sum(-1)
        normaliser = math.log(2 * math.pi * self.variance * len(self.centres))
        return logsumexp(-squared / (2 * self.variance), axis=1) - normaliser


@dataclass(frozen=True, kw_only=True)
class Config(DataConfig):
    """The real points.

    Parameters
    ----------
    components_per_side : int
        Centres along each axis.
    extent : float
        The centres spread over [-extent, extent] [length].
    variance : float
        Of each component along each axis [length**2].
    points : int
        Size of the training set.
    held_out : int
        Size of each of the two sets that no training sees, which the metrics need.
    """

    components_per_side: int = 5
    extent: float = 21.0
    variance: float = 1.0
    points: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 2:
            raise ValueError(f"points: expected at least 2, got {self.points}")
        _ = self.mixture

    @property
    def mixture(self) -> GaussianMixture:
        """The distribution."""
        return GaussianMixture(self.components_per_side, self.extent, self.variance)

    def open(self, *, batch: int, rng: np.random.Generator, dtype: str, device: Device) -> MixtureData:
        """Points drawn now; a minibatch is drawn with replacement, so that it may have more than there are."""
        return MixtureData(self, rng, dtype, device)


class MixtureData:
    """Points of a mixture of Gaussians.

    Parameters
    ----------
    config : Config
        Which mixture, and how many points.
    rng : numpy.random.Generator
        Draws them.
    dtype : str
        Their floating-point type.
    device : Device
        Where minibatches go.
    """

    form = "points"
    shape = (2,)
    bounds = None

    def __init__(self, config: Config, rng: np.random.Generator, dtype: str, device: Device):
        self.mixture = config.mixture
        self.extent = config.extent + MARGIN * config.variance**0.5
        sizes = (config.points, config.held_out, config.held_out)
        parts = [self.mixture.sample(n, rng, dtype) for n in sizes]
        self._hash = hashlib.sha256(np.ascontiguousarray(parts[0]).tobytes()).hexdigest()
        self.training, self.like_samples, self.held_out = (ArrayPart(part, device) for part in parts)

    def facts(self) -> dict[str, Any]:
        """Nothing beside form and shape."""
        return {}

    def provenance(self) -> dict[str, str]:
        """SHA-256 of the training set."""
        return {"data_sha256": self._hash}
