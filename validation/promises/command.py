"""The command ``promises``: draw cases, sum, compare at every target, show what was broken, write."""

from __future__ import annotations

import argparse
import collections
from pathlib import Path

from experiments.files import to_json, write_atomically
from validation.arguments import output_file, whole_number

from .cases import METHODS, Outcome, draw, run


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of this command."""
    parser.add_argument(
        "--runs",
        type=whole_number,
        default=2000,
        metavar="N",
        help="cases (default: %(default)s, a quarter of an hour)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of every random number (default: %(default)s)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="also write the counts to FILE")


def main(*, runs: int, seed: int, json: Path | None) -> int:
    """Run the cases and print the counts; 0 only if every promise was kept."""
    counts: dict[str, collections.Counter[str]] = {method: collections.Counter() for method in METHODS}
    broken, closest = [], 0.0
    for number in range(runs):
        outcome = run(draw(seed, number))
        kind = "refused" if outcome.error is None else "kept" if outcome.kept else "broken"
        counts[outcome.case.method][kind] += 1
        if outcome.error is not None and outcome.kept:
            closest = max(closest, outcome.error / outcome.case.rtol)
        if not outcome.kept:
            broken.append(_described(outcome))
            print(f"BROKEN {broken[-1]}", flush=True)
    for method, of_method in counts.items():
        print(f"{method}: " + ", ".join(f"{of_method[kind]} {kind}" for kind in ("kept", "broken", "refused")))
    print(f"{runs} runs, {len(broken)} promises broken; of those kept the largest error was {closest:.2f} rtol")
    if json is not None:
        write_atomically(json, to_json({"runs": runs, "seed": seed, "counts": counts, "broken": broken}))
    return int(bool(broken))


def _described(outcome: Outcome) -> str:
    return f"{outcome.case.label}: error {outcome.error:.1e}"
