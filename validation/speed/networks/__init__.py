"""Layers, players and updates of the Coulomb GAN of images against the same in PyTorch."""

from __future__ import annotations

import argparse

from validation.arguments import add_network_options, some_of

SECONDS = 0.5
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    add_network_options(options, _names, "16,128")


def _names(text: str) -> tuple[str, ...]:
    from .benchmark import NAMES

    return some_of(text, NAMES)
