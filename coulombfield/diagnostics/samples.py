r"""Distances between two samples, and whether they are more than chance.

All are one quadratic form in the signed measure of both samples, for a kernel k:

.. math:: D = \overline{k(y, y')} + \overline{k(x, x')} - 2\,\overline{k(y, x)} = 2 \hat F

With a kernel of the package D is the square of the maximum mean discrepancy (MMD), and with k = −r Székely's energy
distance.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from ..arguments import check_count
from ..arrays import Array, backend, to_numpy
from ..charges import checked_samples, unit_charges
from ..energy import electrostatic_energy, interaction_energy
from ..kernels import RadialKernel, check_kernel, value_at_zero
from ..profiles import Profile, Work
from ..rng import Streams
from ..sums import potential

KERNEL_ONCE = 2**13  # points of both samples up to which a permutation test computes each pair's kernel only once
TILE_NUMBERS = 2**21  # kernel values in a tile
AXES = 8  # dimensions up to which squared distances are sums of squares
COLUMNS = 256  # permutations that are multiplied at a time


class Root(Profile, NamedTuple("Root", [("factor", float)])):
    """f(s) = factor · √s as a profile (:mod:`coulombfield.profiles`); it has a value only."""

    __slots__ = ()

    @property
    def derivatives(self) -> int:
        """None."""
        return 0

    def work(self, quick: bool) -> Work:
        """A root."""
        return Work(roots=1.0)

    def stretched(self, factor: float) -> Root:
        """The profile with which points stretched by a factor have the values that these points had."""
        return Root(self.factor / factor)

    def value(self, xp, s):  # type: ignore[no-untyped-def]  # Numba compiles it, by the names alone
        """f(s)."""
        return self.factor * xp.sqrt(s)


class NegativeDistance(RadialKernel):
    """k(a, b) = −‖a − b‖, whose quadratic form in two samples is their energy distance."""

    @functools.cached_property
    def profile(self) -> Root:
        """−√s."""
        return Root(-1.0)

    def __repr__(self) -> str:
        return "NegativeDistance()"


class SampleTest(NamedTuple):
    """Whether two samples may come from one distribution."""

    statistic: float
    """The distance D of the samples [kernel]."""
    p_value: float
    """(1 + permutations whose D is no smaller) / (1 + permutations)."""
    null: np.ndarray
    """D for each permutation, shape (permutations,), float64."""


def energy_distance(
    real: Array, generated: Array, *, unbiased: bool = False, rtol: float | None = None, method: str = "auto"
) -> float:
    r"""Székely's energy distance of two samples [length].

    .. math:: D = 2\,\overline{\|y - x\|} - \overline{\|y - y'\|} - \overline{\|x - x'\|}

    Parameters
    ----------
    real, generated : array, shapes (N_y, m) and (N_x, m)
        The samples [length], of one library, dtype and device, with a point each or more.
    unbiased : bool
        Means over pairs i ≠ j: the U-statistic, which may be negative. It needs two points of each.
    rtol, method
        As for :func:`coulombfield.interaction_energy`.

    Returns
    -------
    float
        D, or its unbiased estimate. (SciPy's ``energy_distance``, for m = 1, is the root of the former.)

    Raises
    ------
    TypeError, ValueError
        As for :func:`coulombfield.interaction_energy`.
    """
    return mmd_squared(real, generated, NegativeDistance(), unbiased=unbiased, rtol=rtol, method=method)


def mmd_squared(
    real: Array,
    generated: Array,
    kernel: RadialKernel,
    *,
    unbiased: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> float:
    r"""Square of the maximum mean discrepancy of two samples [kernel], twice :func:`coulombfield.interaction_energy`.

    .. math:: \mathrm{MMD}^2 = \overline{k(y, y')} + \overline{k(x, x')} - 2\,\overline{k(y, x)}

    Parameters and exceptions are those of :func:`coulombfield.interaction_energy`.
    """
    return 2.0 * interaction_energy(real, generated, kernel, unbiased=unbiased, rtol=rtol, method=method)


def permutation_test(
    real: Array,
    generated: Array,
    kernel: RadialKernel | None = None,
    *,
    permutations: int = 999,
    seed: int = 0,
    unbiased: bool = False,
    rtol: float | None = None,
    method: str = "auto",
) -> SampleTest:
    """Test whether two samples come from one distribution, by exchanging points between them at random.

    Parameters
    ----------
    real, generated : array, shapes (N_y, m) and (N_x, m)
        The samples [length], of one library, dtype and device, with two points each or more.
    kernel : RadialKernel, optional
        The kernel of the MMD; without it the energy distance is used.
    permutations : int
        How many random exchanges to compare with, 1 or more.
    seed : int
        Seed of the random stream "permutation test".
    unbiased : bool
        Take the unbiased estimate for the statistic. For samples of equal size this hardly matters.
    rtol, method
        As for :func:`coulombfield.potential`; used for more than 8192 points only.

    Returns
    -------
    SampleTest
        Statistic, p-value and the statistics of the permutations. Under the hypothesis of one distribution the
        p-value is at most p with a probability of at most p, for any sizes of the samples.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Notes
    -----
    Up to 8192 points in both samples together, each kernel value is computed once, in tiles, and all permutations are
    a product of matrices: O(N² P) multiplications, memory O(N P) and a tile. Beyond, each permutation is a sum over
    the pairs inside one of its halves, by any engine: then ``rtol`` is what makes it fast. Statistics that differ by
    less than their rounding count as equal.
    """
    kernel = NegativeDistance() if kernel is None else kernel
    check_kernel(kernel)
    check_count("permutations", permutations, least=1)
    real, generated = checked_samples(real, generated, least=2)
    pooled = backend(real=real).concat([real, generated])
    random = Streams(seed).stream("permutation test")
    first = np.arange(pooled.shape[0]) < real.shape[0]  # who belongs to the first half, here and in each permutation
    members = np.stack([first, *(random.permutation(first) for _ in range(int(permutations)))], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # of a bare inverse power where points coincide
        if pooled.shape[0] <= KERNEL_ONCE:
            within, sums = _by_products(pooled, kernel, members)
        else:
            within, sums = _by_sums(pooled, kernel, members, rtol=rtol, method=method)
        statistics, size = _statistics(within, sums, members, kernel, unbiased)
    if not np.isfinite(statistics[0]):
        raise ValueError(
            f"real, generated: their distance by {kernel} is {statistics[0]}; expected finite points, and "
            "unbiased=True for a kernel that is infinite where points coincide"
        )
    rounding = 64 * float(np.finfo(float).eps) * size
    no_smaller = int(np.count_nonzero(statistics[1:] >= statistics[0] - rounding))
    return SampleTest(float(statistics[0]), (1 + no_smaller) / (1 + int(permutations)), statistics[1:])


def _by_products(pooled: Array, kernel: RadialKernel, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Σ k over the ordered pairs i ≠ j inside each first half, and over all j ≠ i for each i."""
    xp, device = backend(pooled=pooled), array_api_compat.device(pooled)
    count, columns = members.shape
    pooled = xp.astype(pooled, xp.float64)
    pooled = pooled - xp.mean(pooled, axis=0)
    height = max(1, TILE_NUMBERS // count)
    within, sums = np.zeros(columns), np.zeros(count)
    halves = xp.asarray(members, dtype=xp.float64, device=device)
    for i in range(0, count, height):
        stop = min(i + height, count)
        s = _squared_distances(pooled[i:stop, :], pooled[i:, :])
        values = kernel.value(s)
        earlier = xp.arange(stop - i, device=device)[:, None] >= xp.arange(count - i, device=device)[None, :]
        values = xp.where(earlier, xp.zeros_like(values), values)  # each pair once, as i < j
        sums[i:stop] += to_numpy(xp.sum(values, axis=1))
        sums[i:] += to_numpy(xp.sum(values, axis=0))
        for j in range(0, columns, COLUMNS):
            block = slice(j, min(j + COLUMNS, columns))
            product = xp.sum(halves[i:stop, block] * (values @ halves[i:, block]), axis=0)
            within[block] += 2.0 * to_numpy(product)
    return within, sums


def _squared_distances(a: Array, b: Array) -> Array:
    """Shape (count of a, count of b); in many dimensions by a product, whose rounding all permutations share."""
    xp, dimension = backend(a=a, b=b), a.shape[1]
    if dimension > AXES:
        squares = [xp.sum(points * points, axis=1) for points in (a, b)]
        s = squares[0][:, None] + squares[1][None, :] - 2.0 * (a @ b.T)
        return xp.maximum(s, xp.zeros_like(s))
    s = 0.0
    for axis in range(dimension):
        difference = a[:, axis][:, None] - b[:, axis][None, :]
        s = s + difference * difference
    return s


def _by_sums(pooled: Array, kernel: RadialKernel, members: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """The same by sums over charges, one a permutation."""
    xp, device = backend(pooled=pooled), array_api_compat.device(pooled)
    sums = potential(pooled, unit_charges(pooled), kernel, exclude_self=True, **options)
    within = []
    for half in members.T:
        points = xp.take(pooled, xp.asarray(np.flatnonzero(half), device=device), axis=0)
        within.append(2.0 * electrostatic_energy(unit_charges(points), kernel, exclude_self=True, **options))
    return np.asarray(within), to_numpy(sums).astype(float)


def _statistics(
    within: np.ndarray, sums: np.ndarray, members: np.ndarray, kernel: RadialKernel, unbiased: bool
) -> tuple[np.ndarray, float]:
    """D of each permutation, and the size of the terms that it is a difference of."""
    n = int(np.count_nonzero(members[:, 0]))
    m = len(sums) - n
    crossing = np.einsum("i,ip->p", sums, members) - within
    others = float(np.sum(sums)) - within - 2.0 * crossing
    if unbiased:
        own = within / (n * (n - 1)) + others / (m * (m - 1))
    else:
        at_zero = value_at_zero(kernel)
        own = (within / n + at_zero) / n + (others / m + at_zero) / m
    return own - 2.0 * crossing / (n * m), float(np.max(np.abs(own)))
