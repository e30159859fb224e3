"""``python -m validation``: whether each equation holds, whether each gradient is right, and how fast it all is."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.files import print_whatever_comes

from .arguments import output_file, output_folder, positive, whole_number

BENCHMARKS = {
    "busy": "updates and sums beside busy processes against their quiet times",
    "features": "forward passes of the networks that measure images against the same in PyTorch",
    "data": "random minibatches of a prepared file against a folder of PNG files by Pillow and by PyTorch's DataLoader",
    "fid": "the Fréchet distance of two sets of features against the way by scipy's sqrtm",
    "flows": "steps of charges that move against their number, and the energy's drift",
    "gans": "updates of every GAN on images against the same in PyTorch",
    "inception": "the forward pass of the Inception network against the same in PyTorch",
    "mixture": "one update of the 25-Gaussian Coulomb GAN against the same in PyTorch",
    "neighbours": "exact nearest neighbours in a training set of images against scikit-learn's brute force",
    "networks": "layers, players and updates of the Coulomb GAN of images against the same in PyTorch",
    "ranks": "training on several processes (mpiexec) against one process with as many threads",
    "start": "the first call in a fresh process, with an empty cache of compiled loops and a warm one",
    "sums": "field sums by every engine, with errors and memory",
    "text": "counting n-grams and preparing text against plain Python with dictionaries, updates against PyTorch",
}
CHECKS = {
    "equations": "settle every numbered equation of the paper, and every claim that its theorems lean on",
    "gradients": "compare every derivative of the package with finite differences",
    "promises": "see that fast field sums keep rtol at all targets, for layouts that are made to mislead them",
}
SMALLEST = 64  # charges: as many as there are targets whose errors are measured


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
    parsers = {name: benchmarks.add_parser(name, help=text, description=text) for name, text in BENCHMARKS.items()}
    for name, seconds in (
        ("busy", 2.0),
        ("features", 5.0),
        ("data", 3.0),
        ("fid", 10.0),
        ("flows", 3.0),
        ("gans", 3.0),
        ("inception", 20.0),
        ("mixture", 20.0),
        ("neighbours", 10.0),
        ("networks", 0.5),
        ("ranks", 10.0),
        ("start", 1.0),
        ("sums", 0.3),
        ("text", 3.0),
    ):
        options = parsers[name]
        options.add_argument("--json", type=output_file, metavar="FILE", help="also write the rows to FILE")
        options.add_argument(
            "--seconds", type=positive, default=seconds, help="how long to time each row (default: %(default)s)"
        )
    _add_features_options(parsers["features"])
    parsers["data"].add_argument("--quick", action="store_true", help="few images, in seconds")
    parsers["flows"].add_argument("--quick", action="store_true", help="few charges, in seconds")
    for name in ("fid", "neighbours"):
        parsers[name].add_argument("--quick", action="store_true", help="small sets, in seconds")
    _add_networks_options(parsers["networks"], _networks_names, "16,128")
    _add_networks_options(parsers["gans"], _gans_names, "the presets'")
    _add_inception_options(parsers["inception"])
    parsers["start"].add_argument(
        "--only", type=_start_names, default=(), metavar="NAME[,NAME]", help="what to measure"
    )
    parsers["ranks"].add_argument(
        "--only", type=_ranks_names, default=(), metavar="NAME[,NAME]", help="what to measure"
    )
    parsers["ranks"].add_argument("--quick", action="store_true", help="the smallest setting alone, in seconds")
    _add_sums_options(parsers["sums"])
    parsers["text"].add_argument("--only", type=_text_names, default=(), metavar="NAME[,NAME]", help="what to measure")
    parsers["text"].add_argument("--quick", action="store_true", help="few lines, in seconds")
    parsers["text"].add_argument("--text", type=Path, metavar="FILE", help="take its lines (default: made-up ones)")
    given = vars(parser.parse_args(arguments))
    if (command := given.pop("command")) in CHECKS:
        return importlib.import_module(f"validation.{command}.command").main(**given)

    benchmark = importlib.import_module(f"validation.speed.{given.pop('benchmark')}")
    file: Path | None = given.pop("json")
    rows: list[dict[str, Any]] = benchmark.run(given.pop("seconds"), **given)
    if file is not None:
        file.write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return int(any(row.get("table") == "agreement" and row["note"] for row in rows))


def _add_features_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--only", type=_features_names, default=(), metavar="NAME[,NAME]", help="what to measure")
    options.add_argument("--quick", action="store_true", help="few and small images, in seconds")
    options.add_argument("--agreement", action="store_true", help="also compare all numbers with PyTorch's in float64")


def _add_networks_options(options: argparse.ArgumentParser, names: Callable[[str], Any], batches: str) -> None:
    options.add_argument("--only", type=names, default=(), metavar="NAME[,NAME]", help="what to measure")
    options.add_argument(
        "--batch", type=_batches, default=(), metavar="N[,N]", help=f"sizes of minibatches (default: {batches})"
    )
    options.add_argument("--quick", action="store_true", help="narrow networks and small minibatches, in a minute")
    options.add_argument("--agreement", action="store_true", help="also compare all numbers with PyTorch's in float64")
    options.add_argument("--memory", action="store_true", help="also measure the peak memory of updates")


def _add_inception_options(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "--batch", type=whole_number, default=50, metavar="N", help="images of a pass (default: %(default)s)"
    )
    options.add_argument("--quick", action="store_true", help="few and small images")
    options.add_argument(
        "--agreement", action="store_true", help="also compare all blocks with PyTorch's in both precisions"
    )
    options.add_argument("--memory", action="store_true", help="also measure the peak memory of passes")


def _add_sums_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--peers", action="store_true", help="also time the peers that are installed")
    options.add_argument("--figures", type=output_folder, metavar="DIR", help="draw figures into DIR, which may be new")
    options.add_argument("--quick", action="store_true", help="small sizes, in a minute")
    options.add_argument("--only", type=_sums_names, default=(), metavar="NAME[,NAME]", help="cases, or 'aims'")
    options.add_argument(
        "--largest",
        type=functools.partial(whole_number, least=SMALLEST),
        default=10**6,
        metavar="N",
        help="most charges, such as 1e7 (default: 1e6)",
    )


def _features_names(text: str) -> tuple[str, ...]:
    from .speed.features_cases import CASES

    return _names(text, tuple(CASES))


def _start_names(text: str) -> tuple[str, ...]:
    from .speed.start import OURS, PEERS

    return _names(text, (*OURS, *PEERS))


def _sums_names(text: str) -> tuple[str, ...]:
    from .speed.sums import AIMS_NAME
    from .speed.sums_cases import CASES

    return _names(text, (*CASES, AIMS_NAME))


def _networks_names(text: str) -> tuple[str, ...]:
    from .speed.networks import NAMES

    return _names(text, NAMES)


def _gans_names(text: str) -> tuple[str, ...]:
    from .speed.gans import names

    return _names(text, names())


def _ranks_names(text: str) -> tuple[str, ...]:
    from .speed.ranks import names

    return _names(text, names())


def _text_names(text: str) -> tuple[str, ...]:
    from .speed.text import names

    return _names(text, names())


def _names(text: str, known: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in known]:
        some = ", ".join(known)
        raise argparse.ArgumentTypeError(f"unknown {', '.join(map(repr, unknown))}; expected some of {some}")
    return names


def _batches(text: str) -> tuple[int, ...]:
    numbers = tuple(positive(part) for part in text.split(","))
    if any(number != int(number) or number < 2 for number in numbers):
        raise argparse.ArgumentTypeError(f"expected whole numbers of at least 2, got {text}")
    return tuple(int(number) for number in numbers)


if __name__ == "__main__":
    sys.exit(main())
