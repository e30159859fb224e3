"""The Fréchet distance of two sets of images: ``python -m experiments fid A B``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .. import DataError
from ..features.measuring import Measuring, measuring
from ..metrics.feature_metric import INCEPTION
from ..metrics.frechet_distance import Gaussian, Moments, frechet_distance
from ..metrics.statistics_file import NAMES, read_statistics, write_statistics
from .image_blocks import open_images

Say = Callable[[str], None]


class Side(NamedTuple):
    """Statistics of one of the two."""

    gaussian: Gaussian
    said: str
    """What they are of."""


def compare(
    places: list[Path], features: str, weights: Path | None, samples: int | None, save: Path | None, say: Say
) -> None:
    """Print the distance of two sets of images, or keep the statistics of the first.

    Parameters
    ----------
    places : list of Path
        Two places as :func:`.open_images` takes them, or .npz files of statistics; or one, whose statistics are saved.
    features : str
        Name of the feature network.
    weights : Path, optional
        File of its weights.
    samples : int, optional
        Images of each, at most.
    save : Path, optional
        New file for the statistics of the first place.
    say : callable
        Prints a line.

    Raises
    ------
    UserError
        If a place holds no images or statistics, or too few.
    """
    if len(places) < 2 and save is None:
        raise DataError("B: missing; expected what to compare with, or --save-statistics for those of A alone")
    measure = measuring(features, weights)
    sides = []
    for place in places:
        side = statistics_of(place, measure, samples)
        say(f"{place}: {side.said}")
        sides.append(side.gaussian)
        if save is not None and len(sides) == 1:
            write_statistics(save, side.gaussian)
            say(str(save))
    if len(sides) == 2:
        name = "fid" if measure.network.name == INCEPTION else f"frechet_{measure.network.name}"
        try:
            distance = frechet_distance(*sides)
        except ValueError as error:  # a file's matrix that is no covariance
            raise DataError(f"{', '.join(map(str, places))}: {error}") from error
        say(f"{name} {distance:.6g}")


def statistics_of(place: Path, measure: Measuring, samples: int | None) -> Side:
    """Statistics of a place's images, or those of a file."""
    network = measure.network
    if place.suffix.lower() == ".npz" and _holds_statistics(place):
        return Side(read_statistics(place, network.dimension), f"statistics of {network.dimension} features")
    images, moments = open_images(place, samples), Moments(network.dimension)
    if images.total < 2:
        raise DataError(f"{place}: expected at least 2 images, got {images.total}")
    with tqdm(total=images.total, desc=place.name, unit="images", disable=None, leave=False) as bar:
        for block in images.blocks:
            for features, _ in measure.blocks(block):
                moments.add(features)
            bar.update(len(block))
    few = f", fewer than the {network.dimension} dimensions" if moments.count <= network.dimension else ""
    return Side(moments.gaussian(), f"{moments.count} images{few}")


def _holds_statistics(path: Path) -> bool:
    """Whether a file has one of the names that published statistics have; what can't be read is said by its reader."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return any(name in file.files for name in NAMES)
    except Exception:  # damaged archives fail with errors of every kind
        return False
