"""Work over MPI ranks: scaling, the share of communication, and what more ranks should take."""

from __future__ import annotations

import argparse

from validation.arguments import some_of

SECONDS = 3.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--only", type=_names, default=(), metavar="NAME[,NAME]", help="what to measure")
    options.add_argument("--quick", action="store_true", help="small problems, in a minute")


def _names(text: str) -> tuple[str, ...]:
    from .benchmark import names

    return some_of(text, names())
