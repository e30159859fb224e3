"""Copies and sums of whole batches, on the host in threads where there is much to do."""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import Array, library
from nets.primitives.shares import share_rows


def copy(x: Array, out: Array) -> Array:
    """Write ``x`` to ``out``, which has its shape."""
    if library(type(out)) == "numpy" and out.ndim:
        share_rows(np.copyto, (out, x))
    else:
        out[...] = x
    return out


def add(x: Array, out: Array) -> Array:
    """Add ``x`` to ``out``, which has its shape."""
    if library(type(out)) == "numpy" and out.ndim:
        share_rows(_add, (out, x))
    else:
        out += x
    return out


def _add(out: np.ndarray, x: np.ndarray) -> None:
    np.add(out, x, out=out)
