"""Types of command-line arguments, with errors that say what was expected."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def positive(text: str) -> float:
    """A positive, finite number."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return number


def whole_number(text: str, least: int = 1) -> int:
    """A whole number that is not too small, also written as 1e7."""
    number = positive(text)
    if number < least or number != int(number):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text}")
    return int(number)


def output_file(text: str) -> Path:
    """A file to write, in a folder that exists."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"no folder {path.parent}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder")
    return path


def output_folder(text: str) -> Path:
    """A folder to write into, made if it's new."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"can't make the folder {path}: {error.strerror}") from error
    return path


def names(text: str) -> list[str]:
    """Names with commas between them."""
    return text.split(",")


def some_of(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Known names with commas between them, each once."""
    given = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in given if name not in known]:
        expected = ", ".join(known)
        raise argparse.ArgumentTypeError(f"unknown {', '.join(map(repr, unknown))}; expected some of {expected}")
    return given


def add_network_options(options: argparse.ArgumentParser, names: Callable[[str], Any], batches: str) -> None:
    """The options of benchmarks that train networks on minibatches beside PyTorch."""
    options.add_argument("--only", type=names, default=(), metavar="NAME[,NAME]", help="what to measure")
    options.add_argument(
        "--batch", type=_batches, default=(), metavar="N[,N]", help=f"sizes of minibatches (default: {batches})"
    )
    options.add_argument("--quick", action="store_true", help="narrow networks and small minibatches, in a minute")
    options.add_argument("--agreement", action="store_true", help="also compare all numbers with PyTorch's in float64")
    options.add_argument("--memory", action="store_true", help="also measure the peak memory of updates")
    add_device_option(options)
    text = "on a GPU, also time compiled PyTorch, which takes minutes"
    options.add_argument("--compiled", action="store_true", help=text)


def add_device_option(options: argparse.ArgumentParser) -> None:
    """Where a benchmark computes."""
    text = "where to compute, and which peers to time (default: %(default)s)"
    options.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help=text)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options that a command with checks has: where, with which random numbers, and results for machines."""
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the results to FILE")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")


def _batches(text: str) -> tuple[int, ...]:
    numbers = tuple(positive(part) for part in text.split(","))
    if any(number != int(number) or number < 2 for number in numbers):
        raise argparse.ArgumentTypeError(f"expected whole numbers of at least 2, got {text}")
    return tuple(int(number) for number in numbers)
