"""One update of the 25-Gaussian Coulomb GAN against the same in PyTorch."""

from __future__ import annotations

import argparse

from validation.arguments import add_device_option

SECONDS = 20.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    add_device_option(options)
