"""Updates of every GAN on images against the same in PyTorch."""

from __future__ import annotations

import argparse

from validation.arguments import add_network_options, some_of

SECONDS = 3.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    add_network_options(options, _names, "the presets'")


def _names(text: str) -> tuple[str, ...]:
    from .benchmark import names

    return some_of(text, names())
