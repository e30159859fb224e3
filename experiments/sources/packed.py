"""Files that may be packed by gzip."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import BinaryIO, cast

GZIP = b"\x1f\x8b"


def is_packed(path: Path) -> bool:
    """Whether a file begins as gzip's do, whatever its name."""
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


def open_packed(path: Path) -> BinaryIO:
    """The content of a file, unpacked if need be; at the end of a packed one its checksum is compared."""
    return cast(BinaryIO, gzip.open(path, "rb")) if is_packed(path) else open(path, "rb")
