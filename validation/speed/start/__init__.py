"""The first call in a fresh process, with an empty cache of compiled loops and a warm one."""

from __future__ import annotations

import argparse

from validation.arguments import some_of

SECONDS = 1.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--only", type=_names, default=(), metavar="NAME[,NAME]", help="what to measure")


def _names(text: str) -> tuple[str, ...]:
    from .benchmark import OURS, PEERS

    return some_of(text, (*OURS, *PEERS))
