"""The registry's results as text, and as plain values."""

from __future__ import annotations

import dataclasses
import itertools
import math
import textwrap
import unicodedata
from typing import Any

from .evidence import Measurement, Verdict
from .run import Result

WIDTHS = {"where": 14, "statement": 46, "measured": 11, "bound": 18}
WIDTH = 132


def heading() -> str:
    """The table's head."""
    return _line("ICLR [arXiv]", "statement", "measured", "bound", "verdict") + "\n" + "-" * WIDTH


def _line(where: str, statement: str, measured: str, bound: str, verdict: str) -> str:
    cells = (
        _ljust(where, WIDTHS["where"]),
        _ljust(statement, WIDTHS["statement"]),
        measured.rjust(WIDTHS["measured"]),
        bound.ljust(WIDTHS["bound"]),
        verdict,
    )
    return "  ".join(cells).rstrip()


def _ljust(text: str, width: int) -> str:
    """Text filled up to a width, in which the accents of Φ̂ and ρ̇ take no room."""
    return text.ljust(width + sum(unicodedata.combining(letter) > 0 for letter in text))


def row(result: Result, *, verbose: bool = False) -> str:
    """One entry: its headline measurement and verdict; all measurements if ``verbose``."""
    entry, finding = result.entry, result.finding
    where = textwrap.wrap(entry.where, WIDTHS["where"])
    statement = textwrap.wrap(entry.plain, WIDTHS["statement"])
    room = WIDTH - sum(WIDTHS.values()) - 2 * len(WIDTHS)
    verdict = textwrap.wrap(verdict_text(result), room)
    measured, bound = (f"{finding.headline.value:.3g}", finding.headline.bound) if finding else ("", "")
    columns = (where, statement, [measured], [bound], verdict)
    lines = [_line(*cells) for cells in itertools.zip_longest(*columns, fillvalue="")]
    if verbose:
        indent = " " * 4
        lines.append(f"{indent}{entry.name}, {result.seconds:.1f} s; {', '.join(entry.code)}")
        lines += [indent + measurement_text(m) for m in (finding.measurements if finding else ())]
    return "\n".join(lines)


def verdict_text(result: Result) -> str:
    """The verdict in words, and what was expected instead if it's another."""
    entry, verdict = result.entry, result.verdict
    words = {
        Verdict.HOLDS: "holds",
        Verdict.HOLDS_IF: f"holds if {entry.truth}",
        Verdict.MISPRINT: f"misprint; right is {entry.truth}",
        Verdict.FAILS: f"fails: {entry.truth}",
        Verdict.UNSETTLED: result.error or "unsettled: a measurement contradicts",
    }[verdict if verdict in (entry.expected, Verdict.HOLDS, Verdict.UNSETTLED) else Verdict.UNSETTLED]
    return words if result.as_expected else f"UNEXPECTED ({entry.expected} was expected): {words}"


def measurement_text(m: Measurement) -> str:
    """One measurement in a line."""
    mark = "ok " if m.passed else "NOT"
    detail = f"  ({m.detail})" if m.detail else ""
    return f"{mark} {m.subject}: {m.what}: {m.value:.4g}, {m.bound}{detail}"


def summary(results: list[Result]) -> str:
    """Counts of the verdicts, the time taken, and which verdicts are not the registry's."""
    counts = [(verdict, sum(r.verdict is verdict for r in results)) for verdict in Verdict]
    text = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    lines = ["-" * WIDTH, f"{len(results)} statements in {sum(r.seconds for r in results):.1f} s: {text}"]
    if wrong := [r.entry.name for r in results if not r.as_expected]:
        lines.append(f"NOT AS EXPECTED: {', '.join(wrong)}")
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, Any]:
    """One result as plain values that JSON can hold; a number that isn't finite becomes null."""
    entry, finding = result.entry, result.finding
    measurements = [dataclasses.asdict(m) for m in finding.measurements] if finding else []
    for m in measurements:
        m["value"] = m["value"] if math.isfinite(m["value"]) else None
    return {
        "name": entry.name,
        "iclr": list(entry.iclr),
        "arxiv": list(entry.arxiv),
        "place": entry.place,
        "title": entry.title,
        "statement": entry.statement,
        "code": list(entry.code),
        "how": entry.how,
        "expected": entry.expected.value,
        "verdict": result.verdict.value,
        "truth": entry.truth,
        "as_expected": result.as_expected,
        "error": result.error,
        "seconds": round(result.seconds, 3),
        "measurements": measurements,
    }
