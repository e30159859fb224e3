"""Exact nearest neighbours of generated images in a training set, against scikit-learn's brute force; and memory."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.metrics.neighbours import nearest_neighbours

from ..timing import few_turns
from . import memory

POINTS, OTHERS, DIMENSION = 1024, 10_000, 12_288
QUICK = 64, 1000, 3072
PEER = "scikit-learn"


def run(seconds: float, *, quick: bool = False) -> list[dict[str, Any]]:
    """Measure, print, and return a row for each way.

    Parameters
    ----------
    seconds : float
        Time to spend on each [s].
    quick : bool
        A small set.
    """
    count, others, dimension = QUICK if quick else (POINTS, OTHERS, DIMENSION)
    rng = np.random.default_rng(0)
    points, training = (images(rng, number, dimension) for number in (count, others))
    calls: dict[str, Callable[[], np.ndarray]] = {
        "ours, uint8": lambda: nearest_neighbours(points, [training]).indices,
    }
    floats = [(values / np.float32(127.5) - 1).astype(np.float32) for values in (points, training)]
    calls["ours, float32"] = lambda: nearest_neighbours(floats[0], [floats[1]]).indices
    if importlib.util.find_spec("sklearn") is not None:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(floats[1])
        calls[f"{PEER}, float32"] = lambda: search.kneighbors(floats[0])[1][:, 0]
    else:
        print(f"{PEER} is not installed")
    found = {name: call() for name, call in calls.items()}
    same = {name: int((indices == found["ours, uint8"]).sum()) for name, indices in found.items()}
    spreads = few_turns(calls, seconds)
    peak = _memory(training, count)
    rows = []
    peer = f"{PEER}, float32"
    print(f"nearest of {count} images among {others} of {dimension} numbers; min / median / max, memory of a process:")
    for name, spread in spreads.items():
        ratio = spreads[peer].median / spread.median if peer in spreads else float("nan")
        memory = peak.get(name)
        text = f"{memory:8.0f} MB" if memory is not None else ""
        print(f"  {name:<24}{spread}  {ratio:.2f} x  {same[name]} of {count} alike{text}", flush=True)
        rows.append(
            {
                "name": name,
                "min_s": spread.minimum,
                "median_s": spread.median,
                "max_s": spread.maximum,
                "alike": same[name],
                "memory_mb": memory,
            }
        )
    return rows


def images(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    """Pixels around a level and a slope of each image, uint8."""
    levels, slopes = rng.uniform(60, 200, (count, 1)), rng.normal(0, 40, (count, 1))
    values = levels + slopes * np.linspace(-1, 1, dimension, dtype=np.float32)
    return np.clip(values + rng.standard_normal((count, dimension), np.float32) * 20, 0, 255).astype(np.uint8)


def _memory(training: np.ndarray, count: int) -> dict[str, float]:
    """Peak memory beyond the packages and the points, with the training set in a file [MB]."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.npy"
        np.save(path, training)
        ways = {"ours, uint8": "ours"}
        if importlib.util.find_spec("sklearn") is not None:
            ways[f"{PEER}, float32"] = "sklearn"
        peaks = {name: memory.measure(way, path, count) for name, way in ways.items()}
    return {name: peak.after - peak.before for name, peak in peaks.items()}
