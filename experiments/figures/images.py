"""Pictures of images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.dataset import DataSet
from ..files import write_atomically
from ..gans.gan import GAN
from ..metrics.nearest import nearest
from . import evolution
from .style import Figure

GRID = 10  # images along each side of a figure, as the authors have it
SAMPLES = GRID**2
NEIGHBOURS = 20  # samples shown with the training image nearest to each
TRAINING = 2_000  # images of the training set among which it is looked for
TILES_WIDTH = 640  # [pixels]; a grid of small images is enlarged to at least this width


def draw(folder: Path, data: DataSet, gan: GAN, samples: np.ndarray) -> list[Figure]:
    """Samples, real images, samples beside the training images nearest to them, and how samples changed.

    Parameters
    ----------
    folder : Path
        Where the files go.
    data : DataSet
        What the GAN trains on.
    gan : GAN
        As of now.
    samples : array, shape (N, H, W, C)
        What it generates, up to :data:`SAMPLES`.
    """
    drawn, real, pairs = (folder / f"{name}.png" for name in ("samples", "data", "neighbours"))
    image_grid(drawn, samples, GRID)
    image_grid(real, data.held_out.first(GRID**2), GRID)
    shown, training = samples[:NEIGHBOURS], data.training.first(TRAINING)
    index, _ = nearest(shown.reshape(len(shown), -1), training.reshape(len(training), -1))
    rows = np.stack([shown, training[index]]).reshape(2, -1, GRID, *shown.shape[1:]).swapaxes(0, 1)
    image_grid(pairs, rows.reshape(-1, *shown.shape[1:]), GRID)
    return [
        Figure(drawn, "Samples", f"{len(samples)} samples, not chosen, clipped to the range of the data."),
        Figure(real, "Data", "Held-out images."),
        Figure(
            pairs,
            "Nearest training images",
            f"In every other row samples, and below each the nearest of {len(training)} training images.",
        ),
        *evolution.of_images(folder, gan.updates, GRID),
    ]


def snapshot(folder: Path, updates: int, data: DataSet, samples: np.ndarray) -> None:
    """A grid of samples, under a name that has the update."""
    image_grid(folder / f"samples-{updates:08}.png", samples, GRID)


def picture(path: Path, samples: np.ndarray) -> None:
    """A grid of samples alone, as a PNG file."""
    image_grid(path, samples, GRID)


def image_grid(path: Path, images: np.ndarray, columns: int = 10) -> None:
    """Images side by side in rows, each with a border of one pixel, as the authors' figures show them.

    Parameters
    ----------
    path : Path
        PNG file to write.
    images : array, shape (N, H, W, 1) or (N, H, W, 3)
        From -1, which is black, to 1; what lies beyond is clipped.
    columns : int
        Images in a row.

    Notes
    -----
    Each pixel of an image is one pixel of the file, or a square of them where the images are small.
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    canvas = np.zeros((rows, height + 1, columns, width + 1, channels), np.uint8)
    shown = np.zeros((rows * columns, height, width, channels), np.uint8)
    shown[:count] = np.rint((np.clip(images, -1, 1) + 1) * 127.5)
    canvas[:, 1:, :, 1:] = shown.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    factor = -(-TILES_WIDTH // (columns * (width + 1)))
    pixels = canvas.reshape(rows * (height + 1), columns * (width + 1), channels)
    pixels = np.pad(pixels, ((0, 1), (0, 1), (0, 0))).repeat(factor, axis=0).repeat(factor, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(buffer, format="png")
    write_atomically(path, buffer.getvalue())
