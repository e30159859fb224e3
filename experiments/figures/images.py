"""Pictures of images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..files import write_atomically

TILES_WIDTH = 640  # [pixels]; a grid of small images is enlarged to at least this width


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
