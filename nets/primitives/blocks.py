"""Square blocks of pixels and single pixels: each is the other's transpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from coulombfield.arrays import Array, library, module_of
from nets.primitives.shares import share_rows


def spread(x: Array, side: int, factor: float, out: Array) -> Array:
    """Each pixel of x, times a factor, as a block of ``side`` by ``side`` pixels.

    Parameters
    ----------
    x : array, shape (N, H, W, C)
        Images.
    side : int
        Of a block [pixels].
    factor : float
        What each number is multiplied by.
    out : array, shape (N, H side, W side, C)
        Written; contiguous.

    Returns
    -------
    array
        ``out``.
    """
    n, height, width, channels = x.shape
    _by_samples(_spread, out.reshape(n, height, side, width, side, channels), x, out.dtype.type(factor))
    return out


def gather(x: Array, side: int, factor: float, out: Array) -> Array:
    """Sum over each block of ``side`` by ``side`` pixels of x, times a factor.

    Parameters
    ----------
    x : array, shape (N, H side, W side, C)
        Images.
    side : int
        Of a block [pixels].
    factor : float
        What each sum is multiplied by.
    out : array, shape (N, H, W, C)
        Written.

    Returns
    -------
    array
        ``out``.
    """
    _by_samples(_gather, out, x, side, out.dtype.type(factor))
    return out


def _spread(blocks: Array, x: Array, factor: Any) -> None:
    module_of(x).multiply(x[:, :, None, :, None, :], factor, out=blocks)


def _gather(sums: Array, x: Array, side: int, factor: Any) -> None:
    sums[...] = x[:, ::side, ::side]
    for i, j in itertools.islice(itertools.product(range(side), repeat=2), 1, None):
        sums += x[:, i::side, j::side]
    if factor != 1:
        sums *= factor


def _by_samples(work: Callable[..., None], out: Array, x: Array, *settings: Any) -> None:
    """``work(out, x, *settings)``, on the host in threads where there is much to do."""
    if library(type(out)) == "numpy":
        share_rows(work, (out, x), *settings)
    else:
        work(out, x, *settings)
