"""The rows as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .registry import Result

HEADS = {"quantity": 42, "cases": 5, "worst relative error": 20, "bound": 8, "order": 6, "ok": 4}
WIDTH = sum(HEADS.values()) + 2 * (len(HEADS) - 1)


def heading() -> str:
    """The table's head."""
    return _line(*HEADS) + "\n" + "-" * WIDTH


def row(result: Result) -> str:
    """One row; under one that failed, the case that is furthest from its bound."""
    outcome = result.outcome
    if outcome is None:
        return _line(result.row.name, "", "", "", "", "NO") + f"\n    {result.error}"
    order = "exact" if outcome.order is None else f"{outcome.order:.2f}"
    numbers = f"{outcome.cases}", f"{outcome.error:.1e}", f"{outcome.bound:.1e}", order
    line = _line(result.row.name, *numbers, "ok" if result.passed else "NO")
    return line if result.passed else f"{line}\n    {outcome.label}"


def summary(results: Sequence[Result], left_out: int, missing: Sequence[str]) -> str:
    """Counts, the time taken, what failed, how many rows this run left out and what has no row."""
    seconds = sum(result.seconds for result in results)
    lines = ["-" * WIDTH, f"{len(results)} rows, {sum(r.passed for r in results)} ok, in {seconds:.1f} s"]
    if left_out:
        lines.append(f"left out: {left_out} rows of engines for another device, or to be compiled first (--quick)")
    if wrong := [result.row.name for result in results if not result.passed]:
        lines.append(f"WRONG: {', '.join(wrong)}")
    if missing:
        lines.append(f"IN NO ROW: {', '.join(missing)}")
    return "\n".join(lines)


def record(result: Result) -> dict[str, Any]:
    """One row for a JSON file, in which what isn't finite is null."""
    outcome = result.outcome
    return {
        "quantity": result.row.name,
        "group": result.row.group,
        "covers": [f"{part.__module__}.{part.__qualname__}" for part in result.row.covers],
        "cases": outcome.cases if outcome else 0,
        "error": _finite(outcome.error) if outcome else None,
        "bound": _finite(outcome.bound) if outcome else None,
        "order": _finite(outcome.order) if outcome and outcome.order is not None else None,
        "exact": outcome is not None and outcome.order is None,
        "passed": result.passed,
        "worst_case": outcome.label if outcome else "",
        "raised": result.error,
        "seconds": result.seconds,
    }


def _finite(number: float) -> float | None:
    return number if abs(number) < float("inf") else None


def _line(*cells: str) -> str:
    name, *rest = cells
    quantity, *widths = HEADS.values()
    return "  ".join([name.ljust(quantity), *(cell.rjust(width) for cell, width in zip(rest, widths, strict=True))])
