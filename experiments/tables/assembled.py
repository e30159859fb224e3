"""Finished runs of presets, wherever they lie in a folder: what a table shows that runs nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from .. import UserError, config, schema
from ..config import Setup
from ..runs.folder import RunFolder
from ..runs.loop import ALTERABLE

DEPTH = 3
"""How deep run folders may lie: in the folder itself, in those of seeds, and in those of tables."""

ELSEWHERE = ("data.path", "data.dataset", "data.sha256", "seed", "results", "title", "notes")
"""Settings that are a user's own, and leave a run one of its preset."""


@dataclass(frozen=True)
class Found:
    """A finished run of a preset.

    Attributes
    ----------
    folder : RunFolder
        Where it is.
    setup : Setup
        What was run.
    summary : dict
        Content of its ``summary.json``.
    changed : dict
        Settings that are not the preset's, with both values: the preset's and the run's.
    """

    folder: RunFolder
    setup: Setup
    summary: dict[str, Any]
    changed: dict[str, tuple[Any, Any]]


def find(presets: Iterable[str], folder: Path, say: Callable[[str], None]) -> dict[str, list[Found]]:
    """Finished runs in a folder by the name of their preset, which a run's title tells.

    Parameters
    ----------
    presets : iterable of str
        Names of presets, whose titles differ.
    folder : Path
        Where to look, down to some depth.
    say : callable
        Is told which run folders can't be read and are left out.
    """
    originals = {name: config.resolve(name) for name in presets}
    names = {setup.title: name for name, setup in originals.items()}
    found: dict[str, list[Found]] = {name: [] for name in originals}
    for path in sorted({file for depth in range(DEPTH) for file in folder.glob("*/" * (depth + 1) + "config.toml")}):
        run = RunFolder(path.parent)
        if not run.report.exists():
            continue
        try:
            setup = config.resolve(path)
            name = names.get(setup.title)
            if name is None:
                continue
            summary = run.read_summary()
        except UserError as error:
            say(f"left out: {error}")
            continue
        if summary["updates"] == summary["planned_updates"] or "ended_early" in summary:
            found[name].append(Found(run, setup, summary, _changed(originals[name], setup)))
    return found


def cell(runs: Sequence[Found], column: str) -> str:
    """Mean of a number over the runs of most updates, with its standard deviation and their number if there are more.

    A star marks runs that are not quite of the preset.
    """
    values = [run.summary[column] for run in longest(runs, column)]
    if not values:
        return ""
    spread = f" ± {stdev(values):.2g} (n = {len(values)})" if len(values) > 1 else ""
    return f"{mean(values):.3g}{spread}{'*' if any(run.changed for run in longest(runs, column)) else ''}"


def longest(runs: Sequence[Found], column: str) -> list[Found]:
    """Runs that have the number, and the preset's settings or most updates."""
    having = [run for run in runs if column in run.summary]
    having = [run for run in having if not run.changed] or having
    most = max((run.setup.config.training.updates for run in having), default=0)
    return [run for run in having if run.setup.config.training.updates == most]


def differences(run: Found) -> str:
    """What is not the preset's in a run, as text."""
    return "; ".join(f"{name} {here!r} for {there!r}" for name, (there, here) in run.changed.items())


def _changed(preset: Setup, run: Setup) -> dict[str, tuple[Any, Any]]:
    found: Mapping[str, tuple[Any, Any]] = schema.differences(schema.to_dict(preset.config), schema.to_dict(run.config))
    harmless = {f"training.{name}" for name in ALTERABLE if name != "updates"}
    return {name: both for name, both in found.items() if name not in harmless and name not in ELSEWHERE}
