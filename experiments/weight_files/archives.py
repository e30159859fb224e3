"""Members of zip archives, no larger than they say and than anybody can want."""

from __future__ import annotations

import zipfile

from .errors import LARGEST


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """All bytes of a member, whose checksum holds.

    Raises
    ------
    ValueError
        If it is larger than weights are.
    """
    size = archive.getinfo(name).file_size
    if size > LARGEST:
        raise ValueError(f"{name} unpacks to {size} bytes, more than {LARGEST}")
    with archive.open(name) as file:
        data = file.read(size + 1)  # what is behind it is damage, and is read no further than this
    if len(data) != size:
        raise ValueError(f"{name} has {len(data)} bytes or more, not {size}")
    return data
