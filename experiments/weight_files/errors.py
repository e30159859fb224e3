"""What can be wrong with a file of weights."""

from __future__ import annotations

import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from .. import UserError

LARGEST = 2**30
"""Bytes of a file, or of what is unpacked from one: ten times the largest network that measures images."""

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    ArithmeticError,  # sizes beyond those of an index
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,  # ways of compression that Python lacks
    OSError,
    RecursionError,
    RuntimeError,  # encrypted members of an archive
    SyntaxError,  # headers of NumPy's arrays
    TypeError,
    ValueError,
)
"""What Python's readers of archives, and NumPy, raise when they come across damage."""


class WeightFileError(UserError):
    """A file that holds no weights, or whose weights can't be read: the message names it and says what is wrong."""


@contextlib.contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
    """Turn whatever a damaged file leads to into one line that names it and the form that it seemed to have."""
    try:
        yield
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightFileError(f"{path}: damaged {form}: {reason[:300]}") from error
