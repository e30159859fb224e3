"""Random minibatches of a prepared file against a folder of PNG files by Pillow and by PyTorch's DataLoader."""

from __future__ import annotations

import argparse

SECONDS = 3.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--quick", action="store_true", help="few images, in seconds")
