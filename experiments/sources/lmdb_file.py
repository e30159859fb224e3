"""LMDB's data file, read without mapping it, so that no file, however damaged, can crash the process.

The format of LMDB 0.9 on little-endian 64-bit machines: pages of equal size, of which the first two are meta pages that
name the root of a tree; branch pages with the numbers of pages below, leaf pages with keys and values, and runs of
overflow pages with values that are larger than a page allows.
"""

from __future__ import annotations

import os
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .source import ImageError

MAGIC, VERSION = 0xBEEFC0DE, 1
META = struct.Struct("<II8x8x I H H 40x 4x H H 3Q Q Q Q Q".replace(" ", ""))
PAGE_HEADER = struct.Struct("<QHHHH")  # number, padding, flags, lower and upper end of the free space
NODE = struct.Struct("<HHHH")  # lower and upper half of a size or a page number, flags, length of the key
BRANCH, LEAF, OVERFLOW, META_PAGE = 1, 2, 4, 8
BIG_DATA, SUB_DATA, DUPLICATES = 1, 2, 4
PAGE_SIZES = [2**power for power in range(9, 17)]
NO_PAGE = 2**64 - 1
DEEPEST = 32  # levels of a tree, more than LMDB's own limit needs
LARGEST = 1 << 30  # [bytes] of a value


class Entry(NamedTuple):
    """A key and where its value lies."""

    key: bytes
    offset: int
    """Offset of the value in the file [bytes]."""
    size: int
    """Size of the value [bytes]."""


class LMDBFile:
    """The main database of a data file, opened for reading and without any lock.

    Parameters
    ----------
    path : Path
        ``data.mdb``.

    Raises
    ------
    ImageError
        If it is no such file, truncated or damaged.

    Notes
    -----
    Memory is O(leaf pages): their numbers and how many keys come before each.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._length = os.fstat(self._file).st_size
        self._page_size, self._last, root, depth, entries = self._meta()
        leaves = list(self._leaves(root, depth)) if root != NO_PAGE else []
        counts = [len(self._nodes(self._page(number, LEAF), number)) for number in leaves]
        self._leaf_numbers = np.array(leaves, np.int64)
        self._before = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self.count = int(self._before[-1])
        if self.count != entries:
            raise self._damaged(f"has {self.count} keys, expected {entries}")

    def entries(self, start: int, stop: int) -> Iterator[Entry]:
        """Keys of these numbers, in their order, with the places of their values."""
        leaf = int(np.searchsorted(self._before, start, side="right")) - 1
        while leaf < len(self._leaf_numbers) and self._before[leaf] < stop:
            number, first = int(self._leaf_numbers[leaf]), int(self._before[leaf])
            page = self._page(number, LEAF)
            places = self._nodes(page, number)
            for place in places[max(start - first, 0) : stop - first]:
                yield self._entry(page, number, place)
            leaf += 1

    def value(self, entry: Entry) -> bytes:
        """A value."""
        return self._read(entry.offset, entry.size)

    def _meta(self) -> tuple[int, int, int, int, int]:
        """Size of a page, number of the last one, root, depth and number of keys, as of the last transaction."""
        first = self._read_meta(0)
        if first[0] != MAGIC:
            raise ImageError(f"{self._path}: no LMDB file")
        if first[1] != VERSION:
            raise ImageError(f"{self._path}: version {first[1]} of LMDB's format; expected {VERSION}")
        size = first[2]
        if size not in PAGE_SIZES:
            raise self._damaged(f"pages of {size} bytes")
        metas = [meta for meta in (first, self._read_meta(size)) if meta[:3] == (MAGIC, VERSION, size)]
        *_, flags, depth, _, _, _, entries, root, last, _ = max(metas, key=lambda meta: meta[-1])
        if self._length < (last + 1) * size:
            raise ImageError(f"{self._path}: truncated: expected {(last + 1) * size} bytes, got {self._length}")
        if flags or depth > DEEPEST:
            raise self._damaged(f"flags {flags:#x}, depth {depth}")
        return size, last, root, depth, entries

    def _read_meta(self, offset: int) -> tuple[int, ...]:
        return META.unpack(self._read(offset + PAGE_HEADER.size, META.size))

    def _leaves(self, root: int, depth: int) -> Iterator[int]:
        """Numbers of leaf pages in the order of their keys."""
        seen, waiting = 0, [(root, depth)]
        while waiting:
            number, levels = waiting.pop()
            seen += 1
            if seen > self._last:
                raise self._damaged("a page has itself below it")
            if levels <= 1:
                yield number
                continue
            page = self._page(number, BRANCH)
            below = []
            for place in self._nodes(page, number):
                low, high, top, _ = NODE.unpack_from(page, place)
                below.append((low | high << 16 | top << 32, levels - 1))
            waiting += reversed(below)

    def _page(self, number: int, kind: int) -> bytes:
        if not 1 < number <= self._last:
            raise self._damaged(f"there is no page {number}")
        page = self._read(number * self._page_size, self._page_size)
        own, _, flags, _, _ = PAGE_HEADER.unpack_from(page)
        if own != number or flags & 0x6F != kind:
            raise self._damaged(f"page {number} calls itself {own} and has flags {flags:#x}, expected {kind:#x}")
        return page

    def _nodes(self, page: bytes, number: int) -> tuple[int, ...]:
        """Places of the nodes in a page."""
        _, _, _, lower, upper = PAGE_HEADER.unpack_from(page)
        if not PAGE_HEADER.size <= lower <= upper <= len(page) or lower % 2:
            raise self._damaged(f"page {number} has its free space from {lower} to {upper}")
        places = struct.unpack_from(f"<{(lower - PAGE_HEADER.size) // 2}H", page, PAGE_HEADER.size)
        if places and not upper <= min(places) <= max(places) <= len(page) - NODE.size:
            raise self._damaged(f"page {number} has nodes outside of it")
        return places

    def _entry(self, page: bytes, number: int, place: int) -> Entry:
        low, high, flags, key_size = NODE.unpack_from(page, place)
        size, start = low | high << 16, place + NODE.size
        data = start + key_size
        stored = 8 if flags & BIG_DATA else size
        if flags & (SUB_DATA | DUPLICATES) or data + stored > len(page) or size > LARGEST:
            raise self._damaged(f"page {number} has a node with flags {flags:#x} of {key_size} and {size} bytes")
        key = page[start:data]
        if not flags & BIG_DATA:
            return Entry(key, number * self._page_size + data, size)
        (overflow,) = struct.unpack_from("<Q", page, data)
        if not 1 < overflow <= self._last:
            raise self._damaged(f"there is no page {overflow}")
        offset = overflow * self._page_size
        own, _, kind, pages, more = PAGE_HEADER.unpack(self._read(offset, PAGE_HEADER.size))
        if own != overflow or kind & 0x6F != OVERFLOW:
            raise self._damaged(f"page {overflow} calls itself {own} and has flags {kind:#x}, expected {OVERFLOW:#x}")
        if PAGE_HEADER.size + size > (pages | more << 16) * self._page_size:
            raise self._damaged(f"a value of {size} bytes in {pages | more << 16} pages")
        return Entry(key, offset + PAGE_HEADER.size, size)

    def _read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._file, size, offset) if offset + size <= self._length else b""
        if len(data) < size:
            raise ImageError(f"{self._path}: truncated: expected {size} bytes at {offset}, has {self._length} in all")
        return data

    def _damaged(self, what: str) -> ImageError:
        return ImageError(f"{self._path}: damaged: {what}")
