"""Counting n-grams and preparing text against plain Python with dictionaries, updates against PyTorch."""

from __future__ import annotations

import argparse
from pathlib import Path

from validation.arguments import add_device_option, some_of

SECONDS = 3.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--only", type=_names, default=(), metavar="NAME[,NAME]", help="what to measure")
    options.add_argument("--quick", action="store_true", help="few lines, in seconds")
    add_device_option(options)
    text = "on a GPU, also time compiled PyTorch, which takes minutes"
    options.add_argument("--compiled", action="store_true", help=text)
    options.add_argument("--text", type=Path, metavar="FILE", help="take its lines (default: made-up ones)")


def _names(text: str) -> tuple[str, ...]:
    from .benchmark import names

    return some_of(text, names())
