r"""Exact nearest lines by edit distance, of some lines among many, which come in blocks, as from a disk.

The edit distance (Levenshtein 1966) is the least number of characters to insert, delete or replace that turns one line
into the other. A column of its table, :math:`D_{ij} = \min(D_{i-1,j} + 1,\, D_{i,j-1} + 1,\, D_{i-1,j-1} + [a_i \ne
b_j])`, differs from one row to the next by -1, 0 or 1. Two words of a bit for each row say where it grows and where it
falls, and a character of b moves both on in some fifteen operations (Myers, J. ACM 46, 1999, in the form of Hyyrö,
Nordic J. Comput. 10, 2003). The distance is the length of b, plus the bits of the one in the last column, less those of
the other.

Those operations are the same for every a, so that vector registers take as many lines a as they have words; lines of up
to 32 characters take words of 32 bits, longer ones as many of 64 bits as they need, with a carry from each to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from coulombfield.arrays import jit
from coulombfield.threads import share

TOGETHER = 128  # lines whose words, and those of most characters, stay in the first-level cache
WIDTH = 8  # words of a vector register, which take as long as one


class NearestLines(NamedTuple):
    """The nearest of each line."""

    indices: np.ndarray
    """Its number in the order of the blocks, the lowest of those that are equally near, shape (N,), int64."""
    distances: np.ndarray
    """Edit distance to it, shape (N,), int64 [characters]."""


def nearest_lines(lines: np.ndarray, blocks: Iterable[np.ndarray], padding: int) -> NearestLines:
    """The nearest line of each of some lines among those of all blocks, by edit distance.

    Parameters
    ----------
    lines : array, shape (N, L)
        Codes of characters, uint8 or uint16.
    blocks : iterable of array, shape (any, M)
        Of the same dtype, such as the lines of a training set as they are read.
    padding : int
        Code at the end of lines that are shorter than their array: a line's last characters of this code don't count,
        those before another character do.

    Returns
    -------
    NearestLines
        Exact.

    Raises
    ------
    ValueError
        If there is nothing in the blocks, or a shape or a dtype does not fit.

    Notes
    -----
    Time is N × M operations on a vector register for each line of a block and eight lines of up to 32 characters,
    shared among all threads. Memory beside a block is a word for each of N lines and each character in them.
    """
    if lines.ndim != 2 or lines.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"lines: expected uint8 or uint16 of shape (N, L), got {lines.dtype} of {lines.shape}")
    patterns = [_Patterns(lines[i : i + TOGETHER], padding) for i in range(0, len(lines), TOGETHER)]
    count = 0
    for block in blocks:
        if block.ndim != 2 or block.dtype != lines.dtype:
            raise ValueError(f"blocks: expected {lines.dtype} of shape (N, L), got {block.dtype} of {block.shape}")
        for some in patterns:
            some.search(np.ascontiguousarray(block), padding, count)
        count += len(block)
    if not count:
        raise ValueError("blocks: expected at least one line, got none")
    nothing = [np.empty(0, np.int64)]
    return NearestLines(
        np.concatenate([some.indices for some in patterns] or nothing),
        np.concatenate([some.distances for some in patterns] or nothing),
    )


class _Patterns:
    """Some lines as words of bits, and what is nearest to each so far."""

    def __init__(self, lines: np.ndarray, padding: int):
        lengths, longest = _lengths(lines, padding), lines.shape[1]
        word, bits = (np.uint32, 32) if longest <= 32 else (np.uint64, 64)
        words = max(1, -(-longest // bits))
        place = np.arange(longest)
        counts = place < lengths[:, np.newaxis]
        codes = np.unique(lines[counts])
        # The first row is that of all characters that are in none of the lines.
        self._rows = np.zeros(np.iinfo(lines.dtype).max + 1, np.int64)
        self._rows[codes] = np.arange(1, len(codes) + 1)
        whole = -(-len(lines) // WIDTH) * WIDTH
        self._equal = np.zeros((len(codes) + 1, words, whole), word)
        self._masks = np.zeros((words, whole), word)
        for i in range(longest):
            (which,), bit = np.nonzero(counts[:, i]), word(1) << word(i % bits)
            self._equal[self._rows[lines[which, i]], i // bits, which] |= bit
            self._masks[i // bits, which] |= bit
        self.indices = np.zeros(len(lines), np.int64)
        self.distances = np.full(len(lines), np.iinfo(np.int64).max)

    def search(self, block: np.ndarray, padding: int, start: int) -> None:
        """Take over what is nearer among the lines of a block whose first has the number ``start``."""
        found: list[tuple[np.ndarray, np.ndarray]] = []

        def part(first: int, stop: int) -> None:
            indices, distances = self.indices.copy(), self.distances.copy()
            work = np.empty((4, *self._masks.shape), self._masks.dtype)
            _search(block, first, stop, padding, start, self._rows, self._equal, self._masks, work, indices, distances)
            found.append((indices, distances))

        share(part, len(block))
        for indices, distances in found:  # in any order
            same = (distances == self.distances) & (indices < self.indices)
            nearer = (distances < self.distances) | same
            self.indices[nearer], self.distances[nearer] = indices[nearer], distances[nearer]


def _lengths(lines: np.ndarray, padding: int) -> np.ndarray:
    """Characters of each line before its padding."""
    return np.where(lines != padding, np.arange(1, lines.shape[1] + 1), 0).max(axis=1, initial=0)


@jit
def _search(block, first, stop, padding, start, rows, equal, masks, work, indices, distances):
    words = masks.shape[0]
    grows, falls, carry, borrow = work[0], work[1], work[2, 0], work[3, 0]
    found = np.empty(masks.shape[1], np.int64)
    for number in range(first, stop):
        line = block[number]
        length = line.shape[0]
        while length and line[length - 1] == padding:
            length -= 1
        grows[:] = ~masks.dtype.type(0)
        falls[:] = 0
        for place in range(length):
            row = rows[line[place]]
            if words == 1:
                _advance(equal, row, grows, falls)
            else:
                carry[:] = 1
                borrow[:] = 0
                for word in range(words):
                    _advance_with_carry(equal, row, word, grows, falls, carry, borrow)
        found[:] = length
        for word in range(words):
            _add_bits(found, grows[word], falls[word], masks[word])
        for i in range(distances.shape[0]):
            if found[i] < distances[i]:
                distances[i] = found[i]
                indices[i] = start + number


@jit
def _advance(equal, row, grows, falls):
    """Move a column on by a character of the other line, which equals those of the bits that are set in ``equal``."""
    word, one = grows.dtype.type, grows.dtype.type(1)
    for i in range(grows.shape[1]):
        up, down = grows[0, i], falls[0, i]
        same = equal[row, 0, i] | down
        # Bits whose value is that of the one up on the left. Without word() the sum would have 64 bits,
        # and half as many would fit a register.
        diagonal = (word((equal[row, 0, i] & up) + up) ^ up) | same
        right = word((down | ~(diagonal | up)) << one) | one  # the first row grows by 1 a character: it deletes all
        left = word((up & diagonal) << one)
        grows[0, i] = left | ~(diagonal | right)
        falls[0, i] = right & diagonal


@jit
def _advance_with_carry(equal, row, word, grows, falls, carry, borrow):
    """The same for one of several words, whose first row grows by ``carry`` less ``borrow``: at its end the next's."""
    top = grows.dtype.type(8 * grows.itemsize - 1)
    for i in range(grows.shape[1]):
        up, down = grows[word, i], falls[word, i]
        same = equal[row, word, i] | down
        fits = equal[row, word, i] | borrow[i]
        diagonal = (((fits & up) + up) ^ up) | fits
        right, left = down | ~(diagonal | up), up & diagonal
        out, back = right >> top, left >> top
        right, left = (right << 1) | carry[i], (left << 1) | borrow[i]
        grows[word, i] = left | ~(same | right)
        falls[word, i] = right & same
        carry[i], borrow[i] = out, back


@jit
def _add_bits(total, grows, falls, masks):
    """Add the number of bits in ``grows``, less that in ``falls``, where ``masks`` has some."""
    for i in range(total.shape[0]):
        total[i] += _ones(grows[i] & masks[i]) - _ones(falls[i] & masks[i])


@jit
def _ones(word):
    """Number of bits that are set in a word of up to 64."""
    x = np.uint64(word)
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
