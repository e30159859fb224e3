"""Symbols and their codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from .cutting import cut

Unit = Literal["characters", "bytes"]
UNITS: tuple[Unit, ...] = get_args(Unit)
UNKNOWN = 0
"""Code of all symbols that an alphabet lacks."""
NONE = -1
"""What stands for that code among the symbols."""
PADDING = ord("`")
"""The symbol that fills up short lines, as in Gulrajani et al. (2017)."""
REPLACEMENT = 0xFFFD
"""Code point that shows unknown symbols."""
SURROGATES = 0xD800, 0xDFFF
"""First and last code point that are no characters."""
MOST = 1 << 16  # symbols, so that codes have two bytes


class Alphabet:
    """Symbols in ascending order, of which the first stands for all others.

    Parameters
    ----------
    unit : {'characters', 'bytes'}
        Whether symbols are Unicode's code points or bytes.
    symbols : array of int, shape (V,)
        Code points or bytes by their codes; the first is :data:`NONE`.

    Raises
    ------
    ValueError
        If these are no such symbols.
    """

    def __init__(self, unit: Unit, symbols: np.ndarray):
        if unit not in UNITS:
            raise ValueError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}")
        self.unit, self.symbols = unit, np.array(symbols, np.int32)
        self._symbols_of = 256 if unit == "bytes" else 0x110000
        rises = self.symbols.ndim == 1 and 2 <= len(self.symbols) <= MOST and (np.diff(self.symbols) > 0).all()
        if not rises or self.symbols[0] != NONE or self.symbols[1] < 0 or self.symbols[-1] >= self._symbols_of:
            raise ValueError(f"symbols: expected {NONE} and {unit} in ascending order, got {str(symbols)[:80]}")
        if unit == "characters" and ((self.symbols >= SURROGATES[0]) & (self.symbols <= SURROGATES[1])).any():
            raise ValueError("symbols: expected characters, got halves of pairs of UTF-16 (U+D800 to U+DFFF)")
        self.symbols.flags.writeable = False

    @classmethod
    def most_frequent(cls, unit: Unit, counts: np.ndarray, most: int) -> Alphabet:
        """The symbols that occur most often, of equally frequent ones those that come first.

        Parameters
        ----------
        unit : {'characters', 'bytes'}
            What symbols are.
        counts : array of int
            How often each occurs.
        most : int
            Largest number of codes, that of unknown symbols included.
        """
        there = np.flatnonzero(counts)
        kept = there[np.argsort(-counts[there], kind="stable")][: most - 1]
        return cls(unit, np.concatenate([[NONE], np.sort(kept)]))

    def __len__(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Alphabet):
            return NotImplemented
        return self.unit == other.unit and np.array_equal(self.symbols, other.symbols)

    def __hash__(self) -> int:
        return hash((self.unit, self.symbols.tobytes()))

    @property
    def dtype(self) -> np.dtype:
        """The dtype of codes."""
        return np.dtype(np.uint8 if len(self) <= 256 else np.uint16)

    @property
    def padding(self) -> int:
        """Code of :data:`PADDING`; :data:`UNKNOWN` where that is none of the symbols."""
        place = int(np.searchsorted(self.symbols, PADDING))
        return place if place < len(self) and self.symbols[place] == PADDING else UNKNOWN

    def code_of(self) -> np.ndarray:
        """Codes of all symbols that there can be, shape (256,) or (1114112,)."""
        codes = np.zeros(self._symbols_of, self.dtype)
        codes[self.symbols[1:]] = np.arange(1, len(self))
        return codes

    def encode(self, lines: Sequence[str] | Sequence[bytes], length: int) -> np.ndarray:
        """Codes of lines, cut or filled up to a length.

        Parameters
        ----------
        lines : sequence of str or bytes
            Without ends.
        length : int
            L.

        Returns
        -------
        array of uint8 or uint16, shape (N, L)

        Raises
        ------
        ValueError
            If one has an end within.
        """
        content = [line.encode() if isinstance(line, str) else line for line in lines]
        if any(b"\n" in line for line in content):
            raise ValueError("lines: expected no ends of lines in them")
        symbols = np.empty((len(content), length), np.uint32)
        data = np.frombuffer(b"".join(line + b"\n" for line in content), np.uint8)
        cut(data, 0, self.unit == "characters", False, False, PADDING, symbols)
        return self.code_of()[symbols]

    def text(self, codes: np.ndarray) -> list[str]:
        """Lines as a person reads them.

        Parameters
        ----------
        codes : array of int, shape (N, L)
            Codes.

        Returns
        -------
        list of str
            What is unknown, and bytes that are no UTF-8, become U+FFFD.
        """
        if self.unit == "bytes":
            values = self.symbols.astype(np.uint8)  # 255, as the first becomes, is no byte of UTF-8 either
            return [row.tobytes().decode(errors="replace") for row in values[codes]]
        points = self.symbols.astype("<u4")
        points[UNKNOWN] = REPLACEMENT
        return [row.tobytes().decode("utf-32-le") for row in points[codes]]
