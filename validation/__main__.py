"""``python -m validation``: whether each equation holds, whether each gradient is right, and how fast it all is."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from typing import Any

import validation.speed
from coulombfield.arrays import select_device
from experiments import UserError
from experiments.files import print_whatever_comes

from .arguments import output_file, positive

CHECKS = {
    "equations": "settle every numbered equation of the paper, and every claim that its theorems lean on",
    "gradients": "compare every derivative of the package with finite differences",
    "gpu": "run tests, gradients and benchmarks on a GPU, and write a page of what came of them",
    "promises": "see that fast field sums keep rtol at all targets, for layouts that are made to mislead them",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command of the validation; the result is the exit code, 1 where a check fails or PyTorch disagrees."""
    print_whatever_comes()
    os.environ["MPLBACKEND"] = "agg"  # a notebook of another environment may name one that isn't here
    parser = argparse.ArgumentParser(prog="python -m validation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, text in CHECKS.items():
        module = importlib.import_module(f"validation.{command}.command")
        module.add_options(commands.add_parser(command, help=text, description=text))
    speed = commands.add_parser("speed", help="time this package against its peers, in one process")
    benchmarks = speed.add_subparsers(dest="benchmark", required=True)
    for name in speed_benchmarks():
        _add_benchmark(benchmarks, name)
    given = vars(parser.parse_args(arguments))
    if (command := given.pop("command")) in CHECKS:
        return importlib.import_module(f"validation.{command}.command").main(**given)

    benchmark = importlib.import_module(f"validation.speed.{given.pop('benchmark')}.benchmark")
    file: Path | None = given.pop("json")
    if "device" in given:
        try:
            given["device"] = select_device(given["device"])
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    try:
        rows: list[dict[str, Any]] = benchmark.run(given.pop("seconds"), **given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if file is not None:
        file.write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return int(any(row.get("table") == "agreement" and row["note"] for row in rows))


def speed_benchmarks() -> list[str]:
    """Names of all benchmarks: the folders of ``validation/speed``."""
    return sorted(module.name for module in pkgutil.iter_modules(validation.speed.__path__) if module.ispkg)


def _add_benchmark(benchmarks: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> None:
    package = importlib.import_module(f"validation.speed.{name}")
    text = (package.__doc__ or name).splitlines()[0].removesuffix(".")
    options = benchmarks.add_parser(name, help=text[0].lower() + text[1:], description=text)
    options.add_argument("--json", type=output_file, metavar="FILE", help="also write the rows to FILE")
    options.add_argument(
        "--seconds", type=positive, default=package.SECONDS, help="how long to time each row (default: %(default)s)"
    )
    if hasattr(package, "add_options"):
        package.add_options(options)


if __name__ == "__main__":
    sys.exit(main())
