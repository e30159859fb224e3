"""Charges to sum over: the sizes, dimensions and kernels that the benchmark of field sums runs through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from coulombfield import Charges, Plummer
from coulombfield.arrays import Device
from coulombfield.rng import Streams
from experiments.data.gaussian_mixture import GaussianMixture

DTYPES = ("float32", "float64")
LOW_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
HIGH_SIZES = (128, 512, 2048, 8192)
HALF_SIDE = 21.0  # of the square that the paper's 25 Gaussians lie in
CLUSTER_VARIANCE = 0.05**2
NEAR_SHARE = 0.1
NEAR_DISTANCE = 1e-4  # of a near-duplicate, relative to the spread of the points

COUNTED = "a pair of Eq 5: 3m + d + 2 operations, with its gradient 5m + d + 5, a root as one"
COUNTED_PRODUCTS = "matrix products: 2m operations a pair, with the field 4m"

Points = Callable[[np.random.Generator, int, int], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One kind of charges with one kernel, in any number.

    Parameters
    ----------
    name : str
        What ``--only`` calls it.
    title : str
        What figures call it.
    dimension : int
        m.
    kernel : Plummer
        With an integer exponent.
    points : callable
        ``points(rng, count, dimension)``, shape (count, m).
    sizes : tuple of int
        Numbers of charges, which are also the targets.
    rtol : mapping from str to float
        What engines that work to a tolerance are asked for, by dtype.
    halves : bool
        Whether the first half of the charges is positive and the rest negative; otherwise the signs are random.
    """

    name: str
    title: str
    dimension: int
    kernel: Plummer
    points: Points
    sizes: tuple[int, ...] = LOW_SIZES
    rtol: Mapping[str, float] = field(default_factory=lambda: {"float32": 1e-4, "float64": 1e-6})
    halves: bool = False

    def problem(self, count: int, dtype: str) -> Problem:
        """The case with this many charges, the same ones at every call."""
        streams = Streams(seed=0)
        points = self.points(streams.stream("points"), count, self.dimension)
        if self.halves:
            weights = np.where(np.arange(count) < count // 2, 1.0, -1.0)
        else:
            weights = streams.stream("weights").standard_normal(count)
        return Problem(self, points.astype(dtype), (weights / count).astype(dtype))


class Problem(NamedTuple):
    """Charges at their own places: S = T = N."""

    case: Case
    points: np.ndarray
    """Shape (N, m) [length]."""
    weights: np.ndarray
    """Shape (N,) [charge]."""

    def on(self, device: Device) -> Problem:
        """The same with its arrays there."""
        return self._replace(points=device.put(self.points), weights=device.put(self.weights))

    def operations(self, field: bool) -> int:
        """Floating-point operations of Eq 5, and of its gradient, as written: :data:`COUNTED`."""
        count, dimension = self.points.shape
        exponent = round(self.case.kernel.exponent)
        return count**2 * (5 * dimension + exponent + 5 if field else 3 * dimension + exponent + 2)

    def products(self, field: bool) -> int:
        """Operations of the matrix products that sums in high dimension can't do without."""
        count, dimension = self.points.shape
        return 2 * count**2 * dimension * (2 if field else 1)

    @property
    def charges(self) -> Charges:
        """Charges in the form that the package takes."""
        return Charges(self.points, self.weights)


def _square(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    return rng.uniform(-HALF_SIDE, HALF_SIDE, (count, dimension))


def _mixture_and_square(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Points as at the start of the paper's toy experiment: data from the 25 Gaussians, generated samples anywhere."""
    data = GaussianMixture(extent=HALF_SIDE).sample(count // 2, rng)
    return np.concatenate([data, _square(rng, count - count // 2, dimension)])


def _clusters(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    return GaussianMixture(extent=HALF_SIDE, variance=CLUSTER_VARIANCE).sample(count, rng)


def _cube(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    return rng.uniform(0, 1, (count, dimension))


def _images(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    return rng.uniform(-1, 1, (count, dimension))


def _images_with_copies(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """A tenth of the points lie near another one, and every second of these exactly on it."""
    points = _images(rng, count, dimension)
    copies = round(NEAR_SHARE * count)
    moved = NEAR_DISTANCE * rng.standard_normal((copies, dimension))
    moved[::2] = 0
    # Spread over all points, so that a sample of targets meets them whatever their order.
    places = rng.permutation(count)
    points[places[:copies]] = points[places[copies : 2 * copies]] + moved
    return points


def _cube_case(softening: float, exponent: int) -> Case:
    return Case(
        f"cube-{softening:g}-{exponent}",
        f"m = 3, unit cube, ε = {softening:g}, d = {exponent}",
        3,
        Plummer(exponent, softening),
        _cube,
        rtol={"float32": 1e-4, "float64": 1e-5 if softening == 0.01 else 1e-6},
    )


def _image_case(dimension: int, copies: bool) -> Case:
    return Case(
        f"images-{dimension}" + ("-near" if copies else ""),
        f"m = {dimension}, ε = 1, d = 3" + (", a tenth near-duplicates" if copies else ""),
        dimension,
        Plummer(3, 1.0),
        _images_with_copies if copies else _images,
        sizes=HIGH_SIZES if dimension == 3072 else HIGH_SIZES[:-1],
    )


_ALL = [
    Case(
        "mixture",
        "m = 2, 25 Gaussians and uniform, ε = 3, d = 3",
        2,
        Plummer(3, 3.0),
        _mixture_and_square,
        rtol={"float32": 1e-4, "float64": 1e-12},
        halves=True,
    ),
    Case("sharp", "m = 2, uniform, ε = 0.03, d = 3", 2, Plummer(3, 0.03), _square),
    Case("clusters", "m = 2, 25 tight clusters, ε = 0.03, d = 3", 2, Plummer(3, 0.03), _clusters),
    *(_cube_case(softening, exponent) for softening in (0.01, 0.1, 1.0) for exponent in (1, 3)),
    *(_image_case(dimension, copies) for dimension in (3072, 12288) for copies in (False, True)),
]
CASES = {case.name: case for case in _ALL}
"""All cases by name."""
