"""Files of trained weights, one format a file, each told by what is in it and read without a framework."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import numpy as np

from .errors import LARGEST, WeightFileError, reading
from .torch_file import read_archive, read_legacy

__all__ = ["WeightFileError", "read_weights"]

PICKLE, ZIP = b"\x80", b"PK\x03\x04"


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a file of trained weights by name, whatever the file is called.

    Parameters
    ----------
    path : Path
        PyTorch's ``.pth``, as a zip archive or as it was until 2020.

    Returns
    -------
    dict from str to array
        Read-only. Of the file's kinds of numbers; bfloat16 becomes float32.

    Raises
    ------
    WeightFileError
        If there is no such file, or it isn't one of these, damaged, or without weights.
    """
    return _read(path, _contents(path))


def _contents(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise WeightFileError(f"{path}: not a file")
        if status.st_size > LARGEST:
            raise WeightFileError(f"{path}: {status.st_size} bytes are more than weights have ({LARGEST})")
        return path.read_bytes()
    except OSError as error:
        raise WeightFileError(f"{path}: can't be read: {error.strerror or error}") from error


def _read(path: Path, data: bytes) -> dict[str, np.ndarray]:
    if data.startswith(PICKLE):
        return read_legacy(path, data)
    if data.startswith(ZIP):
        with reading(path, "archive"):
            return read_archive(path, zipfile.ZipFile(io.BytesIO(data)))
    raise WeightFileError(f"{path}: no file of weights")
