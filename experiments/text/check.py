"""What is in a prepared file of text, and whether it is as it was written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .alphabet import PADDING, UNKNOWN, Alphabet
from .stored import StoredText

AT_ONCE = 8 << 20  # [bytes]


class Check(NamedTuple):
    """What was found."""

    shape: tuple[int, int]
    """(N, L)."""
    alphabet: Alphabet
    """V symbols."""
    attributes: dict[str, str]
    """Attributes of the file."""
    counts: np.ndarray
    """How often each code occurs, shape (V,)."""
    filled: int
    """Lines that end in padding."""
    shown: list[str]
    """Some lines, evenly spaced."""


def check(path: Path, shown: int) -> Check:
    """Read a prepared file as a whole.

    Parameters
    ----------
    path : Path
        The file.
    shown : int
        How many lines to give.

    Raises
    ------
    TextError
        If it is none, or damaged: the codes' checksum is another one than was written, or there are codes without a
        symbol.
    """
    stored = StoredText(path)
    count, length = stored.shape
    alphabet, digest, filled = stored.alphabet, hashlib.sha256(), 0
    counts = np.zeros(len(alphabet), np.int64)
    step = max(1, AT_ONCE // (length * alphabet.dtype.itemsize))
    for start in tqdm(range(0, count, step), desc=path.name, disable=None, leave=False):
        codes = stored.codes(start, min(start + step, count))
        digest.update(codes.astype(codes.dtype.newbyteorder("<"), copy=False).data)
        counts += np.bincount(codes.ravel(), minlength=len(alphabet))
        filled += int((codes[:, -1] == alphabet.padding).sum()) if alphabet.padding != UNKNOWN else 0
    stored.expect_checksum(digest.hexdigest())
    numbers = np.unique(np.linspace(0, count - 1, min(shown, count)).astype(np.int64))
    return Check(stored.shape, alphabet, stored.attributes, counts, filled, alphabet.text(stored.read(numbers)))


def described(found: Check) -> list[str]:
    """Lines for a person."""
    count, length = found.shape
    alphabet, total = found.alphabet, count * length
    lines = [f"{count} lines of {length} {alphabet.unit}, {len(alphabet)} codes, {alphabet.dtype}"]
    told = ("kind", "source", "part", "source_sha256", "codes_sha256", "made_with", "version")
    lines += [f"{name:14} {found.attributes[name]}" for name in told if found.attributes.get(name)]
    lines.append(f"{'checksum':14} that of the codes is as it was written")
    unknown = int(found.counts[UNKNOWN])
    lines.append(f"{'unknown':14} {unknown} of {total} symbols ({unknown / total:.2e})")
    if alphabet.padding == UNKNOWN:
        lines.append(f"{'padding':14} none: {chr(PADDING)} has no code")
    else:
        padding = int(found.counts[alphabet.padding])
        lines.append(
            f"{'padding':14} {padding} of {total} symbols are {chr(PADDING)} ({padding / total:.1%}), at the end of "
            f"{found.filled} lines"
        )
    return [_escaped(line) for line in (*lines, *found.shown)]


def _escaped(line: str) -> str:
    """A line in which what a terminal would take for orders, such as control characters, is written out."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
