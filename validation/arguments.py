"""Types of command-line arguments, with errors that say what was expected."""

from __future__ import annotations

import argparse
from pathlib import Path


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


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options that a command with checks has: where, with which random numbers, and results for machines."""
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the results to FILE")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
