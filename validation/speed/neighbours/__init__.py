"""Exact nearest neighbours in a training set of images against scikit-learn's brute force."""

from __future__ import annotations

import argparse

SECONDS = 10.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--quick", action="store_true", help="small sets, in seconds")
