"""A file that changes from one whole version to the next and never shows a half.

HDF5 writes where and when it likes, and a file that is caught between two of its writes may be unreadable. Here its
writes stay in memory, page by page, until :meth:`CommittedFile.commit`, which

1. writes what lies beyond the end of the last version: nothing there refers to it yet;
2. writes the pages inside that version to a journal beside the file, with a checksum;
3. writes those pages to the file;
4. empties the journal.

A process that dies before 2 is complete leaves the last version, with unused bytes at its end. One that dies later
leaves a journal from which :func:`recover` completes the new version, or :func:`open_whole` in memory for who may not
write. Step 3 alone, tens of microseconds for a few pages, can leave a file that other programs can't read before that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from ..locks import open_locked
from .pages import PAGE, PagedFile

MAGIC = b"coulombfield journal 1\n"
SUFFIX = ".journal"
_ENTRY = struct.Struct("<QQ")  # offset and length; in the last entry, the file's size and 0


class CommittedFile(PagedFile):
    """A file-like object for h5py whose writes reach the disk at :meth:`commit`, all or none.

    Parameters
    ----------
    path : path
        The file; created if it isn't there.

    Raises
    ------
    BlockingIOError
        If another process is writing this file.
    OSError
        If it can't be opened, or the system has no locks.

    Notes
    -----
    What was written since the last commit is kept in memory. Nothing is forced to the platter: a commit survives the
    end of the process, not that of the machine.
    """

    def __init__(self, path: str | Path):
        self._path, self._file = Path(path), -1
        self._journal = _lock(self._path)
        try:
            super().__init__(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666))
        except OSError:
            _discard(self._path, self._journal)
            raise
        _replay(self._journal, self._file)
        if not any(self._page(0)):
            os.ftruncate(self._file, 0)  # the writer died before its first commit
        self._committed = self._size = os.fstat(self._file).st_size

    def commit(self) -> None:
        """Make the file what was written.

        Raises
        ------
        OSError
            If the system refuses, as on a full disk; the file is then still the last version, or becomes the new one
            by :func:`recover`.
        """
        if os.fstat(self._journal).st_size:  # the system refused an earlier commit midway: that one comes first
            _replay(self._journal, self._file)
            self._committed = os.fstat(self._file).st_size
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
            _discard(self._path, self._journal)
        super().close()

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

    Raises
    ------
    OSError
        If there is something to complete and no right to write.
    """
    path = Path(path)
    try:
        journal = _lock_to_recover(_journal_of(path))
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    except OSError:
        if _journal_of(path).stat().st_size:
            raise
        return True  # whatever can't be done about an empty journal, nothing is left to do
    try:
        pages = _pages(_read(journal))
        if pages is not None and path.exists():
            file = os.open(path, os.O_RDWR)
            try:
                _apply(pages, file)
            finally:
                os.close(file)
        with contextlib.suppress(OSError):  # once more does no harm
            _journal_of(path).unlink(missing_ok=True)
    finally:
        os.close(journal)
    return True


def open_whole(path: Path) -> Path | PagedFile:
    """What h5py reads the last whole version from: the file, or the file with its journal replayed in memory.

    The latter is for who may not write, where a writer was killed in a commit.

    Raises
    ------
    ValueError
        If the file has no version yet, or the journal that is needed can't be read.
    """
    pages = None
    try:
        recover(path)
    except OSError:
        pages = _pages(_read_journal(path))
    if pages is None:
        with open(path, "rb") as file:
            begun = any(file.read(PAGE))  # the first page, with HDF5's signature, is the last that is written
        if not begun:
            raise ValueError(f"{path}: has no frame yet: its writer ended before the first one, or hasn't come to it")
        return path
    whole = PagedFile(os.open(path, os.O_RDONLY))
    for offset, data in pages:
        whole.seek(offset)
        if data:
            whole.write(data)
        else:
            whole.truncate()
    return whole


def _journal_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _lock(path: Path) -> int:
    """The journal, opened and held by this process alone; the system lets go of it when the process ends."""
    while True:
        try:
            journal = open_locked(_journal_of(path), os.O_RDWR | os.O_CREAT)
        except BlockingIOError:
            raise BlockingIOError(f"{path}: another process is writing this file") from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(journal), _journal_of(path).stat()):
                return journal
        os.close(journal)  # who held it before has removed it: a second process would lock another one


def _lock_to_recover(journal: Path) -> int:
    """The same for who may not write, if the journal is there."""
    try:
        return open_locked(journal, os.O_RDWR)
    except (BlockingIOError, FileNotFoundError):
        raise
    except OSError:
        return open_locked(journal, os.O_RDONLY, shared=True)


def _discard(path: Path, journal: int) -> None:
    """Let go of the journal, and remove it unless it is needed."""
    if os.fstat(journal).st_size == 0:
        with contextlib.suppress(OSError):  # an empty one does no harm
            _journal_of(path).unlink(missing_ok=True)
    os.close(journal)


def _journal_text(pages: list[tuple[int, bytes]], size: int) -> bytes:
    parts = [MAGIC]
    for offset, data in pages:
        parts += [_ENTRY.pack(offset, len(data)), data]
    parts.append(_ENTRY.pack(size, 0))
    text = b"".join(parts)
    return text + _digest(text)


def _read(journal: int) -> bytes:
    return os.pread(journal, os.fstat(journal).st_size, 0)


def _read_journal(path: Path) -> bytes:
    try:
        return _journal_of(path).read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path}: its writer was killed as it wrote a frame, and {_journal_of(path).name}, which has the rest, "
            f"can't be read ({error.strerror}); who may write the file has to open it once"
        ) from error


def _pages(text: bytes) -> list[tuple[int, bytes]] | None:
    """Offsets and bytes of a journal, the file's size with none of them last; None unless it is whole."""
    content, checksum = text[:-16], text[-16:]
    if not content.startswith(MAGIC) or _digest(content) != checksum:
        return None
    pages, at = [], len(MAGIC)
    while at < len(content):
        offset, length = _ENTRY.unpack_from(content, at)
        at += _ENTRY.size
        pages.append((offset, content[at : at + length]))
        at += length
    return pages


def _apply(pages: list[tuple[int, bytes]], file: int) -> None:
    for offset, data in pages:
        if data:
            _write(file, data, offset)
        else:
            os.ftruncate(file, offset)


def _replay(journal: int, file: int) -> None:
    """Write a journal's pages to the file, if the journal is whole, and empty it."""
    pages = _pages(_read(journal))
    if pages is not None:
        _apply(pages, file)
    os.ftruncate(journal, 0)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _write(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
