"""Files in the making: under another name, kept from other processes, and given their size at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import DataError, UserError
from ..files import WriteError, writing


class PrepareError(UserError):
    """A file that can't be made as asked."""


def expect_new(out: Path) -> None:
    """Raise :class:`PrepareError` where a file can't be made because it is there, or its folder is not."""
    if not out.parent.is_dir():
        raise PrepareError(f"{out}: no such folder: {out.parent}")
    if out.exists():
        raise PrepareError(f"{out}: is there already")


def expect_none_yet(out: Path, unfinished: Path) -> None:
    """Raise :class:`PrepareError` where a file has come since :func:`expect_new`."""
    if out.exists():
        raise PrepareError(f"{out}: is there already; it has come while {unfinished} was made")


@contextlib.contextmanager
def locked(out: Path, *, wait: bool = False) -> Iterator[tuple[Path, int]]:
    """The unfinished file of ``out``, opened and kept from other processes; an empty one is not left behind.

    Parameters
    ----------
    out : Path
        The file in the end.
    wait : bool
        Whether to wait for a process that has it.

    Raises
    ------
    PrepareError
        If another process has it.
    WriteError
        If the system refuses to make it.
    """
    path = out.with_name(f".{out.name}.unfinished")
    with writing(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise PrepareError(f"{path}: another process is making this file") from error
        try:
            yield path, file
        finally:
            if not os.fstat(file).st_size:
                path.unlink(missing_ok=True)
    finally:
        os.close(file)


def check_disk(out: Path, size: int) -> int:
    """Bytes that are free; raises :class:`WriteError` if there is no room.

    Of very many images, already the file's index takes minutes.
    """
    free = shutil.disk_usage(out.parent).free
    if size > free:
        raise _too_large(out, size, free)
    return free


def reserve(file: int, out: Path, size: int) -> None:
    """Give an unfinished file its size on disk, so that a full one is known of now.

    Raises
    ------
    WriteError
        If there is no room, or the system refuses.
    """
    free = check_disk(out, size)
    try:
        os.ftruncate(file, size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise WriteError(f"{out}: can't be written ({error.strerror})") from error
        raise _too_large(out, size, free) from error


def write_at(file: int, data: memoryview, place: int) -> None:
    """Write all of some bytes."""
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written


def identity(files: Iterable[Path]) -> str:
    """Checksum of names, sizes and times of a source's files: whether it is the same, without reading it.

    Raises
    ------
    DataError
        If one is not there.
    """
    digest = hashlib.sha256()
    for path in files:
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"{path}: can't be read ({error.strerror})") from error
        digest.update(f"{path.name} {found.st_size} {found.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _too_large(out: Path, size: int, free: int) -> WriteError:
    return WriteError(f"{out}: needs {size / 1e6:,.0f} MB, and the disk has {free / 1e6:,.0f} MB left")
