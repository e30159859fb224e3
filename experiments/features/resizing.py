"""Images of any size as those of one size: bilinear, by pixels' centres, and smoothed where they shrink."""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import jit
from coulombfield.threads import share


def resize(images: np.ndarray, size: int, shift: float, scale: float, dtype: np.typing.DTypeLike) -> np.ndarray:
    r"""Images of ``size`` by ``size`` pixels, and their values v as (v - shift) / scale.

    Along each axis result i is the mean of pixels j of the n that there are, with weights

    .. math:: w_{ij} \propto \max\Bigl(0,\, 1 - \frac{|j + ½ - (i + ½) n / s|}{\max(1, n / s)}\Bigr),

    for size s: a triangle about the result's centre, as wide as two pixels of the larger grid. This is Pillow's and
    PyTorch's antialiased bilinear filter, without their rounding to whole numbers.

    Parameters
    ----------
    images : array of uint8, shape (N, H, W, C)
        Of any number of channels, each of which is resized by itself.
    size : int
        Height and width of the result [pixels].
    shift, scale : float
        See above.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    array, shape (N, size, size, C)
    """
    count, height, width, channels = images.shape
    out = np.empty((count, size, size, channels), dtype)
    if count == 0:
        return out
    down = _triangles(height, size, dtype)
    across = _triangles(width, size, dtype)
    images = np.ascontiguousarray(images)

    def work(start: int, stop: int) -> None:
        _resize(start, stop, images, down, across, out, shift, scale)

    share(work, count)
    return out


def _triangles(pixels: int, size: int, dtype: np.typing.DTypeLike) -> tuple[np.ndarray, np.ndarray]:
    """The first pixel of each result, and the weights of it and of those after it."""
    ratio = pixels / size
    reach = max(1.0, ratio)
    centres = (np.arange(size) + 0.5) * ratio
    first = np.maximum(0, np.floor(centres - reach - 0.5).astype(np.int64) + 1)
    taps = min(pixels, int(np.ceil(2 * reach)) + 1)
    first = np.minimum(first, pixels - taps)
    places = first[:, None] + np.arange(taps)
    weights = np.maximum(0, 1 - abs(places + 0.5 - centres[:, None]) / reach)
    weights /= weights.sum(1, keepdims=True)
    return first, weights.astype(dtype)


@jit
def _resize(start, stop, images, down, across, out, shift, scale):
    """Images start <= n < stop: lines of results first, from lines of pixels, then their columns."""
    (first_row, by_row), (first_column, by_column) = down, across
    width, channels = images.shape[2:]
    size = out.shape[1]
    line = np.empty(width * channels, out.dtype)
    shift, factor = out.dtype.type(shift), out.dtype.type(1 / scale)
    for n in range(start, stop):
        for i in range(size):
            line[:] = -shift
            for a in range(by_row.shape[1]):
                pixels, weight = images[n, first_row[i] + a].reshape(-1), by_row[i, a]
                for q in range(line.size):
                    line[q] += weight * pixels[q]
            for j in range(size):
                for c in range(channels):
                    total = out.dtype.type(0)
                    for b in range(by_column.shape[1]):
                        total += by_column[j, b] * line[(first_column[j] + b) * channels + c]
                    out[n, i, j, c] = factor * total
