"""Noise of a step, drawn by the step's number."""

from __future__ import annotations

import array_api_compat
import numpy as np

from ..arrays import Array, namespace
from ..rng import Streams


def normals(seed: int, step: int, like: Array, rows: int | None = None) -> Array:
    """Independent standard normal numbers of an array's shape, but for another number of rows, library, dtype, device.

    They depend on the seed and on the step's number only, so that a flow goes on with the same noise wherever it was
    stopped.
    """
    stream, shape = Streams(seed).stream(f"flow step {step}"), tuple(like.shape)
    if rows is not None:
        shape = (rows, *shape[1:])
    single = "float32" in str(like.dtype)
    drawn = stream.standard_normal(shape, dtype=np.float32) if single else stream.standard_normal(shape)
    xp = namespace(like)
    return xp.asarray(drawn, device=array_api_compat.device(like))


def check_seed(seed: int) -> None:
    """Raise unless a seed is a non-negative integer."""
    Streams(seed)
