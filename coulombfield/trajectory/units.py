"""Units of what a file holds, by version 1.0 of H5MD's module ``units``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

UNITS = ("length", "time", "mass", "charge", "energy", "velocity", "force", "potential", "field")
DERIVED = {
    "velocity": {"length": 1, "time": -1},
    "force": {"energy": 1, "length": -1},
    "potential": {"energy": 1, "charge": -1},
    "field": {"potential": 1, "length": -1},
}
"""What follows from the others where it is not named: F = −∂F/∂x has the unit of an energy per length, and so on."""

SYMBOLS: tuple[str, ...] = ("m", "Ang", "L", "s", "Hz", "kg", "g", "u", "N", "dyn", "Pa", "bar", "atm", "poise", "J")
SYMBOLS += ("cal", "erg", "eV", "W", "K", "mol", "A", "C", "V", "cd", "rad", "degree", "pi", "kB", "Nav", "c", "e")
PREFIXES = ("E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f", "a")
FACTOR = re.compile(r"(?P<symbol>[A-Za-z_]+|[0-9]+(\.[0-9]+)?)(?P<power>[+-][1-9][0-9]*)?")

Factors = dict[str, int]


class Units:
    """Unit strings of all kinds of quantities, from those that a user has named.

    Parameters
    ----------
    named : mapping of str to str
        Units of the kinds in ``UNITS`` or of ``others``, as H5MD writes them: factors parted by spaces, each a symbol
        with an integer power, after at most one number, such as 'kJ mol-1' or '10+3 m'.
    others : collection of str
        Names of further quantities that have units of their own.

    Raises
    ------
    TypeError, ValueError
        If a kind is unknown or a unit is no such text.

    Attributes
    ----------
    system : str
        'SI' if all symbols are among the module's with that name, which include nm, ps, u, e and eV; otherwise 'other'.
    """

    def __init__(self, named: Mapping[str, str] | None, others: Any = ()):
        if named is not None and not isinstance(named, Mapping):
            raise TypeError(f"units: expected a mapping such as {{'length': 'nm'}}, got {type(named).__name__}")
        if unknown := [name for name in named or {} if name not in UNITS and name not in others]:
            expected = ", ".join([*UNITS, *others])
            raise ValueError(f"units: expected names among {expected}, got {', '.join(map(str, unknown))}")
        self._named = {kind: _factors(kind, text) for kind, text in (named or {}).items()}
        self._texts = dict(named or {})
        symbols = {symbol for factors in self._named.values() for symbol in factors if not symbol[0].isdigit()}
        self.system = "SI" if all(map(_is_si, symbols)) else "other"

    def __bool__(self) -> bool:
        return bool(self._named)

    def of(self, kind: str) -> str | None:
        """Unit of a kind of quantity: as named, made of others, or '1'; None where none are named, or not of this."""
        if not self._named or (kind not in UNITS and kind not in self._named):
            return None
        return self._texts.get(kind) or _text(self._made(kind))

    def _made(self, kind: str) -> Factors:
        if kind in self._named or kind not in DERIVED:
            return self._named.get(kind, {})
        made: Factors = {}
        for base, power in DERIVED[kind].items():
            for symbol, own in self._made(base).items():
                made[symbol] = made.get(symbol, 0) + power * own
        return made


def _factors(kind: str, text: Any) -> Factors:
    """Powers of the symbols of a unit."""
    if not isinstance(text, str):
        raise TypeError(f"units: expected text for {kind}, got {type(text).__name__}")
    matches = [FACTOR.fullmatch(part) for part in text.split(" ")]
    factors = {match["symbol"]: int(match["power"] or 1) for match in matches if match}
    numbers = [i for i, match in enumerate(matches) if match and match["symbol"][0].isdigit()]
    if len(factors) < len(matches) or numbers not in ([], [0]):
        raise ValueError(f"units: expected for {kind} a unit as H5MD writes it, such as 'kJ mol-1', got {text!r}")
    return factors


def _text(factors: Factors) -> str:
    number = 1.0
    parts = []
    for symbol, power in factors.items():
        if symbol[0].isdigit():
            number *= float(symbol) ** power
        elif power:
            parts.append(symbol if power == 1 else f"{symbol}{power:+d}")
    return " ".join([*([] if number == 1 and parts else [format(number, ".15g")]), *parts])


def _is_si(symbol: str) -> bool:
    return symbol in SYMBOLS or any(
        symbol.startswith(prefix) and symbol[len(prefix) :] in SYMBOLS for prefix in PREFIXES
    )
