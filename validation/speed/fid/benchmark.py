"""The Fréchet distance of two sets of features, from the features on, against the usual way by ``scipy.linalg.sqrtm``.

That is TTUR's program: ``np.mean``, ``np.cov``, and ``sqrtm`` of the product of the covariances.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy

from experiments.metrics.frechet_distance import Gaussian, frechet_distance, gaussian_of

from ..timing import Spread, few_turns

COUNT, DIMENSION = 50_000, 2048
QUICK = 5_000, 256
BLOCK = 250  # features that come at once, as from the network


def run(seconds: float, *, quick: bool = False) -> list[dict[str, Any]]:
    """Measure, print, and return a row for each part of each way.

    Parameters
    ----------
    seconds : float
        Time to spend on each way [s]; it is gone through three times at least.
    quick : bool
        Small sets.
    """
    count, dimension = QUICK if quick else (COUNT, DIMENSION)
    sets = [features(seed, count, dimension) for seed in (0, 1)]
    ways: dict[str, tuple[Callable[[np.ndarray], Any], Callable[..., float]]] = {
        "ours": (statistics, frechet_distance),
        "sqrtm": (usual_statistics, usual_distance),
    }
    made: dict[Any, Any] = {}
    calls: dict[str, Callable[[], object]] = {}
    for name, (of_features, of_statistics) in ways.items():
        calls[f"{name} statistics"] = functools.partial(_keep, made, name, of_features, sets)
        calls[f"{name} distance"] = functools.partial(_compare, made, name, of_statistics)
    print(f"two sets of {count} x {dimension} features in float32, and their distance; min / median / max:", flush=True)
    spreads = few_turns(calls, seconds)
    rows: list[dict[str, Any]] = []
    for name in ways:
        # Against statistics that are there already, as of a data set at each evaluation, one set's are left to compute.
        both, rest = spreads[f"{name} statistics"], spreads[f"{name} distance"]
        parts = {"statistics": both, "distance": rest, "one set": _sum(both, rest, 0.5), "both sets": _sum(both, rest)}
        for part, spread in parts.items():
            rows.append({"name": name, "part": part, **_fields(spread)})
    usual = {row["part"]: row["median_s"] for row in rows if row["name"] == "sqrtm"}
    for row in rows:
        row["times_faster"] = usual[row["part"]] / row["median_s"]
        times = " / ".join(f"{row[key]:.2f}" for key in ("min_s", "median_s", "max_s"))
        print(f"  {row['name']:<8}{row['part']:<12}{times} s   {row['times_faster']:.2f} x")
    ours, sqrtm = (made[name, "distance"] for name in ways)
    print(f"  ours {ours:.12g}, sqrtm {sqrtm:.12g}: relative difference {abs(ours - sqrtm) / sqrtm:.1e}")
    return rows


def features(seed: int, count: int, dimension: int) -> np.ndarray:
    """Features that are not negative, and whose variances fall over several orders of magnitude as Inception's do."""
    rng = np.random.default_rng(seed)
    mixing = (
        rng.standard_normal((dimension, dimension), np.float32) * np.arange(1, dimension + 1, dtype=np.float32) ** -1
    )
    found = np.empty((count, dimension), np.float32)
    for start in range(0, count, 1000):
        rows = found[start : start + 1000]
        np.maximum(rng.standard_normal(rows.shape, np.float32) @ mixing.T + 0.3, 0, out=rows)
    return found


def statistics(x: np.ndarray) -> Gaussian:
    """Ours, from features as a network gives them."""
    return gaussian_of((x[start : start + BLOCK] for start in range(0, len(x), BLOCK)), x.shape[1])


def usual_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance."""
    return np.asarray(np.mean(x, axis=0, dtype=np.float64)), np.cov(x, rowvar=False)


def usual_distance(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """The formula with ``sqrtm``, of a complex result the real part."""
    (mean_a, cov_a), (mean_b, cov_b) = a, b
    root = np.real(scipy.linalg.sqrtm(cov_a @ cov_b))
    difference = mean_a - mean_b
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root))


def _keep(made: dict[Any, Any], name: str, of: Callable[[np.ndarray], Any], sets: Sequence[np.ndarray]) -> None:
    made[name] = [of(x) for x in sets]


def _compare(made: dict[Any, Any], name: str, of: Callable[..., float]) -> None:
    made[name, "distance"] = of(*made[name])


def _sum(statistics: Spread, distance: Spread, share: float = 1.0) -> Spread:
    return Spread(*(share * first + second for first, second in zip(statistics, distance, strict=True)))


def _fields(spread: Spread) -> dict[str, float]:
    return {"min_s": spread.minimum, "median_s": spread.median, "max_s": spread.maximum}
