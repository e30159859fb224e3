"""What sources share that have all their images in one array."""

from __future__ import annotations

import numpy as np

from .fit import LARGEST_SIDE
from .source import ImageError

EXPECTED = "8-bit images of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3)"


def holds_images(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an array of this shape and type is :data:`EXPECTED`."""
    shaped = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    return dtype == np.uint8 and shaped and min(shape) > 0 and max(shape[1:3]) <= LARGEST_SIDE


def check_channels(asked: int, there: int) -> None:
    """Raise if others are asked for than there are."""
    if asked not in (0, there):
        raise ImageError(f"--channels: the images have {there}, got {asked}")
