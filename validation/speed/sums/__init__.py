"""Field sums by every engine, with errors and memory."""

from __future__ import annotations

import argparse
import functools

from validation.arguments import add_device_option, output_folder, some_of, whole_number

SECONDS = 0.3
"""How long a row is timed if nothing else is asked for [s]."""
SMALLEST = 64
"""Charges: as many as there are targets whose errors are measured."""


def add_options(options: argparse.ArgumentParser) -> None:
    """Give a parser what this benchmark can be asked for besides its time."""
    add_device_option(options)
    options.add_argument("--peers", action="store_true", help="also time the peers that are installed")
    options.add_argument("--figures", type=output_folder, metavar="DIR", help="draw figures into DIR, which may be new")
    options.add_argument("--quick", action="store_true", help="small sizes, in a minute")
    options.add_argument("--only", type=_names, default=(), metavar="NAME[,NAME]", help="cases, 'aims' or 'auto'")
    table = options.add_mutually_exclusive_group()
    table.add_argument(
        "--calibrate", action="store_true", help="measure what sums cost this machine, for method='auto' to go by"
    )
    table.add_argument("--forget", action="store_true", help="remove what --calibrate has written")
    options.add_argument(
        "--largest",
        type=functools.partial(whole_number, least=SMALLEST),
        default=10**6,
        metavar="N",
        help="most charges, such as 1e7 (default: 1e6)",
    )


def _names(text: str) -> tuple[str, ...]:
    from .benchmark import AIMS_NAME, AUTO_NAME
    from .cases import CASES

    return some_of(text, (*CASES, AIMS_NAME, AUTO_NAME))
