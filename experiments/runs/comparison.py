"""Runs beside each other: what their folders hold, as rows, curves and differences. No experiment is imported."""

from __future__ import annotations

import itertools
import json
import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import UserError, config, schema
from ..figures.curves import Curve, Panel, axis_label
from ..metrics.metric import Column
from .folder import RunFolder
from .records import Record, last_metrics, named_columns

PRESENTATION = ("title", "notes", "results")
CHANGING = ("started", "command", "from_step", "seed", "parameters_from")
"""What differs between any two starts, or is told elsewhere."""


class ComparisonError(UserError):
    """Folders that can't be compared."""


@dataclass(frozen=True)
class Recorded:
    """What the folder of a run tells.

    Attributes
    ----------
    name : str
        What tells it from the others.
    folder : RunFolder
        Where it is.
    title : str
        Of its preset.
    settings : mapping
        Its configuration with dotted names, without texts for people.
    records : list
        Lines of ``metrics.jsonl``.
    summary : mapping
        Content of ``summary.json``; empty before there is one.
    starts : list
        Provenance of each start.
    """

    name: str
    folder: RunFolder
    title: str
    settings: Mapping[str, Any]
    records: Sequence[Record]
    summary: Mapping[str, Any]
    starts: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path, name: str) -> Recorded:
        """Read a folder."""
        folder = RunFolder(path)
        mapping = config.read(folder.config)
        title = str(mapping.get("title", ""))
        settings = dict(schema.dotted({key: value for key, value in mapping.items() if key not in PRESENTATION}))
        settings.pop("training.graph", None)  # which changes no bit, and earlier runs don't have
        summary = folder.read_summary() if folder.summary.exists() else {}
        starts = folder.read_starts() if folder.provenance.exists() else []
        return cls(name, folder, title, settings, folder.read_metrics(), summary, starts)

    @property
    def seed(self) -> Any:
        """Seed of all its randomness."""
        return self.settings.get("seed")

    @property
    def planned(self) -> int:
        """Updates of the whole run."""
        return self.settings.get("training.updates", 0)

    @cached_property
    def finished(self) -> bool:
        """Whether it came to its end, with a report; the end may be before the last update that was planned."""
        done = "ended_early" in self.summary or self.summary.get("updates") == self.planned
        return self.folder.report.exists() and done

    @property
    def updates(self) -> int:
        """Updates that are done, as far as is recorded."""
        return self.summary["updates"] if self.finished else max((record["step"] for record in self.records), default=0)

    @property
    def seconds(self) -> float:
        """Time spent in training [s]."""
        if self.finished:
            return self.summary["seconds"]
        return max((record.get("seconds", 0.0) for record in self.records), default=0.0)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Its metrics."""
        return named_columns(self.folder.read_columns(), self.records)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        last = last_metrics(self.records)
        return {**last, **{name: self.summary[name] for name in self.columns if self.finished and name in self.summary}}

    @property
    def data(self) -> Mapping[str, float]:
        """The same metrics of the data itself, as far as they are known."""
        return self.summary.get("data", {})

    @property
    def source(self) -> str:
        """Checkpoint whose parameters it started from, or empty."""
        return str(self.starts[0].get("parameters_from", "")) if self.starts else ""


@dataclass(frozen=True)
class Row:
    """One run, or finished runs that differ by their seeds alone.

    Attributes
    ----------
    name : str
        What it is called.
    runs : sequence of Recorded
        At least one.
    """

    name: str
    runs: Sequence[Recorded]

    @property
    def state(self) -> str:
        """How far an unfinished run is; empty for finished ones."""
        run = self.runs[0]
        return "" if run.finished else f"unfinished: {run.updates} of {run.planned} updates"

    @property
    def seeds(self) -> str:
        """Seeds of its runs."""
        return ranges([run.seed for run in self.runs])

    def values(self, name: str) -> list[float]:
        """A metric at the end of each run that has it."""
        return [run.metrics[name] for run in self.runs if name in run.metrics]

    def data(self, name: str) -> list[float]:
        """The same of the data itself."""
        return [run.data[name] for run in self.runs if name in run.data]

    @property
    def data_set(self) -> str:
        """The settings of its data."""
        settings = {key: value for key, value in self.runs[0].settings.items() if key.startswith("data.")}
        return json.dumps(settings, sort_keys=True)

    def setting(self, key: str) -> Any:
        """One setting; None where there is none of that name."""
        return self.seeds if key == "seed" else self.runs[0].settings.get(key)


def read(paths: Sequence[Path]) -> list[Recorded]:
    """Runs in these folders, and in the folders in these.

    Raises
    ------
    ComparisonError
        If one of them is neither a run nor holds any; the message names all such.
    UserError
        If a file of a run can't be read.
    """
    found: dict[Path, Path] = {}
    wrong = []
    for path in paths:
        inner = sorted(file.parent for file in path.glob("*/config.toml"))
        there = [path] if (path / "config.toml").is_file() else inner
        if not there:
            wrong.append(f"{path}: {'no such folder' if not path.is_dir() else 'no run (config.toml is missing)'}")
        found |= {run.resolve(): run for run in there if run.resolve() not in found}
    if wrong:
        raise ComparisonError("; ".join(wrong))
    return [Recorded.read(path, name) for path, name in zip(found.values(), _names(list(found)), strict=True)]


def rows(runs: Iterable[Recorded]) -> list[Row]:
    """Runs in their order, those that differ by their seeds alone as one.

    Two finished runs of one configuration and seed, as before and after a change of the code, part into two rows.
    """
    groups: dict[tuple[Any, ...], list[Recorded]] = {}
    for run in runs:
        same = json.dumps({key: value for key, value in run.settings.items() if key != "seed"}, sort_keys=True)
        for count in itertools.count():
            key: tuple[Any, ...] = (same, run.source, count) if run.finished else (run.folder.path,)
            group = groups.setdefault(key, [])
            if run.seed not in [other.seed for other in group]:
                group.append(run)
                break
    return [Row(_row_name(group), group) for group in groups.values()]


def columns(runs: Iterable[Recorded]) -> dict[str, Column]:
    """All metrics that one of the runs has, in order."""
    found: dict[str, Column] = {}
    for run in runs:
        for name, column in run.columns.items():
            if name not in found or not found[name].definition:
                found[name] = column
    return found


def differences(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Settings in which rows differ, each with its value in every row; empty where a row has none."""
    keys = dict.fromkeys(key for row in rows for run in row.runs for key in run.settings)
    table = {key: [_text(row.setting(key)) for row in rows] for key in keys}
    table["parameters from"] = [row.runs[0].source for row in rows]
    return {key: values for key, values in table.items() if len(set(values)) > 1}


