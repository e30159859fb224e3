"""Lines of a source as symbols, cut by several threads while the next ones are read."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..sources.lines import LineSource, TextError, blocks
from .alphabet import PADDING, Unit
from .cutting import cut

ROWS = 1 << 15  # lines cut in one go
SYMBOLS = 1 << 20  # at most so many in one go, unless a line alone has more


class Block(NamedTuple):
    """Some lines of a piece."""

    piece: int
    """Number of the piece."""
    data: bytes
    """The lines as the source has them."""
    symbols: np.ndarray
    """uint32, shape (N, L)."""
    blank: int
    """Blank lines among them, left out."""


class Wanted:
    """How many lines are still to be taken.

    Parameters
    ----------
    lines : list of int
        Of each piece; or one number, of all together.
    together : bool
        Whether it is that one number.
    """

    def __init__(self, lines: list[int], *, together: bool):
        self._lines, self._together = list(lines), together

    def of(self, piece: int) -> int:
        """Lines that are still wanted of a piece."""
        return self._lines[0 if self._together else piece]

    def take(self, piece: int, lines: int) -> None:
        """Take so many lines off those that are wanted."""
        self._lines[0 if self._together else piece] -= lines

    @property
    def none(self) -> bool:
        """Whether that is all."""
        return not any(self._lines)


class Reader:
    """Cuts the lines of a source.

    Parameters
    ----------
    source : LineSource
        The lines.
    unit : {'characters', 'bytes'}
        What symbols are.
    length : int
        L, symbols of a line.
    pool : ThreadPoolExecutor
        Threads.
    """

    def __init__(self, source: LineSource, unit: Unit, length: int, pool: ThreadPoolExecutor):
        self.source, self.length = source, length
        self._characters, self._pool = unit == "characters", pool

    def blocks(self, wanted: Wanted | None = None) -> Iterator[Block]:
        """All lines, or the first ones of each piece, pieces in the order in which they are stored.

        Raises
        ------
        TextError
            If the source can't be read, or has bytes that are no UTF-8 where symbols are characters.
        """
        waiting: deque[Future[Block]] = deque()
        pending, piece, lines = 2 * (os.cpu_count() or 1), -1, 0
        stored = self._stored(wanted)
        going_on = True
        while going_on or waiting:
            if going_on and len(waiting) <= pending:
                if (following := next(stored, None)) is None:
                    going_on = False
                else:
                    waiting.append(self._pool.submit(self._cut, *following))
                continue
            try:
                block = waiting.popleft().result()
            except _UndecodableError as error:
                line = error.line + (lines if error.piece == piece else 0)
                raise TextError(
                    f"{self.source.names[error.piece]}: line {line}: is no UTF-8 (byte {error.byte:#04x}); symbols may "
                    "also be bytes: --unit bytes"
                ) from error
            lines = block.data.count(b"\n") + (lines if block.piece == piece else 0)
            piece = block.piece
            if wanted is not None:
                if (most := wanted.of(piece)) < len(block.symbols):
                    block = self._shortened(block, most)
                wanted.take(piece, len(block.symbols))
            if len(block.symbols) or block.blank:
                yield block

    def _stored(self, wanted: Wanted | None) -> Iterator[tuple[int, bytes]]:
        for piece, file in self.source.pieces():
            for data in blocks(self.source.names[piece], file, self.source.rules):
                if wanted is not None and not wanted.of(piece):
                    break
                yield piece, data
            if wanted is not None and wanted.none:
                return

    def _cut(self, piece: int, data: bytes) -> Block:
        if self._characters:
            try:
                data.decode()
            except UnicodeDecodeError as error:
                line = data.count(b"\n", 0, error.start) + 1
                raise _UndecodableError(piece, line, data[error.start]) from error
        values, left = np.frombuffer(data, np.uint8), data.count(b"\n") + 1
        most = max(1, min(ROWS, SYMBOLS // self.length))
        parts, blank, at = [], 0, 0
        while at < len(values):
            symbols = np.empty((min(most, left), self.length), np.uint32)
            rows, empty, at = self._cut_from(values, at, symbols)
            parts.append(symbols[:rows])
            blank += empty
        return Block(piece, data, parts[0] if len(parts) == 1 else np.concatenate(parts), blank)

    def _shortened(self, block: Block, most: int) -> Block:
        """The first lines of a block."""
        symbols = block.symbols[:most]
        _, blank, end = self._cut_from(np.frombuffer(block.data, np.uint8), 0, np.empty_like(symbols))
        return Block(block.piece, block.data[:end], symbols, blank)

    def _cut_from(self, values: np.ndarray, at: int, symbols: np.ndarray) -> tuple[int, int, int]:
        rules = self.source.rules
        return cut(values, at, self._characters, rules.skips_blank, rules.strips, PADDING, symbols)


class _UndecodableError(Exception):
    """Where a block is no UTF-8."""

    def __init__(self, piece: int, line: int, byte: int):
        super().__init__(piece, line, byte)
        self.piece, self.line, self.byte = piece, line, byte
