"""Every derivative that the package computes by hand, against finite differences of what it is the derivative of."""

from __future__ import annotations

import importlib

from .registry import Row

CHAPTERS = ("layers", "training", "gans", "kernels", "fields")
"""Modules with rows, in the order of the table."""


def rows() -> list[Row]:
    """All rows, in the order of the table."""
    chapters = (importlib.import_module(f"{__name__}.{chapter}") for chapter in CHAPTERS)
    return [row for chapter in chapters for row in chapter.rows()]
