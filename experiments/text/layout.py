"""Where everything lies in a prepared file of text.

It is HDF5 with the datasets ``codes``, uint8 (of up to 256 symbols) or uint16, of shape (N, L), uncompressed and in one
piece, and ``symbols``, int32 of shape (V,), code points or bytes by their codes, -1 for code 0, which stands for all
other symbols. Attributes: ``format`` and ``version``, ``kind``, ``source`` (the name of the file or folder), ``part``,
``unit``, ``length``, ``source_sha256``, ``codes_sha256``, ``made_with`` and ``complete``, which is 1.

``codes_sha256`` is the SHA-256 of the codes, row after row in little-endian order. ``source_sha256`` is that of the
SHA-256 of each piece of the source, such as a file, in their order, as far as lines were taken of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from ..prepared.layout import dataset

FORMAT, VERSION = "coulombfield text", 1
CODES, SYMBOLS = "codes", "symbols"


class Layout(NamedTuple):
    """Places in a file."""

    size: int
    """Size of the whole file [bytes]."""
    codes: int
    """Where the first code lies [bytes]."""


def build(
    path: Path, shape: tuple[int, int], dtype: np.dtype, symbols: np.ndarray, attributes: Mapping[str, str | int]
) -> Layout:
    """Write a prepared file without its codes: where they belong, it has a hole.

    Parameters
    ----------
    path : Path
        The file; what is in it is lost.
    shape : tuple
        (N, L).
    dtype : dtype
        Of the codes.
    symbols : array of int32, shape (V,)
        By their codes.
    attributes : mapping
        Of the file. Values of the same length give the same layout.
    """
    kinds = {1: h5py.h5t.STD_U8LE, 2: h5py.h5t.STD_U16LE}
    # The unfinished file is locked already, by this process, of which HDF5 knows nothing.
    with h5py.File(path, "w", libver=("v110", "v110"), locking=False) as file:
        file.attrs.update(attributes)
        file.create_dataset(SYMBOLS, data=symbols.astype("<i4"), track_times=False)
        codes = dataset(file, CODES, shape, kinds[dtype.itemsize]).get_offset()
    return Layout(max(path.stat().st_size, codes + shape[0] * shape[1] * dtype.itemsize), codes)


def complete(path: Path, checksum: str) -> None:
    """Say in an unfinished file that all its codes are there, and their checksum."""
    with h5py.File(path, "r+", locking=False) as file:
        file.attrs.modify("codes_sha256", checksum)
        file.attrs.modify("complete", 1)
