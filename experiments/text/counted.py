"""The n-grams of a prepared file, counted once and kept beside it.

``DATA.h5.ngrams`` is HDF5 with ``codes``, ``starts`` and ``counts`` of each n in groups ``1`` to ``6``; its attributes
say of which codes they are (``codes_sha256``), and have a checksum of all arrays. A file that is damaged, of other
codes or of another version is made anew.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from ..files import WriteError, sync_folder, writing
from ..prepared.unfinished import check_disk, locked
from .ngrams import Level, NGrams, count
from .stored import StoredText

FORMAT, VERSION = "coulombfield ngrams", 1
LINES = 1 << 17  # read at once


def counted(stored: StoredText) -> NGrams:
    """The n-grams of a prepared file.

    Parameters
    ----------
    stored : StoredText
        The file.

    Raises
    ------
    TextError
        If it can't be read, or its codes are not as they were written.

    Notes
    -----
    A process waits for another one that counts the same file. Where nothing can be written beside it, it warns and
    counts in memory.
    """
    path = stored.path.with_name(f"{stored.path.name}.ngrams")
    if (found := read(path, stored)) is not None:
        return found
    made: NGrams | None = None
    try:
        with locked(path, wait=True) as (unfinished, _):
            if (found := read(path, stored)) is not None:  # another process has made it meanwhile
                unfinished.unlink(missing_ok=True)
                return found
            try:
                made = _count(stored)
                _write(path, unfinished, stored, made)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
    except WriteError as error:
        warnings.warn(f"{error}; n-grams stay in memory and are counted again next time", stacklevel=2)
    return _count(stored) if made is None else made


def read(path: Path, stored: StoredText) -> NGrams | None:
    """What a file has of the n-grams of others' codes; None where it is not there, damaged, or of other codes."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            wanted = _attributes(stored)
            if any(file.attrs.get(name) != value for name, value in wanted.items()):
                return None
            levels = [Level(*(file[f"{n}/{name}"][:] for name in Level._fields)) for n in range(1, len(file) + 1)]
            if file.attrs.get("sha256") != _checksum(levels):
                return None
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # what h5py raises of damaged files
        return None
    return NGrams(len(stored.alphabet), *stored.shape, levels)


def _count(stored: StoredText) -> NGrams:
    digest = hashlib.sha256()

    def blocks() -> Iterator[np.ndarray]:
        nonlocal digest
        digest = hashlib.sha256()
        with tqdm(total=stored.shape[0], unit="line", unit_scale=True, desc="counting n-grams", disable=None) as bar:
            for start in range(0, stored.shape[0], LINES):
                codes = stored.codes(start, min(start + LINES, stored.shape[0]))
                digest.update(codes.data)
                yield codes
                bar.update(len(codes))

    found = count(blocks, len(stored.alphabet))
    stored.expect_checksum(digest.hexdigest())
    return found


def _write(path: Path, unfinished: Path, stored: StoredText, found: NGrams) -> None:
    check_disk(path, sum(array.nbytes for level in found.levels for array in level))
    with writing(path):
        with h5py.File(unfinished, "w", locking=False) as file:
            for n, level in enumerate(found.levels, 1):
                for name, array in level._asdict().items():
                    file.create_dataset(f"{n}/{name}", data=array)
            file.attrs.update(_attributes(stored))
            file.attrs["sha256"] = _checksum(found.levels)
        with open(unfinished, "rb") as whole:
            os.fsync(whole.fileno())
        os.replace(unfinished, path)
        sync_folder(path)


def _attributes(stored: StoredText) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "codes_sha256": stored.attributes["codes_sha256"],
        "vocabulary": len(stored.alphabet),
        "lines": stored.shape[0],
        "length": stored.shape[1],
    }


def _checksum(levels: list[Level]) -> str:
    digest = hashlib.sha256()
    for level in levels:
        for array in level:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
