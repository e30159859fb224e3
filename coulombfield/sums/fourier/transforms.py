"""Non-uniform Fourier transforms by finufft (NumPy) or cufinufft (CuPy), made independent of the number of threads.

With several threads finufft adds the charges' contributions in whatever order they come, and its Fourier transforms too
have other roundings for each number of threads. Here every transform is done by one thread alone, several at a time:
those of fixed shares of the charges, which are added in their order, and those to each set of outputs.

Source: Barnett, Magland and af Klinteberg, SIAM J. Sci. Comput. 41 (2019) C479.
"""

from __future__ import annotations

import importlib
import itertools
import math
import threading
from typing import Any

import array_api_compat
import numba
import numpy as np

from ...arrays import Array, library, namespace
from ...packages import trouble_with
from ...threads import share
from ..costs import BUILT_IN, Costs, table

PACKAGES = {"numpy": "finufft", "cupy": "cufinufft"}
SHARE = 2**15  # points that are worth a share
GRID_SHARE = 0.25  # of the time for its points, that a share's own grid and its Fourier transform may take
MOST_SHARES = 16
LARGEST_UNSORTED = {1: 2**22, 2: 2**24}
"""Bytes of a grid up to which visiting the points as they come is faster than sorting them, by the transform's type."""
SMALLEST_TOLERANCE = {"complex64": 3e-7, "complex128": 3e-15}
"""Below these finufft only warns of its rounding."""
OVERSAMPLINGS = {2.0: 0.0, 1.25: 3e-9}
"""Grid points a mode along each axis, and the tolerance down to which that serves."""
WIDEST = 16  # finufft's kernels, in grid points


def missing(name: str) -> str:
    """Why the transforms for arrays of the named library can't be used, and what to do; an empty string if they can."""
    needed = PACKAGES[name]
    return trouble_with(needed, "pip install " + ("'coulombfield[fast]'" if needed == "finufft" else needed))


def grid_size(modes: int, oversampling: float) -> int:
    """Points of finufft's grid along an axis with that many modes: the next even number without a prime above 5."""
    size = 2 * math.ceil(max(oversampling * modes, 2) / 2)
    while not _is_smooth(size):
        size += 2
    return size


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def seconds(points: int, sets: int, shape: tuple[int, ...], tolerance: float, oversampling: float, dtype: str) -> float:
    """Time that transforms of several sets take on one core; inf if the tolerance can't be had."""
    if tolerance < max(OVERSAMPLINGS[oversampling], SMALLEST_TOLERANCE[dtype] / 3):
        return math.inf
    return sets * sum(_parts(table(), points, shape, tolerance, oversampling, dtype))


def _parts(
    costs: Costs, points: int, shape: tuple[int, ...], tolerance: float, oversampling: float, dtype: str
) -> tuple[float, float]:
    """Time that one transform on one core takes for the points, and for its grid [s]."""
    dimension = len(shape)
    digits = math.log(1 / min(0.1, max(tolerance, SMALLEST_TOLERANCE[dtype])))
    width = min(WIDEST, math.ceil(digits / (math.pi * math.sqrt(1 - 1 / oversampling))) + 1)
    spreading = costs.transform_point(dimension) + costs.spread(dimension, dtype) * width**dimension
    grid = math.prod(grid_size(size, oversampling) for size in shape)
    return points * spreading, grid * math.log2(grid) * costs.grid_point(dtype)


