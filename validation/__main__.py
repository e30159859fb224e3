"""``python -m validation speed NAME``: each benchmark times this package against what a user would pick instead."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

BENCHMARKS = ("mixture",)


def main(arguments: list[str] | None = None) -> int:
    """Run one command of the validation; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m validation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    speed = commands.add_parser("speed", help="time this package against its peers, in one process")
    speed.add_argument("benchmark", choices=BENCHMARKS)
    speed.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    speed.add_argument("--seconds", type=float, default=20.0, help="how long to time each row (default: %(default)s)")
    options = parser.parse_args(arguments)

    if not options.seconds > 0:
        parser.error(f"argument --seconds: expected a positive number, got {options.seconds}")
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"argument --json: no folder {options.json.parent}")
    rows = importlib.import_module(f"validation.speed.{options.benchmark}").run(options.seconds)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
