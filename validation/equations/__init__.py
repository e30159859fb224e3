"""Every numbered equation of both versions of the paper, and every claim that its theorems lean on, with its check."""

from __future__ import annotations

import importlib

from .registry import Entry

CHAPTERS = ("definitions", "laplacian", "theorem1", "dynamics", "theorem2", "samples")
"""Folders with a file of entries each, in the order of the table."""


def entries() -> list[Entry]:
    """All entries, in the order of the table."""
    chapters = (importlib.import_module(f"{__name__}.{chapter}.entries") for chapter in CHAPTERS)
    return [entry for chapter in chapters for entry in chapter.ENTRIES]
