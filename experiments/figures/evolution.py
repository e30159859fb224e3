"""How samples of the same latent vectors changed over the updates of a run, from what each evaluation left behind.

Pictures of images are cut from the snapshots that are in the folder anyway; points are kept as small arrays. Neither
needs anything of the run's state, so that a run that was stopped and went on ends with the same figure.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import write_atomically
from .style import WIDTH, Figure, new_figure, save

ROWS = 10  # moments shown of images
PANELS = 9  # moments shown of points, beside the data
POINTS = 2_000  # of each moment


def snapshots(folder: Path, suffix: str, updates: int, most: int) -> dict[int, Path]:
    """Snapshots of up to ``most`` updates not after ``updates``, evenly chosen, the first and the last among them."""
    found = {}
    for path in folder.glob(f"samples-*{suffix}"):
        if match := re.fullmatch(r"samples-(\d{8,})", path.stem):
            found[int(match[1])] = path
    steps = sorted(step for step in found if step <= updates)
    chosen = np.rint(np.linspace(0, max(len(steps) - 1, 0), min(most, len(steps)))).astype(int)
    return {steps[index]: found[steps[index]] for index in chosen}


def of_images(folder: Path, updates: int, rows: int) -> list[Figure]:
    """The first row of each snapshot's grid, one below the other.

    Parameters
    ----------
    folder : Path
        Where the snapshots are and the figure goes.
    updates : int
        As of now; what is later is left out.
    rows : int
        Rows of a snapshot's grid.

    Returns
    -------
    list of Figure
        Empty where there are fewer than two snapshots.
    """
    strips, size = {}, None
    for step, path in snapshots(folder, ".png", updates, ROWS).items():
        try:
            pixels = np.asarray(Image.open(path).convert("RGB"))
        except OSError:  # not one of ours, or cut short
            continue
        if size is None or pixels.shape == size:
            size = pixels.shape
            strips[step] = pixels[: len(pixels) // rows]
    if len(strips) < 2:
        return []
    path = folder / "evolution.png"
    height, width, _ = next(iter(strips.values())).shape
    inches = WIDTH - 1.0  # beside the labels
    figure = new_figure(inches * height * len(strips) / width + 0.3)
    axes = figure.subplots()
    axes.imshow(np.concatenate(list(strips.values())), interpolation="none")
    axes.set_yticks([height * (index + 0.5) for index in range(len(strips))], [f"{step:,}" for step in strips])
    axes.set(xticks=[], ylabel="updates")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8)
    save(figure, path)
    return [Figure(path, "Samples over time", "In each column one latent vector, after so many updates.")]


def keep_points(folder: Path, updates: int, samples: np.ndarray) -> None:
    """Keep points as of now for :func:`kept_points`, shape (N, m), in 8 N m bytes at most."""
    buffer = io.BytesIO()
    np.save(buffer, samples[:POINTS])
    write_atomically(folder / f"samples-{updates:08}.npy", buffer.getvalue())


def kept_points(folder: Path, updates: int) -> Mapping[int, np.ndarray]:
    """Points by the update at which they were kept, not after ``updates``."""
    found = {}
    for step, path in snapshots(folder, ".npy", updates, PANELS).items():
        try:
            points = np.load(path)
        except (OSError, ValueError):  # not one of ours, or cut short
            continue
        if points.ndim == 2:
            found[step] = points
    return found
