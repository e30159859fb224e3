"""Figure 3: the most similar pairs in batches of generated images, each with the nearest image of the training set.

A batch of 1024 *has a duplicate* where its most similar pair differs by no more than a threshold, in the root mean
square over all 8-bit pixels. If none is given, it is half of what the most similar pair of as many training images
differs by, the median over batches of them: more alike than real images are by chance.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from coulombfield.arrays import Device, to_numpy
from coulombfield.rng import Streams

from .. import UserError, trained
from ..data.dataset import DataSet
from ..features.measuring import eight_bits
from ..figures.images import image_grid
from ..files import to_json, write_atomically
from ..metrics.neighbours import nearest_neighbours
from ..metrics.support_size import CONFIDENCE, Support, closest_pair, support_size
from .image_blocks import generated

SHOWN = 10  # pairs in the picture
SHARE = 0.5  # of the difference of real images that makes a duplicate, see above

Say = Callable[[str], None]


class Similar(NamedTuple):
    """The most similar pair of a batch."""

    difference: float
    """Root mean square [8-bit levels]."""
    images: np.ndarray
    """Both, shape (2, H, W, C), uint8."""


def publish(folder: Path, out: Path, batches: int, size: int, duplicate: float | None, say: Say) -> None:
    """Write the picture, and numbers beside it under the same name that ends in .json.

    Parameters
    ----------
    folder : Path
        Of a run.
    out : Path
        PNG file: in each row a pair, and the training image nearest to its first.
    batches : int
        How many to look at, of generated images and, as far as there are as many, of training images.
    size : int
        Images of a batch.
    duplicate : float, optional
        Threshold [8-bit levels]; see above.
    say : callable
        Prints a line.

    Raises
    ------
    UserError
        If the run is none of images, its data can't be had, or there are fewer than a batch of them.
    """
    if size < 2:
        raise UserError(f"--size: expected at least 2, got {size}")
    gan = trained.load(folder)
    if gan.form != "images":
        raise UserError(f"{folder}: expected a run of images, got one of {gan.form}")
    setting, host = gan.config, Device(np, "cpu")
    rng = Streams(setting.seed, bit_generator=setting.training.bit_generator).stream("data")
    data = setting.data.open(batch=setting.training.batch, rng=rng, dtype=setting.dtype, device=host)
    real = similar_pairs(_rebatched(_training(data), size), batches, "training images")
    if duplicate is None:
        if not real:
            raise UserError(f"--duplicate: missing; the default needs {size} training images, a batch")
        duplicate = SHARE * statistics.median(pair.difference for pair in real)
    latent = gan.draw_latent(batches * size)
    found = similar_pairs(_rebatched(generated(gan, latent), size), batches, "generated images")
    shown = sorted(found, key=lambda pair: pair.difference)[:SHOWN]
    nearest, numbers, away = _nearest(np.stack([pair.images[0] for pair in shown]), data)
    rows = [[*pair.images, other] for pair, other in zip(shown, nearest, strict=True)]
    image_grid(out, np.array(rows).reshape(-1, *nearest.shape[1:]) / 127.5 - 1, 3)
    summary: dict[str, Any] = {
        "batch": size,
        "duplicate_up_to": duplicate,
        "generated": _counted(found, duplicate, size),
        "training": _counted(real, duplicate, size),
        "pairs": [
            {"difference": pair.difference, "nearest_training": number, "from_training": distance}
            for pair, number, distance in zip(shown, numbers, away, strict=True)
        ],
    }
    numbers_file = out.with_suffix(".json")
    write_atomically(numbers_file, to_json(summary))
    say(f"a duplicate: two images of a batch of {size} that differ by {duplicate:.3g} of 255 levels or less (rms)")
    for name in ("generated", "training"):
        say(_said(name, summary[name]))
    say(str(out))
    say(str(numbers_file))


def similar_pairs(batches: Iterator[np.ndarray], count: int, name: str) -> list[Similar]:
    """The most similar pair of each of up to ``count`` batches of uint8."""
    found = []
    with tqdm(total=count, desc=name, unit="batches", disable=None, leave=False) as bar:
        for batch in batches:
            pair = closest_pair(batch)
            found.append(Similar(pair.difference, batch[[pair.first, pair.second]]))
            bar.update()
            if len(found) == count:
                break
    return found


def _counted(pairs: Sequence[Similar], duplicate: float, size: int) -> dict[str, Any]:
    if not pairs:
        return {"batches": 0, "with_duplicate": 0}
    having = sum(pair.difference <= duplicate for pair in pairs)
    support = support_size(len(pairs), having, size)
    return {
        "batches": len(pairs),
        "with_duplicate": having,
        "least_difference": min(pair.difference for pair in pairs),
        **{name: value if math.isfinite(value) else None for name, value in support._asdict().items()},
    }


def _said(name: str, counted: dict[str, Any]) -> str:
    if not counted["batches"]:
        return f"{name}: fewer than a batch"
    support = Support(*(math.inf if counted[key] is None else counted[key] for key in Support._fields))
    size = "at least" if math.isinf(support.size) else f"{support.size:.3g},"
    interval = f"{support.lowest:.3g}" + ("" if math.isinf(support.highest) else f" to {support.highest:.3g}")
    return (
        f"{name}: {counted['with_duplicate']} of {counted['batches']} batches have a duplicate; support {size} "
        f"{interval} ({CONFIDENCE:.0%} confidence)"
    )


def _training(data: DataSet) -> Iterator[np.ndarray]:
    """All training images, uint8, in blocks."""
    bounds = data.bounds
    assert bounds is not None  # of images
    for images in data.training.blocks():
        yield eight_bits(to_numpy(images), bounds)


def _rebatched(blocks: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same images in batches of a size, without what is left at the end."""
    held: list[np.ndarray] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= size:
            images = np.concatenate(held)
            whole = len(images) // size * size
            yield from images[:whole].reshape(-1, size, *images.shape[1:])
            held = [images[whole:]]


def _nearest(images: np.ndarray, data: DataSet) -> tuple[np.ndarray, list[int], list[float]]:
    """The nearest training image of each: itself, its number, and its difference [8-bit levels]."""
    points = images.reshape(len(images), -1)
    found = nearest_neighbours(points, (block.reshape(len(block), -1) for block in _training(data)))
    nearest, start = np.empty_like(images), 0
    for block in _training(data):
        here = (found.indices >= start) & (found.indices < start + len(block))
        nearest[here] = block[found.indices[here] - start]
        start += len(block)
    return nearest, found.indices.tolist(), np.sqrt(found.squares / points.shape[1]).tolist()
