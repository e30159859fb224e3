"""The command ``gradients``: select, measure, show, write, and see that nothing is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from coulombfield.arrays import select_device
from experiments.files import to_json, write_atomically
from validation.arguments import add_run_options, names
from validation.context import Context

from . import rows
from .completeness import missing
from .registry import Result, run, select
from .table import heading, record, row, summary


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of this command."""
    parser.add_argument(
        "--only",
        type=names,
        default=(),
        metavar="NAME[,NAME]",
        help="rows, groups of rows (layer, network, loss, optimizer, gan, kernel, field), classes or functions",
    )
    parser.add_argument("--quick", action="store_true", help="fewer cases, and engines that needn't be compiled")
    add_run_options(parser)


def main(*, only: Sequence[str], quick: bool, json: Path | None, device: str, seed: int) -> int:
    """Measure the rows and print the table; 0 only if all pass and nothing of the package is in no row."""
    every_row = rows()
    try:
        context = Context(select_device(device), quick, seed)
        context.rng("")  # a seed that can't be one is better refused here
        chosen = select(every_row, only)
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    print(heading())

    def show(result: Result) -> None:
        print(row(result), flush=True)

    available = [each for each in chosen if each.available(context)]
    results = run(available, context, show)
    absent = missing(every_row)
    print(summary(results, len(chosen) - len(available), absent))
    if json is not None:
        report = {"rows": [record(result) for result in results], "missing": absent}
        write_atomically(json, to_json(report))
    return 0 if results and all(result.passed for result in results) and not absent else 1
