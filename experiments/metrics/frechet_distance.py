r"""Fréchet distance between two normal distributions, each with the mean and covariance of a set of features.

.. math:: d^2 = \|\mu_1 - \mu_2\|^2 + \operatorname{Tr} \Sigma_1 + \operatorname{Tr} \Sigma_2
    - 2 \operatorname{Tr} (\Sigma_1 \Sigma_2)^{1/2}

(Dowson & Landau 1982; of Inception's features it is the FID of Heusel et al. 2017.) With any roots
:math:`\Sigma_i = R_i R_i^T`, the last trace is the sum of the singular values of :math:`R_1^T R_2`, which are real and
not negative whatever the ranks: no square root of a matrix that is not symmetric is taken, as programs do that call
``sqrtm``, and whose results are complex or NaN for fewer features than dimensions.

Roots are the Cholesky factor of a covariance, or of N ≤ D features these themselves, centred and divided by
:math:`\sqrt{N - 1}`: squaring them would lose half of the digits where the covariance has no inverse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from scipy.linalg import blas

EPS = float(np.finfo(np.float64).eps)
ROWS = 2048  # features whose products are added up at a time
SMALL = 256  # sides of a matrix up to which its singular values themselves take no time
UNCERTAIN = 1e-9  # estimated relative error of the sum by squares up to which it will do; the true one is far smaller
ASYMMETRY = 1e-6  # relative deviation from a symmetric, non-negative matrix beyond which a file holds something else


class Gaussian:
    r"""A normal distribution, known by its covariance or by a root of it.

    Parameters
    ----------
    mean : array of float64, shape (D,)
        :math:`\mu` [feature].
    covariance : array of float64, shape (D, D), optional
        :math:`\Sigma`, symmetric and without negative eigenvalues [feature²].
    root : array of float64, shape (D, r), optional
        R with :math:`R R^T = \Sigma`, in place of the covariance [feature].

    Raises
    ------
    ValueError
        If shapes disagree, a number is not finite, or the matrix is no covariance.
    """

    def __init__(self, mean: np.ndarray, covariance: np.ndarray | None = None, *, root: np.ndarray | None = None):
        self.mean = np.asarray(mean, np.float64)
        matrix = np.asarray(covariance if root is None else root, np.float64)
        if self.mean.ndim != 1:
            raise ValueError(f"mean: expected shape (D,), got {self.mean.shape}")
        size = len(self.mean)
        if root is None and matrix.shape != (size, size):
            raise ValueError(f"covariance: expected shape {(size, size)}, got {matrix.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(matrix).all()):
            raise ValueError("mean, covariance: expected finite numbers, got some that are NaN or infinite")
        if root is not None:
            self.root = matrix
            return
        largest = np.abs(matrix).max(initial=0.0)
        if np.abs(matrix - matrix.T).max(initial=0.0) > ASYMMETRY * largest:
            raise ValueError("covariance: expected a symmetric matrix")
        if np.diag(matrix).min(initial=0.0) < -ASYMMETRY * largest:
            raise ValueError("covariance: expected variances that are not negative on the diagonal")
        self.covariance = matrix

    @cached_property
    def covariance(self) -> np.ndarray:
        """Shape (D, D)."""
        return self.root @ self.root.T

    @cached_property
    def root(self) -> np.ndarray:
        """A root of the covariance, shape (D, r); r < D where that has no inverse in float64.

        Raises
        ------
        ValueError
            If an eigenvalue of the covariance is negative beyond rounding.
        """
        covariance = self.covariance
        least = len(covariance) * EPS * np.diag(covariance).max(initial=0.0)
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            pass
        else:
            if not len(factor) or np.diag(factor).min() ** 2 > 8 * least:
                return factor
        # Eigenvalues within rounding of zero are no directions: their roots would be of the order of 1e-8.
        values, vectors = np.linalg.eigh(covariance)
        if values[0] < -ASYMMETRY * max(values[-1], 0.0):
            raise ValueError(f"covariance: expected no negative eigenvalue, got {values[0]:.3g}")
        kept = values > len(values) * EPS * values[-1]
        return vectors[:, kept] * np.sqrt(values[kept])

    @property
    def trace(self) -> float:
        """Sum of the variances."""
        if "covariance" in self.__dict__:
            return math.fsum(np.diag(self.covariance))
        return math.fsum(np.square(self.root).sum(axis=1))


class Moments:
    r"""Mean and covariance of features that come in blocks, in float64.

    Two sets of :math:`n_1` and :math:`n_2` features with means :math:`\mu_i` and scatters :math:`M_i` have together
    (Chan, Golub & LeVeque 1979)

    .. math:: M = M_1 + M_2 + \frac{n_1 n_2}{n_1 + n_2} (\mu_2 - \mu_1) (\mu_2 - \mu_1)^T,

    without the cancellation of sums of squares. Up to D features are kept as they are.

    Parameters
    ----------
    dimension : int
        D.

    Notes
    -----
    Memory is two matrices of D × D and a block.
    """

    def __init__(self, dimension: int):
        self.count, self._merged, self._mean = 0, 0, np.zeros(dimension)
        # Features that are still to be merged, and room for one more row: see there.
        self._waiting, self._buffer = 0, np.empty((max(ROWS, dimension) + 1, dimension))
        self._scatter: np.ndarray | None = None  # its lower triangle, once there are more than D features

    def add(self, features: np.ndarray) -> None:
        """Add features, shape (N, D).

        Raises
        ------
        ValueError
            If they have another shape or are not all finite.
        """
        dimension = len(self._mean)
        if features.ndim != 2 or features.shape[1] != dimension:
            raise ValueError(f"features: expected shape (N, {dimension}), got {features.shape}")
        while len(features):
            if self._waiting == len(self._buffer) - 1:
                self._merge()
            block = self._buffer[self._waiting : -1][: len(features)]
            block[:] = features[: len(block)]
            if not np.isfinite(block.sum()):
                raise ValueError("features: expected finite numbers, got some that are NaN or infinite")
            self._waiting += len(block)
            self.count += len(block)
            features = features[len(block) :]

    def gaussian(self) -> Gaussian:
        """The normal distribution of this mean and covariance (with N - 1).

        Raises
        ------
        ValueError
            If there are fewer than two features.
        """
        if self.count < 2:
            raise ValueError(f"features: expected at least 2, got {self.count}")
        if self.count <= len(self._mean):
            features = self._buffer[: self.count].copy()
            mean = features.mean(axis=0)
            features -= mean
            features /= math.sqrt(self.count - 1)
            return Gaussian(mean, root=features.T)
        lower = np.tril(self._merge()) / (self.count - 1)
        return Gaussian(self._mean.copy(), lower + np.tril(lower, -1).T)

    def _merge(self) -> np.ndarray:
        """Add the features that are kept to mean and scatter, and return the scatter's lower triangle."""
        block = self._buffer[: self._waiting + 1]
        features, term = block[:-1], block[-1]
        if self._scatter is None:
            self._scatter = np.zeros((block.shape[1],) * 2, order="F")
        if len(features):
            mean = features.mean(axis=0)
            features -= mean
            # The term of the two means is one more row of the product that adds the features' own scatter.
            difference = mean - self._mean
            np.multiply(difference, math.sqrt(self._merged * len(features) / self.count), out=term)
            self._scatter = blas.dsyrk(1.0, block.T, beta=1.0, c=self._scatter, lower=1, overwrite_c=1)
            self._mean += difference * (len(features) / self.count)
        self._merged, self._waiting = self.count, 0
        return self._scatter


