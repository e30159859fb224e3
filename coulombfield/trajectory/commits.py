"""A file that changes from one whole version to the next and never shows a half.

HDF5 writes where and when it likes, and a file that is caught between two of its writes may be unreadable. Here its
writes stay in memory, page by page, until :meth:`CommittedFile.commit`, which

1. writes what lies beyond the end of the last version: nothing there refers to it yet;
2. writes the pages inside that version to a journal beside the file, with a checksum;
3. writes those pages to the file;
4. empties the journal.

A process that dies before 2 is complete leaves the last version, with unused bytes at its end. One that dies later
leaves a journal from which :func:`recover` completes the new version. Step 3 alone, tens of microseconds for a few
pages, can leave a file that other programs can't read before that.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = 4096
MAGIC = b"coulombfield journal 1\n"
SUFFIX = ".journal"
_ENTRY = struct.Struct("<QQ")  # offset and length; in the last entry, the file's size and 0


class CommittedFile(io.RawIOBase):
    """A file-like object for h5py whose writes reach the disk at :meth:`commit`, all or none.

    Parameters
    ----------
    path : path
        The file; created if it isn't there.

    Raises
    ------
    BlockingIOError
        If another process is writing this file.

    Notes
    -----
    What was written since the last commit is kept in memory. Nothing is forced to the platter: a commit survives the
    end of the process, not that of the machine.
    """

    def __init__(self, path: str | Path):
        self._path, self._file = Path(path), -1
        self._journal = _lock(self._path)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        _replay(self._journal, self._file)
        if not any(os.pread(self._file, PAGE, 0)):
            os.ftruncate(self._file, 0)  # the writer died before its first commit
        self._committed = self._size = os.fstat(self._file).st_size
        self._pages: dict[int, bytearray] = {}
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of the file, with what is not committed yet."""
        return self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place in the file."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """The current place."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read what was written last, committed or not; zeros where nothing was."""
        target = memoryview(buffer).cast("B")
        done = 0
        for number, start, stop in self._parts(len(target)):
            target[done : done + stop - start] = self._page(number)[start:stop]
            done += stop - start
        self._position += done
        return done

    def write(self, data: Any) -> int:
        """Keep data for the next commit."""
        source = memoryview(data).cast("B")
        done = 0
        for number, start, stop in self._parts(len(source)):
            if number not in self._pages:
                self._pages[number] = bytearray(PAGE) if stop - start == PAGE else bytearray(self._page(number))
            self._pages[number][start:stop] = source[done : done + stop - start]
            done += stop - start
        self._position += done
        self._size = max(self._size, self._position)
        return done

    def truncate(self, size: int | None = None) -> int:
        """Set the size that the next commit gives the file."""
        self._size = self._position if size is None else size
        return self._size

    def flush(self) -> None:
        """Nothing: HDF5 flushes more often than a version is whole."""

    def commit(self) -> None:
        """Make the file what was written.

        Raises
        ------
        OSError
            If the system refuses, as on a full disk; the file is then still the last version, or becomes the new one
            by :func:`recover`.
        """
        runs = list(self._runs())
        for offset, data in runs:
            if not self._is_inside(offset // PAGE):
                _write(self._file, data, offset)
        inside = [(offset, data) for offset, data in runs if self._is_inside(offset // PAGE)]
        if inside or self._size < self._committed:
            _write(self._journal, _journal_text(inside, self._size), 0)
            for offset, data in inside:
                _write(self._file, data, offset)
        os.ftruncate(self._file, self._size)
        os.ftruncate(self._journal, 0)
        self._committed = self._size
        self._pages.clear()

    def close(self) -> None:
        """Close the file; what was not committed is lost. A journal that is still needed stays."""
        if self._file >= 0:
            if os.fstat(self._journal).st_size == 0:
                _journal_of(self._path).unlink(missing_ok=True)
            os.close(self._journal)
            os.close(self._file)
            self._file = -1
        super().close()

    def _parts(self, length: int) -> Iterator[tuple[int, int, int]]:
        """Page, start and stop inside it, for so many bytes from the current place."""
        at, end = self._position, self._position + length
        while at < end:
            number, start = divmod(at, PAGE)
            stop = min(PAGE, start + end - at)
            yield number, start, stop
            at += stop - start

    def _page(self, number: int) -> bytes | bytearray:
        page = self._pages.get(number)
        return os.pread(self._file, PAGE, number * PAGE).ljust(PAGE, b"\0") if page is None else page

    def _runs(self) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of the pages to write, neighbours joined unless the last version ends between them."""
        numbers = sorted(number for number in self._pages if number * PAGE < self._size)
        first = 0
        for i in range(1, len(numbers) + 1):
            joined = i < len(numbers) and numbers[i] == numbers[i - 1] + 1
            if joined and self._is_inside(numbers[i]) == self._is_inside(numbers[i - 1]):
                continue
            yield numbers[first] * PAGE, b"".join(self._pages[number] for number in numbers[first:i])
            first = i

    def _is_inside(self, number: int) -> bool:
        """Whether a page is part of the last version; the first one is what makes a new file one of HDF5."""
        return number == 0 or number * PAGE < self._committed


def recover(path: str | Path) -> bool:
    """Complete the last version of a file whose writer was killed at the wrong moment.

    Returns
    -------
    bool
        Whether the file is whole now; False if a process is still writing it, which is then left alone.
    """
    path = Path(path)
    if not _journal_of(path).exists():
        return True
    try:
        journal = _lock(path)
    except BlockingIOError:
        return False
    try:
        if path.exists():
            file = os.open(path, os.O_RDWR)
            try:
                _replay(journal, file)
            finally:
                os.close(file)
        _journal_of(path).unlink(missing_ok=True)
    finally:
        os.close(journal)
    return True


def _journal_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _lock(path: Path) -> int:
    """The journal, opened and held by this process alone; the system lets go of it when the process ends."""
    journal = os.open(_journal_of(path), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(journal)
        raise BlockingIOError(f"{path}: another process is writing this file") from None
    return journal


def _journal_text(pages: list[tuple[int, bytes]], size: int) -> bytes:
    parts = [MAGIC]
    for offset, data in pages:
        parts += [_ENTRY.pack(offset, len(data)), data]
    parts.append(_ENTRY.pack(size, 0))
    text = b"".join(parts)
    return text + _digest(text)


def _replay(journal: int, file: int) -> None:
    """Write a journal's pages to the file, if the journal is whole, and empty it."""
    text = os.pread(journal, os.fstat(journal).st_size, 0)
    content, checksum = text[:-16], text[-16:]
    if content.startswith(MAGIC) and _digest(content) == checksum:
        at = len(MAGIC)
        while at < len(content):
            offset, length = _ENTRY.unpack_from(content, at)
            at += _ENTRY.size
            if length:
                _write(file, content[at : at + length], offset)
            else:
                os.ftruncate(file, offset)
            at += length
    os.ftruncate(journal, 0)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _write(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
