"""The Fréchet distance of two sets of features against the way by scipy's sqrtm."""

from __future__ import annotations

import argparse

SECONDS = 10.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--quick", action="store_true", help="small sets, in seconds")