def gaussian_of(blocks: Iterable[np.ndarray], dimension: int) -> Gaussian:
    """The normal distribution of features in blocks of shape (N, D); errors as of :class:`Moments`."""
    moments = Moments(dimension)
    for block in blocks:
        moments.add(block)
    return moments.gaussian()


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """Squared Fréchet distance, never negative and exactly 0 for equal distributions [feature²].

    Raises
    ------
    ValueError
        If they are of different dimensions, or a matrix is no covariance.

    Notes
    -----
    The error is that of float64 times the sum of the variances. A covariance from a file whose smallest eigenvalues are
    lost in the rounding of the largest counts as zero in their directions.
    """
    if len(first.mean) != len(second.mean):
        raise ValueError(f"second: expected {len(first.mean)} dimensions, got {len(second.mean)}")
    if np.array_equal(first.mean, second.mean) and _same_covariance(first, second):
        return 0.0
    difference = first.mean - second.mean
    overlap = nuclear_norm(first.root.T @ second.root)
    terms = [float(difference @ difference), first.trace, second.trace, -2 * overlap]
    if not all(map(math.isfinite, terms)):
        raise ValueError("means, covariances: so large that their distance is beyond float64")
    return max(0.0, math.fsum(terms))


def nuclear_norm(matrix: np.ndarray) -> float:
    """Sum of the singular values of a matrix of float64.

    Notes
    -----
    By way of their squares, the eigenvalues of the smaller Gram matrix, which a processor computes ten times as fast.
    These have an error of rounding of the largest, and their roots lose digits where they are small; where all these
    errors together may matter (:data:`UNCERTAIN`), the singular values themselves are computed.
    """
    if min(matrix.shape) == 0:
        return 0.0
    if min(matrix.shape) > SMALL:
        gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
        squares = np.linalg.eigvalsh(gram)
        rounding = 4 * EPS * squares[-1]
        values = np.sqrt(np.maximum(squares, 0.0))
        # Errors of separate roots are as good as independent; of those that are rounding alone, all have one sign.
        lost = squares < 100 * rounding
        errors = rounding / (2 * values[~lost])
        error = math.sqrt(np.square(errors).sum()) + lost.sum() * math.sqrt(rounding)
        if error <= UNCERTAIN * values.sum():
            return math.fsum(values)
    return math.fsum(np.linalg.svd(matrix, compute_uv=False))


def _same_covariance(first: Gaussian, second: Gaussian) -> bool:
    known = "root" if "root" in first.__dict__ and "root" in second.__dict__ else "covariance"
    return np.array_equal(getattr(first, known), getattr(second, known))
