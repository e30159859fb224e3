"""Lines of text as codes of their symbols: how they are made into one file, read from it, and counted."""

from .alphabet import UNITS, Alphabet, Unit
from .check import Check, check
from .layout import FORMAT
from .prepare import LENGTH, VOCABULARY, prepare
from .stored import StoredText

__all__ = ["FORMAT", "LENGTH", "UNITS", "VOCABULARY", "Alphabet", "Check", "StoredText", "Unit", "check", "prepare"]
