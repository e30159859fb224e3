"""Sums over the images of a box against a plain Ewald sum, with their errors and the energies of crystals."""

from __future__ import annotations

import argparse

SECONDS = 5.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--quick", action="store_true", help="few charges, in seconds")
