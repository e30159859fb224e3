"""Files of trained weights, one format a file, each told by what is in it and read without a framework."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from . import npz
from .archives import only_member_of_tar, only_member_of_zip
from .errors import LARGEST, WeightFileError, reading
from .graph_def import read_graph_def
from .safetensors_weights import read_safetensors
from .torch_file import read_archive, read_legacy

__all__ = ["WeightFileError", "read_weights"]

PICKLE, ZIP, GZIP = b"\x80", b"PK\x03\x04", b"\x1f\x8b"
HEADER = b"{"
"""Byte 8 of a safetensors file, after the length of its header."""
FIELDS = (0x0A, 0x12, 0x1A, 0x22)
"""First bytes of a GraphDef: keys of its fields, which may come in any order."""
OTHERS = {
    b"version https://git-lfs": "a pointer of Git LFS in place of the file",
    b"\x89HDF": "HDF5",
    b"<": "a web page",
    b"node": "a GraphDef as text",
}
"""First bytes of what people give, and what it is."""


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a file of trained weights by name, whatever the file is called.

    Parameters
    ----------
    path : Path
        A frozen GraphDef of TensorFlow, PyTorch's ``.pth``, as a zip archive or as it was until 2020, a safetensors
        file or an npz; or a zip or tar.gz archive with just one of these, such as a Python package. Which it is, its
        first bytes say.

    Returns
    -------
    dict from str to array
        Read-only. Of the file's kinds of numbers; bfloat16 becomes float32.

    Raises
    ------
    WeightFileError
        If there is no such file, or it isn't one of these, damaged, or without weights.
    ConversionError
        If it is a safetensors file and safetensors isn't installed.

    Notes
    -----
    Nothing that a file holds is run, and no more memory taken than its own size, or that of what it unpacks to, which
    may be 1 GiB. Only zip archives have checksums: elsewhere a flipped bit in a weight is another weight.
    """
    found = _read(path, _contents(path))
    for array in found.values():  # some lie in the file's bytes, which more than one may share
        array.flags.writeable = False
    return found


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


def _read(path: Path, data: bytes, *, nested: bool = False) -> dict[str, np.ndarray]:
    if not data:
        raise WeightFileError(f"{path}: empty")
    if data.startswith(PICKLE):
        return read_legacy(path, data)
    if data.startswith(ZIP):
        return _read_zip(path, data, nested)
    if data.startswith(GZIP) and not nested:
        return _read(*only_member_of_tar(path, data), nested=True)
    if data[8:9] == HEADER:
        return read_safetensors(path, data)
    if data[0] in FIELDS:
        return read_graph_def(path, data)
    what = next((what for magic, what in OTHERS.items() if data.startswith(magic)), f"it begins with {data[:8]!r}")
    raise WeightFileError(f"{path}: no file of weights that can be read here: {what}")


def _read_zip(path: Path, data: bytes, nested: bool) -> dict[str, np.ndarray]:
    with reading(path, "zip archive"):
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = archive.namelist()
    if any(PurePosixPath(name).name == "data.pkl" for name in names):
        return read_archive(path, archive)
    if names and all(name.endswith(npz.SUFFIX) for name in names):
        return npz.read_npz(path, archive)
    if nested:
        raise WeightFileError(f"{path}: no file of weights that can be read here: an archive within an archive")
    return _read(*only_member_of_zip(path, archive), nested=True)
