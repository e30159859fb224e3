"""How well samples match images, by numbers that need no trained classifier: energy, neighbours, mean and deviation.

Images are compared as points of R^m, pixel by pixel, so that none of these numbers is the FID.
"""

from __future__ import annotations

import numpy as np

from coulombfield import interaction_energy
from coulombfield.kernels import RadialKernel

from .metric import Metric
from .mixture import energy_noise_floor

METRICS = {
    "energy": Metric(
        "Unbiased potential energy between the samples and held-out images [pixel value**-d]; zero is perfect.",
        "symlog",
        noise="energy_noise_floor",
    ),
    "energy_noise_floor": Metric(
        "Root mean square of that energy for data against data: below about twice this, nothing can be told from zero.",
        scale="",
    ),
    "nearest_training": Metric(
        "Root mean square difference between a sample and the training image nearest to it, averaged over samples "
        "[pixel value]; much less than that of held-out images means copies of the training set.",
    ),
    "mean_error": Metric(
        "Root mean square difference between the samples' mean image and that of held-out images [pixel value].", "log"
    ),
    "deviation_error": Metric(
        "The same for the standard deviations of each pixel: what lacks variety is blamed here [pixel value].", "log"
    ),
}


def nearest(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``others`` is nearest to each image, and how far away it is.

    Parameters
    ----------
    images, others : array, shape (N, m) and (M, m)
        Points [length].

    Returns
    -------
    index : array of int, shape (N,)
        Numbers of the nearest.
    distance : array, shape (N,)
        Root mean square difference over the m values, without cancellation: exact copies are at 0 [length].

    Notes
    -----
    Memory is O(N M).
    """
    squares = np.einsum("ij,ij->i", others, others)
    index = np.argmin(squares - 2 * images @ others.T, axis=1)
    return index, np.sqrt(np.mean((images - others[index]) ** 2, axis=1))


class ImageMetrics:
    """All metrics of :data:`METRICS` against one held-out set and one training set.

    Parameters
    ----------
    data, held_out : array, shape (N, ...)
        Two independent sets of real images; samples are compared with the second, and the first takes the place of
        samples in :attr:`reference`.
    training : array, shape (M, ...)
        Images of the training set among which neighbours are looked for.
    kernel : RadialKernel
        Kernel of the energy.
    rng : numpy.random.Generator
        Draws the splits of the noise floor, now.
    """

    def __init__(
        self,
        data: np.ndarray,
        held_out: np.ndarray,
        training: np.ndarray,
        kernel: RadialKernel,
        rng: np.random.Generator,
    ):
        if data.shape != held_out.shape:
            raise ValueError(f"data: expected the shape {held_out.shape} of held_out, got {data.shape}")
        self.kernel = kernel
        self.held_out, self.training = _points(held_out), _points(training)
        self.noise_floor = energy_noise_floor(_points(data), self.held_out, kernel, rng)
        self.reference = self(data)

    def __call__(self, samples: np.ndarray) -> dict[str, float]:
        """Metrics of as many samples as are held out, shape (N, ...)."""
        points, held_out = _points(samples), self.held_out
        if points.shape != held_out.shape:
            raise ValueError(f"samples: expected {len(held_out)} of the held-out images' size, got {samples.shape}")
        return {
            "energy": float(interaction_energy(held_out, points, self.kernel, unbiased=True)),
            "energy_noise_floor": self.noise_floor,
            "nearest_training": float(nearest(points, self.training)[1].mean()),
            "mean_error": _rms(points.mean(axis=0) - held_out.mean(axis=0)),
            "deviation_error": _rms(points.std(axis=0) - held_out.std(axis=0)),
        }


def _points(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
