"""The command ``equations``: select, run, show, write."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from coulombfield.arrays import select_device
from experiments.files import to_json, write_atomically
from experiments.runs.provenance import environment
from validation.arguments import add_run_options, names, output_file
from validation.context import Context

from . import entries
from .run import Result, run, select
from .table import as_json, heading, row, summary


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of this command."""
    parser.add_argument(
        "--only",
        type=names,
        default=(),
        metavar="14,v1:31,NAME",
        help="equations of the ICLR version, of arXiv v1, or names of entries",
    )
    parser.add_argument("--quick", action="store_true", help="fewer cases, in a minute")
    parser.add_argument("--verbose", action="store_true", help="show every measurement")
    parser.add_argument(
        "--html", type=output_file, metavar="FILE", help="also write a page with formulas and plots to FILE"
    )
    add_run_options(parser)


def main(
    *,
    only: Sequence[str],
    quick: bool,
    verbose: bool,
    html: Path | None,
    json: Path | None,
    device: str,
    seed: int,
) -> int:
    """Run the checks and print the table; 0 only if every verdict is the registry's."""
    try:
        chosen = select(entries(), only)
        context = Context(select_device(device), quick, seed)
        page = importlib.import_module("validation.equations.page") if html is not None else None
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}; pip install -e '.[experiments,test]' installs what is needed", file=sys.stderr)
        return 2

    print(heading())

    def show(result: Result) -> None:
        print(row(result, verbose=verbose), flush=True)

    results = run(chosen, context, show)
    print(summary(results))
    if json is not None:
        write_atomically(json, to_json([as_json(result) for result in results]))
    if page is not None and html is not None:
        provenance = {**environment(), "device": context.device.name, "seed": seed}
        write_atomically(html, page.render(results, provenance, html))
    return 0 if all(result.as_expected for result in results) else 1
