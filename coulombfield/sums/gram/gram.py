r"""Sums over charges in high dimension: squared distances and fields through matrix products, exact where they cancel.

With the points centred on the mean of the charges or of some, a tile of squared distances and its part of the field are

.. math:: s_{ij} = \|a_i\|^2 + \|b_j\|^2 - 2\, a_i \cdot b_j, \qquad
    E_i = \Bigl(\sum_j W_{ij}\Bigr) a_i - \sum_j W_{ij} b_j, \qquad W_{ij} = -2 q_j f'(s_{ij}),

two products that BLAS runs at the processor's full speed. Both cancel for points that are close together. Such pairs
(:mod:`.near_pairs` says which) are taken out of W, and their terms are computed from the differences of the original
coordinates, as `direct` computes all. Centring moves each coordinate by half a unit in its last place at most, which
matters to near pairs only.

Accuracy: the terms' errors are a few units of rounding times the condition of the kernel (a factor of 1 + d/2 for
r^(−d)). k(a, a) is exact to the last bit, and a coincident pair's field exactly zero, for any order in which BLAS adds
up; in float32 for less than 2^21 coordinates. Numba's threads change no bit, but BLAS's own may, and its version.

On NumPy, points that are mostly zeros, such as one-hot rows, go by gathers where these are faster
(:mod:`.sparse_tiles`); other libraries multiply all.

Memory: the points once more, the results once more, and a tile: on NumPy (:mod:`.compiled_tiles`) of 2^23 numbers and
512 rows of its field at most, on CuPy (:mod:`.cuda_tiles`) of 2^22 numbers, on other libraries (:mod:`.array_tiles`)
some ten arrays of as many. Pairs that need differences cost tens of times more than others. In tight clusters they can
be many: the matrix products then save nothing, but the result is the same.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import numpy as np

from ...arrays import Array, float32_products, library, namespace
from ...profiles import slope_at, value_at
from .. import direct
from ..costs import table
from ..request import Request, Result, Tangent
from . import array_tiles, cuda_tiles, sparse_tiles, tangent_tiles
from .near_pairs import nearness

SAMPLE = 32  # targets and charges whose distances tell how many pairs are near
WORTH_A_SAMPLE = 2**18  # pairs


def refusal(request: Request) -> str:
    """Why this engine can't serve the kernel; empty whatever the arrays are, if it can."""
    return request.profile.uncompiled(request.targets.dtype) if isinstance(request.targets, np.ndarray) else ""


def seconds(request: Request) -> float:
    """Time by the numbers of pairs and of coordinates, and by the share of near pairs in a sample.

    On CuPy near pairs cost little, and the host would wait for a sample. Other libraries than these get this engine by
    name only: not all of them can write into arrays.
    """
    if isinstance(request.targets, np.ndarray) and request.pairs >= WORTH_A_SAMPLE:
        return _seconds(request, _near_share(request))
    return least(request)


def least(request: Request) -> float:
    """Time without near pairs, found without a look at any value [s]."""
    return _seconds(request, 0.0)


def _seconds(request: Request, near_share: float) -> float:
    if library(type(request.targets)) not in ("numpy", "cupy"):
        return math.inf
    targets, positions = request.targets, request.positions
    (count, dimension), xp = targets.shape, namespace(targets)
    # A field takes a second product, and near pairs as many differences again; float64 takes twice the time.
    costs, passes = table(), 1 + request.field
    pair = costs.gram_pair + dimension * costs.gram_axis
    pair += (costs.gram_near_pair + dimension * costs.gram_near_axis) * near_share
    work = passes * (request.pairs * pair + (count + positions.shape[0]) * dimension * costs.gram_coordinate)
    itemsize = 8 if targets.dtype == xp.float64 else 4
    operations = costs.operations(request.profile.work(quick=False), itemsize)
    return costs.gram_call + work * itemsize / 4 + request.pairs * operations * costs.operation(itemsize)


def evaluate(request: Request) -> Result:
    """The sums."""
    targets, positions = request.targets, request.positions
    if targets.shape[0] == 0 or positions.shape[0] == 0:
        xp = namespace(targets)
        zeros = xp.zeros_like(targets)
        return Result(xp.sum(zeros, axis=1) if request.potential else None, zeros if request.field else None)
    with _exact_products(targets):
        if isinstance(targets, np.ndarray):
            return sparse_tiles.sums(request)
        return (cuda_tiles if cuda_tiles.serves(targets, request.profile) else array_tiles).sums(request)


def jvp(request: Request, tangent: Tangent) -> Result:
    """Derivatives of the sums along a tangent, as :func:`.direct.jvp` defines them."""
    if request.pairs == 0:
        return direct.jvp(request, tangent)
    with _exact_products(request.targets):
        return tangent_tiles.jvp(request, tangent)


def _exact_products(like: Array) -> AbstractContextManager[None]:
    """Factors rounded to TF32, which CuPy may be told to do, would take from near points what is left of distance."""
    return float32_products(namespace(like), tf32=False)


def _near_share(request: Request) -> float:
    """Share of near pairs among some targets and charges, taken at even distances and never the same point."""
    xp = namespace(request.targets)
    stride, step = (max(1, points.shape[0] // SAMPLE) for points in (request.targets, request.positions))
    charges = request.positions[step // 2 :: step, :]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        centre = xp.mean(charges, axis=0)
        a, b = request.targets[::stride, :] - centre, charges - centre
        norms = xp.sum(a * a, axis=1)[:, None] + xp.sum(b * b, axis=1)[None, :]
        with _exact_products(a):
            s = array_tiles.square_distances(xp, a @ b.T, norms)
        criterion = nearness(a.shape[1], float(xp.finfo(a.dtype).eps), request.field)
        near = array_tiles.near_pairs(
            xp, s, norms, request.profile, criterion, (value_at, slope_at)[: 1 + request.field]
        )
    return float(xp.mean(xp.astype(near, a.dtype)))
