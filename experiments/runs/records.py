"""What a run has recorded, as rows, tables and columns: all that can be told of it without its experiment."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..metrics.metric import Column

Record = Mapping[str, Any]

FIRST = ("step", "seconds", "updates_per_s")
"""Columns at the left of a table; those of losses, schedules and metrics follow."""


def wide(records: Iterable[Record]) -> list[dict[str, float]]:
    """Records of a run as one row for each step, with dotted names such as ``metrics.energy``."""
    rows: dict[int, dict[str, float]] = {}
    for record in records:
        row = rows.setdefault(record["step"], {})
        for key, value in record.items():
            row |= (
                {f"{key}.{name}": inner for name, inner in value.items()}
                if isinstance(value, Mapping)
                else {key: value}
            )
    return [rows[step] for step in sorted(rows)]


def to_csv(rows: Sequence[Mapping[str, Any]], first: Sequence[str] = FIRST) -> str:
    """Rows as CSV under the union of their names, ``first`` at the left; what a row lacks stays empty."""
    names = dict.fromkeys([*first, *(name for row in rows for name in row)])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def table(records: Iterable[Record]) -> str:
    """Content of ``metrics.csv``: step, seconds, rate, then losses, schedules and metrics, by dotted names."""
    rows = wide(records)
    names = {name: None for row in rows for name in row}
    kinds = ("losses.", "schedule.", "metrics.")
    return to_csv(rows, [*FIRST, *(name for kind in kinds for name in names if name.startswith(kind))])


def last_metrics(records: Iterable[Record]) -> dict[str, float]:
    """The last value of each metric."""
    found: dict[str, float] = {}
    for record in records:
        found |= record.get("metrics", {})
    return found


def named_columns(columns: Mapping[str, Column], records: Iterable[Record]) -> dict[str, Column]:
    """Columns with plain ones for metrics that were recorded without."""
    return {**columns, **{name: Column("") for name in last_metrics(records) if name not in columns}}
