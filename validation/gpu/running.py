"""Running a part and reading what it found, so that one that fails, hangs or crashes does not stop the rest."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from validation.speed.rows import ELSEWHERE

from .parts import Part

ROOT = Path(__file__).parents[2]
GRACE = 5.0  # [s] that a program has to end when it is told to
LAST_LINES = 15
WRONG = ("failed", "DIFFERENT BITS", "not finite", "above ")
"""What notes of benchmarks begin with, or say behind another note, where something is wrong."""


class Failure(NamedTuple):
    """Something that went wrong, and the last lines that were written of it."""

    what: str
    last_lines: str = ""


class Outcome(NamedTuple):
    """What came of a part."""

    name: str
    verdict: str
    """'ok', or what is wrong."""
    seconds: float
    told: str
    """How much was looked at."""
    rows: list[dict[str, Any]]
    failures: list[Failure]
    left_out: list[str]
    """What the part says it can't do on this device."""

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return self.verdict == "ok"


def run(part: Part, folder: Path, limit: float, *, quick: bool) -> Outcome:
    """Run a part in a process of its own, with its output in a file of the folder.

    Parameters
    ----------
    part : Part
        What to run.
    folder : Path
        Takes ``NAME.txt``, the output, and ``NAME.json``, the results.
    limit : float
        Time after which it is ended [s].
    quick : bool
        Its small form.
    """
    results, log = folder / f"{part.name}.json", folder / f"{part.name}.txt"
    results.unlink(missing_ok=True)
    start = time.monotonic()
    with log.open("wb") as output:
        code = _ended([sys.executable, *part.command(str(results.resolve()), quick=quick)], output, limit)
    seconds = time.monotonic() - start
    text = log.read_text(encoding="utf-8", errors="backslashreplace")
    rows, failures, told = read(part.kind, results)
    left_out = [line.strip() for line in text.splitlines() if ELSEWHERE in line]
    verdict = "FAILED" if failures else "ok"
    if code is None:
        verdict = f"ended after {limit:.0f} s"
    elif code < 0:
        verdict = f"crashed ({_signal(-code)})"
    elif code and not failures:
        verdict = f"FAILED (exit code {code})"
    elif not rows and not failures:
        verdict = "FAILED (nothing was found)"
    if verdict not in ("ok", "FAILED"):
        failures = [Failure(f"{part.name}: {verdict}", last_lines(text)), *failures]
    return Outcome(part.name, verdict, seconds, told, rows, failures, left_out)


def read(kind: str, results: Path) -> tuple[list[dict[str, Any]], list[Failure], str]:
    """Rows, failures and a count, from what a part has written; none of a file that is missing or cut off."""
    try:
        text = results.read_text(encoding="utf-8")
        if kind == "tests":
            return _tests([json.loads(line) for line in text.splitlines()])
        content = json.loads(text)
    except (OSError, ValueError):
        return [], [], "no results"
    if kind == "gradients":
        return _gradients(content)
    failures = [
        Failure(
            " ".join(str(row[key]) for key in ("table", "case", "engine", "name", "quantity") if row.get(key)), note
        )
        for row in content
        if (note := str(row.get("note") or "")) and any(part.startswith(WRONG) for part in note.split("; "))
    ]
    return content, failures, f"{len(content)} rows"


def last_lines(text: str) -> str:
    """The end of an output."""
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])


def _tests(lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Failure], str]:
    ends = {line["node"]: line for line in lines if line["outcome"] != "begun"}
    open_ones = [line["node"] for line in lines if line["node"] not in ends]
    failures = [Failure(node, last_lines(end["text"])) for node, end in ends.items() if end["outcome"] == "failed"]
    failures += [Failure(f"{node}: begun, and never ended") for node in open_ones]
    counts = {outcome: sum(end["outcome"] == outcome for end in ends.values()) for outcome in ("passed", "failed")}
    rows = [{key: end[key] for key in ("node", "outcome", "seconds")} for end in ends.values()]
    skipped = len(ends) - sum(counts.values())
    told = f"{counts['passed']} passed, {counts['failed'] + len(open_ones)} failed, {skipped} skipped"
    return rows, failures, told


def _gradients(report: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Failure], str]:
    rows = [{key: value for key, value in row.items() if key != "covers"} for row in report["rows"]]
    failures = [Failure(row["quantity"], row["raised"] or row["worst_case"]) for row in rows if not row["passed"]]
    failures += [Failure(name, "in no row") for name in report["missing"]]
    return rows, failures, f"{sum(row['passed'] for row in rows)} of {len(rows)} rows"


def _ended(command: Sequence[str], output: Any, limit: float) -> int | None:
    """Exit code of a program, or None of one that took too long; what it has started ends with it."""
    started = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return started.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(started.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(GRACE)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
