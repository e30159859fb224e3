"""Images of another size, as the authors of a network made them for it."""

from __future__ import annotations

import numpy as np

from coulombfield.threads import share


def bilinear(images: np.ndarray, size: int) -> np.ndarray:
    r"""Bilinear interpolation as TensorFlow 1 has it, whose pixels are points at their upper left corners.

    Pixel i of ``size`` lies at :math:`s = i\,n / \text{size}` of n, with no half pixel added. With l the floor of s and
    :math:`h = \min(l + 1, n - 1)`, along each axis

    .. math:: y_i = x_l + (s - l)\,(x_h - x_l),

    first along rows and then along columns, in float32. It takes no mean where images get smaller.

    Parameters
    ----------
    images : array, shape (N, H, W, C)
        Of any numbers.
    size : int
        Height and width of the result [pixels].

    Returns
    -------
    array of float32, shape (N, size, size, C)

    Notes
    -----
    ``ResizeBilinear`` with ``align_corners`` and ``half_pixel_centers`` false: tensorflow,
    ``core/kernels/image/resize_bilinear_op.cc``.
    """
    count, height, width, channels = images.shape
    above, below, down = _places(height, size)
    left, right, across = _places(width, size)
    out = np.empty((count, size, size, channels), np.float32)

    def work(start: int, stop: int) -> None:
        for image, target in zip(images[start:stop], out[start:stop], strict=True):
            rows = image.astype(np.float32)
            wide = rows[:, left]
            wide += (rows[:, right] - wide) * across[:, None]
            np.take(wide, above, axis=0, out=target)
            target += (wide[below] - target) * down[:, None, None]

    share(work, count)
    return out


def _places(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper pixel of each place along an axis, and how far it is from the lower one, float32."""
    places = np.arange(size, dtype=np.float32) * np.float32(length / size)
    lower = np.minimum(places.astype(np.intp), length - 1)  # float32 may round a place up to the length
    return lower, np.minimum(lower + 1, length - 1), places - lower.astype(np.float32)
