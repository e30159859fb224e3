r"""How well samples match a mixture of Gaussians: its modes, their weights and widths, and the energy to the data.

A sample belongs to the mode whose centre is nearest, and is of *high quality* within :data:`RADIUS` standard deviations
of it. In the plane a perfect generator has a share :math:`1 - e^{-9/2} = 0.989` of these.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import gammainc, rel_entr

from coulombfield import interaction_energy
from coulombfield.kernels import RadialKernel

from ..data.mixture import GaussianMixture
from .metric import Metric

RADIUS = 3.0
"""Radius of high quality around a centre [standard deviations]; the usual choice for this data."""

COVERED_SHARE = 0.2
"""Share of a mode's fair number of samples that must be there, with high quality, for the mode to count as covered."""

SPLITS = 16
"""Random splits behind the noise floor, which makes it exact to about 1/sqrt(2 * 16) = 18 %."""

METRICS = {
    "modes_covered": Metric(
        "Modes that have at least 20 % of their fair share of the samples within three standard deviations."
    ),
    "high_quality_share": Metric("Share of the samples within three standard deviations of a mode's centre."),
    "mode_kl": Metric(
        "Kullback-Leibler divergence of the samples' shares of the modes from the true shares [nat]; zero is perfect.",
        "log",
    ),
    "within_mode_variance_ratio": Metric(
        "Variance of the samples inside a mode, divided by the mode's own variance; one is perfect, zero is collapsed."
    ),
    "energy": Metric(
        "Unbiased potential energy between the samples and held-out data [length**-d]; zero is perfect.",
        "symlog",
        noise="energy_noise_floor",
    ),
    "energy_noise_floor": Metric(
        "Root mean square of that energy for data against data: below about twice this, nothing can be told from zero.",
        scale="",
    ),
}


def mode_metrics(samples: np.ndarray, mixture: GaussianMixture) -> dict[str, float]:
    r"""Coverage, quality, balance and width of the modes.

    Parameters
    ----------
    samples : array, shape (N, 2)
        Generated samples [length].
    mixture : GaussianMixture
        The true distribution.

    Returns
    -------
    dict
        ``modes_covered`` [modes], ``high_quality_share`` [1], ``mode_kl`` [nat], ``within_mode_variance_ratio`` [1].

    Raises
    ------
    ValueError
        If ``samples`` has another shape, is empty, or has values that are not finite.

    Notes
    -----
    *Covered.* The literature often counts a mode as soon as one high-quality sample is in it, so that the answer
    depends on how many samples are drawn, and a few strays are enough. A fixed part of the fair share does not and is
    always stricter: at least two samples are asked for, without which a mode has no variance.

    *KL.* :math:`\sum_k p_k \ln (K p_k)` with all samples, also those of low quality. A mode without samples
    needs no smoothing, as the true shares are never zero: its term is zero, and the others add up to at least
    :math:`\ln(K / (K - 1))`. N samples of the data itself have about (K - 1) / 2N.

    *Variance.* For each covered mode, the unbiased variance of its high-quality samples about their own mean, averaged
    over axes and covered modes. Cutting a Gaussian off at a radius takes variance away, by a factor known in closed
    form:

    .. math:: \frac{P(m/2 + 1, R^2/2)}{P(m/2, R^2/2)} = 0.949 \quad (m = 2,\ R = 3)

    with the regularised incomplete gamma function :math:`P`. The result is divided by it, so that an exact Gaussian has
    ratio one; a uniform smear over the plane has 2.37. Without a covered mode the ratio is zero.
    """
    if samples.ndim != 2 or samples.shape[1] != 2 or len(samples) == 0:
        raise ValueError(f"samples: expected a non-empty array of shape (N, 2), got shape {samples.shape}")
    samples = samples.astype(np.float64)
    if not np.isfinite(samples).all():
        raise ValueError("samples: expected finite values")
    count, modes, deviation = len(samples), len(mixture.centres), math.sqrt(mixture.variance)
    distance, nearest = cKDTree(mixture.centres).query(samples)
    good = distance <= RADIUS * deviation
    held = np.bincount(nearest[good], minlength=modes)
    covered = held >= max(2.0, COVERED_SHARE * count / modes)
    share = np.bincount(nearest, minlength=modes) / count
    return {
        "modes_covered": int(covered.sum()),
        "high_quality_share": float(good.mean()),
        "mode_kl": float(rel_entr(share, 1 / modes).sum()),
        "within_mode_variance_ratio": _variance_ratio(samples[good], nearest[good], np.flatnonzero(covered), deviation),
    }


def _variance_ratio(samples: np.ndarray, modes: np.ndarray, covered: np.ndarray, deviation: float) -> float:
    if len(covered) == 0:
        return 0.0
    m = samples.shape[1]
    kept = gammainc(m / 2 + 1, RADIUS**2 / 2) / gammainc(m / 2, RADIUS**2 / 2)
    variance = np.mean([samples[modes == mode].var(axis=0, ddof=1) for mode in covered])
    return float(variance / (kept * deviation**2))


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


class MixtureMetrics:
    """All metrics of :data:`METRICS` against one mixture and one held-out set.

    Parameters
    ----------
    mixture : GaussianMixture
        The true distribution.
    data, held_out : array, shape (N, 2)
        Two independent sets of real points [length]; samples are compared with the second, and the first takes the
        place of samples in :attr:`reference`.
    kernel : RadialKernel
        Kernel of the energy, with the softening at which all evaluations are made.
    rng : numpy.random.Generator
        Draws the splits of the noise floor, now.

    Notes
    -----
    Energies use the first N of the samples, so that they compare with the noise floor; the rest uses all.
    """

    def __init__(
        self,
        mixture: GaussianMixture,
        data: np.ndarray,
        held_out: np.ndarray,
        kernel: RadialKernel,
        rng: np.random.Generator,
    ):
        if data.shape != held_out.shape:
            raise ValueError(f"data: expected the shape {held_out.shape} of held_out, got {data.shape}")
        self.mixture = mixture
        self.held_out = held_out
        self.kernel = kernel
        self.noise_floor = energy_noise_floor(data, held_out, kernel, rng)
        self.reference = self(data)

    def __call__(self, samples: np.ndarray) -> dict[str, float]:
        """Metrics of ``samples``, shape (at least N, 2), of the held-out set's dtype."""
        size = len(self.held_out)
        if len(samples) < size:
            raise ValueError(f"samples: expected at least {size}, as many as are held out, got {len(samples)}")
        energy = interaction_energy(self.held_out, samples[:size], self.kernel, unbiased=True)
        return {
            **mode_metrics(samples, self.mixture),
            "energy": float(energy),
            "energy_noise_floor": self.noise_floor,
        }