def to_modes(
    angles: list[Array], weights: Array, shape: tuple[int, ...], tolerance: float, oversampling: float
) -> Array:
    r"""Type 1: :math:`\rho_k = \sum_j w_j e^{-i k \cdot x_j}` for :math:`|k_l| \le (n_l - 1) / 2`.

    Parameters
    ----------
    angles : list of m arrays, shape (S,)
        Coordinates in [−π, π], all of one real dtype.
    weights : array, shape (S,)
        Of the complex dtype that goes with it.
    shape : tuple of m odd int
        Modes n_l along each axis.
    tolerance : float
        Relative error, as finufft defines it.
    oversampling : float
        Grid points a mode, 2 or 1.25.

    Returns
    -------
    array, shape ``shape``
        Complex.
    """
    if library(type(weights)) != "numpy":
        return _plan(1, weights, shape, 1, tolerance, oversampling, angles).execute(weights)
    count = weights.shape[0]
    # By the size of the problem alone: the bits must depend on neither the number of threads nor the machine's costs.
    for_points, for_grid = _parts(BUILT_IN, count, shape, tolerance, oversampling, str(weights.dtype))
    worth = min(MOST_SHARES, GRID_SHARE * for_points / for_grid)
    # A power of 2, as most numbers of threads are: three shares would take two threads longer than two.
    shares = 2 ** max(1, int(math.log2(worth))) if count >= 2 * SHARE else 1
    bounds = _bounds(count, shares)

    parts: list[Array] = [None] * shares

    def transform(start: int, stop: int) -> None:
        for number in range(start, stop):
            some = slice(bounds[number], bounds[number + 1])
            plan = _plan(1, weights, shape, 1, tolerance, oversampling, [x[some] for x in angles])
            parts[number] = plan.execute(weights[some])

    share(transform, shares)
    total, *rest = parts
    for part in rest:
        total += part
    return total


def to_points(modes: Array, angles: list[Array], tolerance: float, oversampling: float) -> Array:
    r"""Type 2: :math:`\sum_k c_k e^{+i k \cdot x_i}` for several sets of modes.

    Parameters
    ----------
    modes : array, shape (n_sets, n_1, ..., n_m)
        Complex.
    angles, tolerance, oversampling
        As for :func:`to_modes`.

    Returns
    -------
    array, shape (n_sets, T)
        Complex.
    """
    sets, *shape = modes.shape
    xp = namespace(modes)
    if library(type(modes)) != "numpy":
        plan = _plan(2, modes, tuple(shape), sets, tolerance, oversampling, angles)
        return xp.reshape(plan.execute(modes if sets > 1 else modes[0]), (sets, -1))
    count, threads = angles[0].shape[0], numba.get_num_threads()
    found = np.empty((sets, count), modes.dtype)
    # A target's sum is the same in any share.
    bounds = _bounds(count, max(1, min(count // SHARE, math.ceil(threads / sets))))
    jobs = [(number, *ends) for number in range(sets) for ends in itertools.pairwise(bounds)]

    def transform(start: int, stop: int) -> None:
        for number, first, end in jobs[start:stop]:
            plan = _plan(2, modes, tuple(shape), 1, tolerance, oversampling, [x[first:end] for x in angles])
            plan.execute(modes[number], out=found[number, first:end])

    share(transform, len(jobs))
    return found


def _bounds(count: int, shares: int) -> list[int]:
    return [count * part // shares for part in range(shares + 1)]


def _plan(
    kind: int,
    like: Array,
    shape: tuple[int, ...],
    sets: int,
    tolerance: float,
    oversampling: float,
    angles: list[Array],
) -> Any:
    """A plan at these points; on a GPU the last one of its kind, where only the points are others."""
    name = str(np.dtype(like.dtype))
    options: dict[str, Any] = {"upsampfac": oversampling}
    on_host = array_api_compat.is_numpy_array(like)
    if on_host:
        grid = math.prod(grid_size(size, oversampling) for size in shape) * like.dtype.itemsize
        options |= {"nthreads": 1, "showwarn": 0, "spread_sort": int(grid > LARGEST_UNSORTED[kind])}
    tolerance = min(0.1, max(tolerance, SMALLEST_TOLERANCE[name]))
    module = importlib.import_module(PACKAGES[library(type(like))])
    what = kind, shape, sets, tolerance, -1 if kind == 1 else 1, name
    if on_host:
        plan = module.Plan(*what, **options)
    else:
        kept, slot = vars(_kept), f"type_{kind}"
        key = (*what, oversampling, array_api_compat.device(like))
        if slot not in kept or kept[slot][0] != key:
            kept.pop(slot, None)  # first, or memory would have to hold both grids
            kept[slot] = key, module.Plan(*what, **options)
        plan = kept[slot][1]
    plan.setpts(*angles)
    return plan


# By kind, of each thread: making one takes allocations, a plan of the FFT and a table, transforming may take less.
_kept = threading.local()
