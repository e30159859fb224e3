"""NumPy's archives of arrays."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from .archives import member
from .errors import reading

SUFFIX = ".npy"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: Path, archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Arrays by name, none of objects.

    Raises
    ------
    WeightFileError
        If an array is damaged or holds something else than numbers.
    """
    arrays = {}
    with reading(path, "npz archive"):
        for name in archive.namelist():
            try:
                arrays[name.removesuffix(SUFFIX)] = _array(member(archive, name))
            except ValueError as error:
                raise ValueError(f"{name[:80]}: {error}") from error
    return arrays


def _array(data: bytes) -> np.ndarray:
    """An array in the bytes of its file: NumPy's own reader allocates what the header says."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"has the version {version}")
    shape, by_columns, dtype = HEADERS[version](file)
    if dtype.kind not in "biuf":
        raise ValueError(f"has {dtype} in place of numbers")
    size = len(data) - file.tell()
    if math.prod(shape) * dtype.itemsize != size or min(shape, default=0) < 0:
        raise ValueError(f"has {size} bytes for the shape {shape} of {dtype}")
    numbers = np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if by_columns else "C")
    return numbers.astype(dtype.newbyteorder("="), copy=False)
