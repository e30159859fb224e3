"""Forward passes of the networks that measure images against the same in PyTorch."""

from __future__ import annotations

import argparse

from validation.arguments import some_of

SECONDS = 5.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--only", type=_names, default=(), metavar="NAME[,NAME]", help="what to measure")
    options.add_argument("--quick", action="store_true", help="few and small images, in seconds")
    options.add_argument("--agreement", action="store_true", help="also compare all numbers with PyTorch's in float64")


def _names(text: str) -> tuple[str, ...]:
    from .cases import CASES

    return some_of(text, tuple(CASES))
