"""Steps of charges that move against their number, and the energy's drift."""

from __future__ import annotations

import argparse

from validation.arguments import add_device_option

SECONDS = 3.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    add_device_option(options)
    options.add_argument("--quick", action="store_true", help="few charges, in seconds")
