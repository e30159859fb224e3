"""Curves over the updates of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from ..metrics.metric import Column
from .style import CURVES, FEW, REFERENCE, new_figure, save


def training_curves(
    path: Path, records: Iterable[Mapping[str, Any]], metrics: Mapping[str, Column], reference: Mapping[str, float]
) -> None:
    """Losses, schedules and metrics over the updates, with the data's own metrics as dashed lines.

    Only records of the loop are expected: each has either losses and schedule, or metrics.

    Parameters
    ----------
    path : Path
        PNG file to write.
    records : iterable of mapping
        Lines of ``metrics.jsonl``.
    metrics : mapping of str to Column
        What to draw, and how.
    reference : mapping of str to float
        The same metrics of the data itself.
    """
    logged: list[Mapping[str, Any]] = []
    evaluated: list[Mapping[str, Any]] = []
    for record in records:
        (evaluated if "metrics" in record else logged).append(record)
    losses = list(logged[0]["losses"]) if logged else []
    drawn = {name: metric for name, metric in metrics.items() if metric.axis}
    columns = 3
    rows = math.ceil((len(losses) + 1 + len(drawn)) / columns)
    figure = new_figure(2.3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    panels = iter(grid)
    for name in losses:
        _draw_values(next(panels), logged, "losses", [name], f"{name} loss (mean)")
    _draw_values(next(panels), logged, "schedule", list(logged[0]["schedule"]) if logged else [], "schedule")
    for name, metric in drawn.items():
        axes = next(panels)
        there = [record for record in evaluated if name in record["metrics"]]
        _draw_values(axes, there, "metrics", [name], name.replace("_", " "))
        axes.axhline(reference[name], ls="--", lw=1, color=REFERENCE, label="data itself")
        axes.set_yscale("linear" if metric.axis == "symlog" else metric.axis)
        if metric.noise:
            noise = reference[metric.noise]
            axes.axhspan(-noise, noise, color=REFERENCE, alpha=0.2, lw=0, label="noise floor")
            axes.set_yscale(metric.axis, linthresh=10.0 ** math.ceil(math.log10(noise)))
        axes.legend(fontsize=7, frameon=False)
    for axes in panels:
        axes.set_visible(False)
    save(figure, path)


def _draw_values(axes: Axes, records: Sequence[Mapping[str, Any]], kind: str, names: Sequence[str], label: str) -> None:
    """Values of one kind over the updates, on a logarithmic axis where all of them are positive."""
    steps = [record["step"] for record in records]
    positive = True
    for name, colour in zip(names, itertools.cycle(CURVES)):
        values = [record[kind][name] for record in records]
        positive = positive and min(values, default=0.0) > 0
        marker = "." if len(values) < FEW else ""
        axes.plot(steps, values, lw=1, marker=marker, ms=3, color=colour, label=name.replace("_", " "))
    axes.set_yscale("log" if positive and names else "linear")
    axes.set(xlabel="updates")
    axes.set_ylabel(label, fontsize=8)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
    if len(names) > 1:
        axes.legend(fontsize=7, frameon=False)
