"""Charges and targets that a fast sum, or a sample of its targets, may misjudge."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

COUNTS = ((3000, 6000), (900, 20_000), (20_000, 900), (4200, 4200))
"""Numbers of targets and charges: so many pairs that each fast engine does its own work, and not one that is exact."""


class Scene(NamedTuple):
    """Where the targets and the charges are, in float64; the same array if the charges act on themselves."""

    targets: np.ndarray
    """Shape (T, m)."""
    positions: np.ndarray
    """Shape (S, m)."""


def ordinary(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """Normal points."""
    return Scene(rng.standard_normal((targets, dimension)), rng.standard_normal((charges, dimension)))


def few_near(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """A handful of targets among the charges, or on them, and all others far away."""
    positions = rng.uniform(0, 1, (charges, dimension))
    places = rng.uniform(0, 1, (targets, dimension)) + 10.0 ** rng.uniform(0.5, 4)
    near = int(rng.choice([1, 2, 5, 50]))
    inside = positions[:near] if rng.random() < 0.5 else rng.uniform(0, 1, (near, dimension))
    places[rng.choice(targets, near, replace=False)] = inside
    return Scene(places, positions)


def fractal(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """Dust: three parts in each direction, of which the middle one is empty, and so on within each part."""
    digits = rng.integers(0, 2, (targets + charges, dimension, 14)) * 2.0
    points = digits @ 3.0 ** -np.arange(1, 15)
    return Scene(points[:targets], points[targets:])


def shells(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """Equally many points at each order of magnitude of the distance from the middle."""
    directions = rng.standard_normal((targets + charges, dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = directions * 10.0 ** rng.uniform(-5, 0, (targets + charges, 1))
    return Scene(points[:targets], points[targets:])


def nodes(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """Targets on the nodes of a lattice, the charges on nodes too or between them."""
    side = int(rng.choice([16, 27, 64]))
    places = rng.integers(0, side + 1, (targets, dimension)) / side
    positions = rng.integers(0, side + 1, (charges, dimension)) / side
    return Scene(places, positions + rng.choice([0.0, 0.5 / side]))


def outlier(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """One point far from all others: a target, a charge or one of each."""
    scene = ordinary(rng, targets, charges, dimension)
    distance = 10.0 ** rng.uniform(1, 5)
    for points in [scene.targets, scene.positions] if rng.random() < 0.3 else [scene[rng.integers(2)]]:
        points[rng.integers(len(points))] += distance
    return scene


def hidden_cloud(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """Most targets and most charges far from each other, and a few of both together in a third place."""
    scene = ordinary(rng, targets, charges, dimension)
    distance = 10.0 ** rng.uniform(1, 3)
    scene.targets[...] += distance
    for points in scene:
        few = int(rng.choice([1, 3, 30]))
        points[rng.choice(len(points), few, replace=False)] = rng.uniform(0, 1, (few, dimension)) - distance
    return scene


def dipoles(rng: np.random.Generator, targets: int, charges: int, dimension: int) -> Scene:
    """Charges in close pairs, so that alternating ones nearly cancel."""
    scene = ordinary(rng, targets, charges, dimension)
    distance = 10.0 ** rng.uniform(-6, -1)
    scene.positions[1::2] = scene.positions[::2] + distance * rng.standard_normal(scene.positions[::2].shape)
    return scene


LAYOUTS: dict[str, Callable[[np.random.Generator, int, int, int], Scene]] = {
    "ordinary": ordinary,
    "few near": few_near,
    "fractal": fractal,
    "shells": shells,
    "nodes": nodes,
    "outlier": outlier,
    "hidden cloud": hidden_cloud,
    "dipoles": dipoles,
}


def alternating(rng: np.random.Generator, count: int) -> np.ndarray:
    """+1 and −1 in turn."""
    return np.where(np.arange(count) % 2, 1.0, -1.0)


def of_one_sign(rng: np.random.Generator, count: int) -> np.ndarray:
    """Uniform, all positive."""
    return rng.uniform(0.1, 1, count)


def of_all_orders(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbers of either sign and of twelve orders of magnitude."""
    return rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(-6, 6, count)


def one_giant(rng: np.random.Generator, count: int) -> np.ndarray:
    """Normal, but for one that is far larger."""
    weights = rng.standard_normal(count)
    weights[rng.integers(count)] *= 10.0 ** rng.uniform(2, 8)
    return weights


WEIGHTS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "alternating": alternating,
    "one sign": of_one_sign,
    "all orders": of_all_orders,
    "one giant": one_giant,
}
