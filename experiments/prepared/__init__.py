"""The one file that sources of images are made into, and that training reads."""

from .check import Check, check
from .writer import prepare

__all__ = ["Check", "check", "prepare"]
