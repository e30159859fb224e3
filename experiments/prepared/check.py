"""What is in a prepared file, and whether it is as it was written."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from tqdm import tqdm

from ..sources.source import ImageError, reading
from .layout import FORMAT, IMAGES, LABELS, VERSION, chained

AT_ONCE = 8 << 20  # [bytes]


class Check(NamedTuple):
    """What was found."""

    shape: tuple[int, int, int, int]
    """(N, H, W, C)."""
    attributes: dict[str, str]
    """Attributes of the file."""
    labels: dict[int, int]
    """How many images have each label; empty where there are none."""
    mean: np.ndarray
    """Mean of each channel, shape (C,), from 0 to 255."""
    deviation: np.ndarray
    """Standard deviation of each channel, shape (C,)."""
    shown: np.ndarray
    """Some images, evenly spaced, shape (count, H, W, C)."""


def check(path: Path, shown: int) -> Check:
    """Read a prepared file as a whole.

    Parameters
    ----------
    path : Path
        The file.
    shown : int
        How many images to give.

    Raises
    ------
    ImageError
        If it is none, or damaged: the pixels' checksum is another one than was written.
    """
    if not path.is_file():
        raise ImageError(f"{path}: no such file")
    with reading(path, "HDF5", RuntimeError, ValueError, KeyError, TypeError, AttributeError), h5py.File(path) as file:
        attributes = {name: str(value) for name, value in file.attrs.items()}
        if attributes.get("format") != FORMAT:
            raise ImageError(f"{path}: was not made by data prepare, which could: data prepare hdf5 {path} OUT.h5")
        if attributes.get("version") != str(VERSION) or attributes.get("complete") != "1":
            raise ImageError(
                f"{path}: expected a complete file of version {VERSION}, got version {attributes.get('version')}, "
                f"complete = {attributes.get('complete')}"
            )
        if "images_sha256" not in attributes:
            raise ImageError(f"{path}: lacks the attribute images_sha256, without which damage can't be told")
        images = file[IMAGES]
        count, height, width, channels = images.shape
        numbers = np.unique(np.linspace(0, count - 1, min(shown, count)).astype(np.int64))
        some = np.empty((len(numbers), height, width, channels), np.uint8)
        sums, link = np.zeros((256, channels), np.int64), b""
        step = max(1, AT_ONCE // (height * width * channels))
        for start in tqdm(range(0, count, step), desc=path.name, disable=None, leave=False):
            block = images[start : start + step]
            for image in block:
                link = chained(link, image)
            for channel in range(channels):
                sums[:, channel] += np.bincount(block[..., channel].ravel(), minlength=256)
            within = (numbers >= start) & (numbers < start + len(block))
            some[within] = block[numbers[within] - start]
        labels = file[LABELS][:] if LABELS in file else None
    if labels is not None and labels.shape != (count,):
        raise ImageError(f"{path}: damaged: expected {count} labels, one for an image, got shape {labels.shape}")
    if link.hex() != attributes["images_sha256"]:
        raise ImageError(
            f"{path}: damaged: the images have the checksum {link.hex()}, written was {attributes['images_sha256']}"
        )
    weights = sums / sums.sum(0)
    values = np.arange(256.0)
    mean = values @ weights
    deviation = np.sqrt(((values[:, None] - mean) ** 2 * weights).sum(0))
    counted = np.unique(np.zeros(0, np.int64) if labels is None else labels, return_counts=True)
    found = dict(zip(*map(np.ndarray.tolist, counted), strict=True))
    return Check((count, height, width, channels), attributes, found, mean, deviation, some)


def described(found: Check) -> list[str]:
    """Lines for a person."""
    count, height, width, channels = found.shape
    lines = [f"{count} images of {height} x {width} pixels, {channels} channel{'s' * (channels > 1)}"]
    told = ("kind", "source", "part", "crop", "source_sha256", "images_sha256", "made_with", "version")
    lines += [f"{name:14} {found.attributes[name]}" for name in told if found.attributes.get(name)]
    levels = zip(found.mean, found.deviation, strict=True)
    lines.append(f"{'mean ± std':14} {', '.join(f'{mean:.1f} ± {std:.1f}' for mean, std in levels)} of 255")
    if found.labels:
        shown = ", ".join(f"{label}: {number}" for label, number in itertools.islice(found.labels.items(), 20))
        lines.append(f"{'labels':14} {shown}{', ...' if len(found.labels) > 20 else ''}")
    return lines
