"""The first symbols of lines."""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import jit

END, RETURN, TAB, SPACE = ord("\n"), ord("\r"), ord("\t"), ord(" ")


@jit
def cut(data, start, characters, skips_blank, strips, padding, symbols):
    """First symbols of lines, one after the other, until the data end or there is no more room.

    Parameters
    ----------
    data : array of uint8, shape (D,)
        Whole lines, the last of which may lack its end. If symbols are characters, valid UTF-8.
    start : int
        Where the first line begins.
    characters : bool
        Whether symbols are characters of UTF-8, or bytes.
    skips_blank : bool
        Whether lines of nothing but spaces, tabs and the like are left out.
    strips : bool
        Whether carriage returns at the end of a line are left out.
    padding : int
        Symbol that fills up short lines.
    symbols : array of uint32, shape (N, L)
        Is overwritten with the symbols.

    Returns
    -------
    tuple of int
        Lines that were written, blank ones left out, and where the next one begins.
    """
    at, row, blank = start, 0, 0
    while at < len(data) and row < len(symbols):
        end = at
        while end < len(data) and data[end] != END:
            end += 1
        stop = end
        while strips and stop > at and data[stop - 1] == RETURN:
            stop -= 1
        if skips_blank:
            place = at
            while place < stop and (data[place] == SPACE or TAB <= data[place] <= RETURN):
                place += 1
            if place == stop:
                blank += 1
                at = end + 1
                continue
        column = 0
        while at < stop and column < symbols.shape[1]:
            value, more = np.uint32(data[at]), 0
            at += 1
            if characters and value >= 0x80:  # leading byte: 110xxxxx, 1110xxxx or 11110xxx, before 1 to 3 of 10xxxxxx
                if value < 0xE0:
                    value, more = value & np.uint32(0x1F), 1
                elif value < 0xF0:
                    value, more = value & np.uint32(0x0F), 2
                else:
                    value, more = value & np.uint32(0x07), 3
                for _ in range(more):
                    value = (value << np.uint32(6)) | np.uint32(data[at] & 0x3F)
                    at += 1
            symbols[row, column] = value
            column += 1
        for rest in range(column, symbols.shape[1]):
            symbols[row, rest] = padding
        row += 1
        at = end + 1
    return row, blank, min(at, len(data))


@jit
def add_counts(symbols, counts):
    """Add to each symbol's count, shape (256,) or (1114112,), how often it occurs in ``symbols``, shape (N, L)."""
    for row in range(symbols.shape[0]):
        for column in range(symbols.shape[1]):
            counts[symbols[row, column]] += 1
