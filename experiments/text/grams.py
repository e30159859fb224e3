"""N-grams of lines as numbers of 64 bits that sort as the n-grams do.

A line of L codes has L grams, one from each place on, each of :data:`ORDER` symbols: behind the line's end stands a
symbol of its own, 0, while codes are raised by one. What n-grams there are, n from 1 to :data:`ORDER`, and how many, is
told by how many grams begin with them.

A gram is two words of three symbols each, the first in the upper half of the number. A word is the number that its
three symbols make with base V + 1, where that fits in 32 bits (V up to 1624), and otherwise its rank among all words
there are.
"""

from __future__ import annotations

import numpy as np

from coulombfield.arrays import jit

ORDER = 6
"""Symbols of a gram, and the longest n-grams."""
HALF = ORDER // 2
MOST_WORDS = 1 << 32

NO_RANKS = np.zeros(0, np.uint64)
"""In place of the words there are, where words are their own numbers."""


def needs_ranks(vocabulary: int) -> bool:
    """Whether words of so many codes have to be ranked."""
    return (vocabulary + 1) ** HALF > MOST_WORDS


@jit
def words_of(codes, vocabulary, out):
    """Words from each place of each line on, shape (N, L), as numbers with base V + 1.

    Parameters
    ----------
    codes : array of int, shape (N, L)
        Lines.
    vocabulary : int
        V.
    out : array of uint64, shape (N * L,)
        Is overwritten.
    """
    count, length = codes.shape
    base = np.uint64(vocabulary + 1)
    for row in range(count):
        first, second = np.uint64(0), np.uint64(0)  # the two symbols behind
        for place in range(length - 1, -1, -1):
            symbol = np.uint64(codes[row, place]) + np.uint64(1)
            out[row * length + place] = (symbol * base + first) * base + second
            first, second = symbol, first


@jit
def grams_of(codes, vocabulary, words, out):
    """Grams from each place of each line on.

    Parameters
    ----------
    codes : array of int, shape (N, L)
        Lines.
    vocabulary : int
        V.
    words : array of uint64, shape (W,)
        All words there are, in ascending order; or :data:`NO_RANKS`.
    out : array of uint64, shape (N * L,)
        Is overwritten.
    """
    length = codes.shape[1]
    words_of(codes, vocabulary, out)
    if len(words):
        for place in range(len(out)):
            out[place] = _rank(out[place], words)
    nothing = np.uint64(0)  # as a rank too: what lies behind the end comes before all else
    shift = np.uint64(32)
    for row in range(codes.shape[0]):
        start = row * length
        for place in range(length):
            following = out[start + place + HALF] if place + HALF < length else nothing
            out[start + place] = (out[start + place] << shift) | following


@jit
def _rank(word, words):
    """Number of words that are smaller."""
    low, high = 0, len(words)
    while low < high:
        middle = (low + high) // 2
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def symbols_of(gram, vocabulary, words, out):
    """Write the symbols of a gram, codes raised by one, to ``out``, shape (ORDER,)."""
    base = np.uint64(vocabulary + 1)
    word = gram >> np.uint64(32)
    for half in range(2):
        if len(words):
            word = words[word]
        for place in range(HALF - 1, -1, -1):
            out[HALF * half + place] = word % base
            word //= base
        word = gram & np.uint64(0xFFFFFFFF)


@jit
def merged(first, first_counts, second, second_counts, out, out_counts):
    """Merge two ascending arrays without repetitions, adding counts of what is in both; return how many there are.

    Parameters
    ----------
    first, second : array of uint64
        Numbers.
    first_counts, second_counts : array of int64
        Of each.
    out, out_counts : array
        As long as both together; are overwritten.
    """
    i, j, k = 0, 0, 0
    while i < len(first) and j < len(second):
        a, b = first[i], second[j]
        smaller = a if a < b else b
        count = 0
        if a == smaller:
            count += first_counts[i]
            i += 1
        if b == smaller:
            count += second_counts[j]
            j += 1
        out[k], out_counts[k] = smaller, count
        k += 1
    while i < len(first):
        out[k], out_counts[k] = first[i], first_counts[i]
        i += 1
        k += 1
    while j < len(second):
        out[k], out_counts[k] = second[j], second_counts[j]
        j += 1
        k += 1
    return k


@jit
def runs_of(values, out, counts):
    """Different values of an ascending array, and how often each is there; return how many there are.

    Parameters
    ----------
    values : array of uint64
        In ascending order.
    out : array of uint64
        As long; is overwritten, and may be ``values``.
    counts : array of int64
        As long; is overwritten.
    """
    k = -1
    last = np.uint64(0)
    for value in values:
        if k < 0 or value != last:
            k += 1
            out[k], counts[k] = value, 0
            last = value
        counts[k] += 1
    return k + 1
