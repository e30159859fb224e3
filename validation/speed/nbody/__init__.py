"""N-body steps and forces beside REBOUND, pytreegrav and LAMMPS, and how far their forces agree."""

from __future__ import annotations

import argparse

SECONDS = 5.0
"""How long a row is timed if nothing else is asked for [s]."""
PARTS = ("agreement", "pairs", "tree")


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument("--quick", action="store_true", help="few bodies, in seconds")
    options.add_argument("--only", choices=PARTS, help="one part alone")