def provenances(rows: Sequence[Row]) -> dict[str, list[str]]:
    """What differs of where rows come from; several values in one row are those of its runs and their starts."""
    tables: list[dict[str, list[str]]] = []
    for row in rows:
        table: dict[str, list[str]] = {}
        for start in (start for run in row.runs for start in run.starts):
            for key, value in schema.dotted({key: value for key, value in start.items() if key not in CHANGING}):
                if (text := _text(value)) not in table.setdefault(key, []):
                    table[key].append(text)
        tables.append(table)
    keys = dict.fromkeys(key for table in tables for key in table)
    found = {key: ["; ".join(table.get(key, [])) for table in tables] for key in keys}
    several = {key for table in tables for key, values in table.items() if len(values) > 1}
    return {key: values for key, values in found.items() if len(set(values)) > 1 or key in several}


def panels(rows: Sequence[Row], colours: Sequence[str]) -> list[Panel]:
    """Metrics and losses over the updates, a curve for each row in its colour."""
    known, drawn = columns(run for row in rows for run in row.runs), []
    for name, column in known.items():
        if column.axis:
            data: dict[str, list[float]] = {}
            for row in rows:
                if there := row.data(name):
                    data.setdefault(row.data_set, []).extend(there)
            noise = max((value for row in rows for value in row.data(column.noise)), default=0.0)
            drawn.append(
                Panel(
                    axis_label(name, column),
                    column.axis,
                    _curves(rows, colours, "metrics", name),
                    list(data.values()),
                    noise,
                )
            )
    losses = dict.fromkeys(
        name for row in rows for run in row.runs for record in run.records for name in record.get("losses", {})
    )
    drawn += [Panel(f"{name} loss (mean)", "auto", _curves(rows, colours, "losses", name)) for name in losses]
    return [panel for panel in drawn if panel.curves]


def table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for a CSV file: means, and standard deviations where there is more than one run."""
    known = columns(run for row in rows for run in row.runs)
    made = []
    for row in rows:
        line: dict[str, Any] = {"name": row.name, "runs": len(row.runs), "seeds": row.seeds}
        line |= {"updates": row.runs[0].updates, "finished": row.runs[0].finished}
        line["seconds"] = statistics.fmean(run.seconds for run in row.runs)
        for name in known:
            line |= {name: _mean(row.values(name)), f"{name}.std": spread(row.values(name))}
            line[f"{name}.data"] = _mean(row.data(name))
        made.append({key: value for key, value in line.items() if value is not None})
    return made


def each(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for a CSV file: every run by itself."""
    return [
        {"run": str(run.folder.path), "row": row.name, "seed": run.seed, "updates": run.updates}
        | {"finished": run.finished, "seconds": run.seconds}
        | run.metrics
        | {f"{name}.data": value for name, value in run.data.items()}
        for row in rows
        for run in row.runs
    ]


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation of the values, with n - 1; None for fewer than two, NaN where one is infinite."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


def ranges(seeds: Iterable[Any]) -> str:
    """Numbers in short, as ``0-4, 7``."""
    numbers = sorted({seed for seed in seeds if isinstance(seed, int)})
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _curves(rows: Sequence[Row], colours: Sequence[str], kind: str, name: str) -> list[Curve]:
    curves = []
    for row, colour in zip(rows, colours, strict=True):
        runs = [_series(run, kind, name) for run in row.runs]
        runs = [run for run in runs if run]
        steps = sorted(set.intersection(*map(set, runs))) if runs else []
        if steps:
            values = np.array([[run[step] for step in steps] for run in runs])
            curves.append(
                Curve(row.name, colour, np.array(steps), values.mean(0), values.min(axis=0), values.max(axis=0))
            )
    return curves


def _series(run: Recorded, kind: str, name: str) -> dict[int, float]:
    """Values by the update at which they were recorded."""
    return {record["step"]: record[kind][name] for record in run.records if name in record.get(kind, {})}


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _names(paths: Sequence[Path]) -> list[str]:
    """What tells folders apart: what comes after all that their paths share."""
    if len(paths) == 1:
        return [paths[0].name]
    shared = os.path.commonpath(paths)
    return [os.path.relpath(path, shared) if str(path) != shared else path.name for path in paths]


def _row_name(runs: Sequence[Recorded]) -> str:
    """What the names of runs begin with, or the name of the folder that they share."""
    if len(runs) == 1:
        return runs[0].name
    columns = zip(*(run.name for run in runs), strict=False)
    shared = "".join(letters[0] for letters in itertools.takewhile(lambda letters: len(set(letters)) == 1, columns))
    name = shared.rstrip("0123456789").rstrip("-_./ ").removesuffix("seed").rstrip("-_./ ")
    return name or Path(os.path.commonpath([run.folder.path.resolve() for run in runs])).name
