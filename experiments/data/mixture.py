"""Gaussian components on a square grid: the paper's toy data (Appendix A.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp


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
        if self.components_per_side < 2:
            raise ValueError(f"components_per_side: expected at least 2, got {self.components_per_side}")
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
