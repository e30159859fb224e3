"""A file as it would be with what was written to it: pages in memory over those on disk."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

PAGE = 4096


class PagedFile(io.RawIOBase):
    """A file-like object for h5py that keeps what is written in memory, page by page.

    Parameters
    ----------
    file : int
        Descriptor of the file, open to read; closed with this object.
    """

    def __init__(self, file: int):
        self._file = file
        self._size = os.fstat(file).st_size
        self._pages: dict[int, bytearray] = {}
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of the file, with what was written."""
        return self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place in the file."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """The current place."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read what was written last, in memory or on disk; zeros where nothing was."""
        target = memoryview(buffer).cast("B")
        done = 0
        for number, start, stop in self._parts(len(target)):
            target[done : done + stop - start] = self._page(number)[start:stop]
            done += stop - start
        self._position += done
        return done

    def write(self, data: Any) -> int:
        """Keep data in memory."""
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
        """Set the file's size."""
        self._size = self._position if size is None else size
        return self._size

    def flush(self) -> None:
        """Nothing: HDF5 flushes more often than a version is whole."""

    def close(self) -> None:
        """Close the file; what is in memory is lost."""
        if self._file >= 0:
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
        if number in self._pages:
            return self._pages[number]
        if self._file < 0:  # HDF5 may let go of an object of a damaged file after this was closed, and write once more
            return bytes(PAGE)
        return os.pread(self._file, PAGE, number * PAGE).ljust(PAGE, b"\0")
