"""Reading images at random: a prepared file against a folder of PNG files, by Pillow and by PyTorch's DataLoader.

Every call reads some minibatches of uint8 images of 64 x 64 pixels in colour, drawn with replacement, from files that
the system has in its cache. PyTorch's workers go on reading ahead, up to two minibatches each, while others are timed,
which is to their advantage.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.data.hdf5_images import HDF5Images
from experiments.data.image_files import FolderImages
from experiments.prepared import prepare
from experiments.sources import folder
from experiments.sources.fit import Fit
from experiments.sources.source import Request

from ..rows import OURS, has_torch
from ..timing import Spread, take_turns

SIZE, BATCH = 64, 64
BATCHES = 16  # of a call, many more than workers read ahead
COUNT, QUICK_COUNT = 5_000, 200
AIM = 20_000  # images/s


def run(seconds: float, *, quick: bool = False) -> list[dict[str, Any]]:
    """Time all ways in turns; print and return a row for each."""
    with tempfile.TemporaryDirectory() as place:
        files, file = Path(place, "png"), Path(place, "images.h5")
        _write_files(files, QUICK_COUNT if quick else COUNT)
        prepare(folder.open_source(files, Request()), file, "folder", Fit(None, None, pads=False))
        ways = _ways(files, file, peers=has_torch())
        calls: dict[str, Callable[[], object]] = {name: partial(_take, batches) for name, batches in ways.items()}
        return _rows(take_turns(calls, seconds))


def _take(batches: Iterator[Any]) -> None:
    for _ in range(BATCHES):
        next(batches)


def _write_files(place: Path, count: int) -> None:
    """Smooth colours with some noise, which PNG packs about as photographs."""
    place.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        smooth = coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        pixels = np.asarray(smooth).astype(np.int16) + rng.integers(-4, 5, (SIZE, SIZE, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(place / f"{number:05}.png")


def _ways(files: Path, file: Path, *, peers: bool) -> dict[str, Iterator[Any]]:
    """Endless minibatches by each way, ours first.

    Raises
    ------
    RuntimeError
        If two give different pixels.
    """
    stored, pictures = HDF5Images(file), FolderImages(files, SIZE, 3)
    some = np.arange(0, stored.shape[0], 7)
    if not np.array_equal(stored.read(some), pictures.read(some)):
        raise RuntimeError("the prepared file has other pixels than the folder")
    ways: dict[str, Iterator[Any]] = {
        OURS: _drawn(stored.read, stored.shape[0]),
        "folder of PNG, ours": _drawn(pictures.read, stored.shape[0]),
        "folder of PNG, Pillow": _drawn(_by_pillow(sorted(files.iterdir())), stored.shape[0]),
    }
    if peers:
        from .torch_peer import batches

        for workers in sorted({0, os.cpu_count() or 1}):
            told = f"DataLoader, {workers} workers"
            ways[f"folder of PNG, {told}"] = batches(sorted(files.iterdir()), BATCH, workers)
            ways[f"prepared file, {told}"] = batches(file, BATCH, workers)
    return ways


def _drawn(read: Callable[[np.ndarray], np.ndarray], count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        yield read(rng.integers(0, count, BATCH))


def _by_pillow(paths: list[Path]) -> Callable[[np.ndarray], np.ndarray]:
    """Reading as a short program does it."""

    def read(index: np.ndarray) -> np.ndarray:
        images = []
        for number in index:
            with Image.open(paths[number]) as image:
                images.append(np.asarray(image.convert("RGB")))
        return np.stack(images)

    return read


def _rows(spreads: dict[str, Spread]) -> list[dict[str, Any]]:
    images, rows = BATCH * BATCHES, []
    own = spreads[OURS]
    print(f"random minibatches of {BATCH} images, {SIZE} x {SIZE} in colour, in the system's cache:")
    print(f"  {'':40}images/s, least / middle / most        times as long as ours, minima / medians / maxima")
    for name, spread in spreads.items():
        rates = [images / each for each in reversed(spread)]
        ratios = [peer / ours for peer, ours in zip(spread, own, strict=True)]
        text = " / ".join(f"{rate:,.0f}" for rate in rates)
        print(f"  {name:40}{text:40}{' / '.join(f'{ratio:.1f}' for ratio in ratios)}")
        rows.append(
            {
                "name": name,
                "images": images,
                "min_s": spread.minimum,
                "median_s": spread.median,
                "max_s": spread.maximum,
                "images_per_s": images / spread.median,
                "ratio_min": ratios[0],
                "ratio": ratios[1],
                "ratio_max": ratios[2],
            }
        )
    rate = images / own.median
    print(f"aim: at least {AIM:,} images/s, {'reached' if rate >= AIM else 'missed'}: {rate:,.0f}")
    return rows
