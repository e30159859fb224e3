"""The command ``gpu``: see that a GPU is there, run each part, and tell what came of it."""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.files import to_json, write_atomically
from experiments.runs.provenance import environment
from validation.arguments import output_folder, positive, some_of

from .page import render
from .parts import MINUTES, PARTS
from .running import ROOT, Outcome, last_lines, run

FOLDER = "gpu-report"
SHOWN_LINES = 3  # of a failure, on the terminal
FACTS_SECONDS = 120.0  # most time that asking the card may take, with the loading of CuPy


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of this command."""
    names = tuple(part.name for part in PARTS)
    parser.add_argument("--quick", action="store_true", help="small sizes, for a look at whether all works")
    parser.add_argument(
        "--out", type=Path, default=Path(FOLDER), metavar="FOLDER", help="for page and figures (default: %(default)s)"
    )
    parser.add_argument(
        "--only",
        type=functools.partial(some_of, known=names),
        default=names,
        metavar="NAME[,NAME]",
        help=f"parts: {', '.join(names)}",
    )
    parser.add_argument(
        "--minutes",
        type=positive,
        default=MINUTES,
        help="most time for all parts; each has its share (default: %(default)g)",
    )


def main(*, quick: bool, out: Path, only: Sequence[str], minutes: float) -> int:
    """Run the parts; 0 if nothing failed, 1 if something did, 2 without a usable GPU."""
    try:
        card = facts_of_card()
        folder = output_folder(str(out))
    except (RuntimeError, argparse.ArgumentTypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in card.items()))
    print(line("part", "verdict", "time", "looked at"), flush=True)
    outcomes: list[Outcome] = []
    try:
        for part in (part for part in PARTS if part.name in only):
            outcomes.append(run(part, folder, 60 * minutes * part.minutes / MINUTES, quick=quick))
            print(told(outcomes[-1]), flush=True)
    except KeyboardInterrupt:
        print("interrupted; what there is so far is written")
    host = environment()
    report = {"card": card, "environment": host, "quick": quick, "parts": [as_json(each) for each in outcomes]}
    page, figures = folder / "gpu.html", folder / "gpu.json"
    write_atomically(figures, to_json(report))
    write_atomically(page, render(card, host, outcomes))
    print(f"page: {page}, figures: {figures}")
    done = len(outcomes) == len(only)
    return 0 if done and all(each.passed for each in outcomes) else 1


def facts_of_card() -> dict[str, Any]:
    """What the card says of itself, asked by another process, so that this one takes none of its memory.

    Raises
    ------
    RuntimeError
        If no GPU can be used; the message has the reason.
    """
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "facts.json")
        command = [sys.executable, "-m", "validation.gpu.card", "facts", str(file)]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=FACTS_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"device: the GPU did not answer within {FACTS_SECONDS:.0f} s") from None
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RuntimeError(reason.removeprefix("error: "))
        return json.loads(file.read_text())


def line(name: str, verdict: str, seconds: str, what: str) -> str:
    """A line of the table."""
    return f"{name:<12}{verdict:<28}{seconds:>8}   {what}".rstrip()


def told(outcome: Outcome) -> str:
    """A part's line, and under it what failed and what it left out."""
    lines = [line(outcome.name, outcome.verdict, f"{outcome.seconds:.0f} s", outcome.told)]
    for what, text in outcome.failures:
        shown = last_lines(text).splitlines()[-SHOWN_LINES:]
        lines += [f"    {what}", *(f"      {each}" for each in shown)]
    lines += [f"    {what}" for what in outcome.left_out]
    return "\n".join(lines)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """A part for a JSON file."""
    return {
        **outcome._asdict(),
        "passed": outcome.passed,
        "failures": [failure._asdict() for failure in outcome.failures],
    }
