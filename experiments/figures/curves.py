"""Curves over the updates of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from ..config import OF_DATA
from ..metrics.metric import Column
from .style import CURVES, FEW, REFERENCE, new_figure, save


def training_curves(
    path: Path,
    records: Iterable[Mapping[str, Any]],
    metrics: Mapping[str, Column],
    reference: Mapping[str, float],
    called: str = OF_DATA,
) -> None:
    """Losses, schedules and metrics over the updates; dashed, the metrics of a reference where they are known.

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
        The same metrics of the data itself, or of theory.
    called : str
        What the reference is called.
    """
    logged: list[Mapping[str, Any]] = []
    evaluated: list[Mapping[str, Any]] = []
    for record in records:
        (evaluated if "metrics" in record else logged).append(record)
    losses, schedule = (
        list(dict.fromkeys(name for record in logged for name in record.get(kind, {})))
        for kind in ("losses", "schedule")
    )
    drawn = {name: metric for name, metric in metrics.items() if metric.axis}
    columns = 3
    rows = math.ceil((len(losses) + 1 + len(drawn)) / columns)
    figure = new_figure(2.3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    panels = iter(grid)
    for name in losses:
        _draw_values(next(panels), logged, "losses", [name], f"{name} loss (mean)")
    _draw_values(next(panels), logged, "schedule", schedule, "schedule")
    for name, metric in drawn.items():
        axes = next(panels)
        _draw_values(axes, evaluated, "metrics", [name], axis_label(name, metric))
        noise = reference.get(metric.noise, 0.0)
        if name in reference:
            axes.axhline(reference[name], ls="--", lw=1, color=REFERENCE, label=called)
        if noise > 0:
            axes.axhspan(-noise, noise, color=REFERENCE, alpha=0.2, lw=0, label="noise floor")
        _scale(axes, metric.axis, noise)
        if axes.get_legend_handles_labels()[1][1:]:
            axes.legend(fontsize=7, frameon=False)
    for axes in panels:
        axes.set_visible(False)
    save(figure, path)


def axis_label(name: str, metric: Column) -> str:
    """Name of a metric and its unit."""
    return name.replace("_", " ") + (f" [{metric.unit}]" if metric.unit else "")


def _draw_values(axes: Axes, records: Sequence[Mapping[str, Any]], kind: str, names: Sequence[str], label: str) -> None:
    """Values of one kind over the updates, on a logarithmic axis where all of them are positive."""
    positive = True
    for name, colour in zip(names, itertools.cycle(CURVES)):
        there = [record for record in records if name in record.get(kind, {})]
        steps, values = [record["step"] for record in there], [record[kind][name] for record in there]
        positive = positive and min(values, default=0.0) > 0
        marker = "." if len(values) < FEW else ""
        axes.plot(steps, values, lw=1, marker=marker, ms=3, color=colour, label=name.replace("_", " "))
    axes.set_yscale("log" if positive and names else "linear")
    axes.set(xlabel="updates")
    axes.set_ylabel(label, fontsize=8)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
    if len(names) > 1:
        axes.legend(fontsize=7, frameon=False)


class Curve(NamedTuple):
    """One run over its updates, or several as one.

    Attributes
    ----------
    label, colour : str
        What the legend says, and in which colour.
    steps, values : array, shape (n,)
        Updates, and the run's values, or the mean over runs.
    lowest, highest : array, shape (n,)
        Over runs; the values again where there is one run.
    """

    label: str
    colour: str
    steps: np.ndarray
    values: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


class Panel(NamedTuple):
    """Curves of one quantity.

    Attributes
    ----------
    label : str
        Of the vertical axis.
    axis : str
        ``linear``, ``log`` or ``symlog``, or ``auto``: logarithmic where all values are positive.
    curves : sequence of Curve
        To be drawn over each other.
    data : sequence of sequence of float
        The data's own values, of each run on each data set.
    noise : float
        Up to where a ``symlog`` axis is linear.
    """

    label: str
    axis: str
    curves: Sequence[Curve]
    data: Sequence[Sequence[float]] = ()
    noise: float = 0.0


FLAT = 1e-6  # relative range of an axis below which rounding would fill it
NAMED = 12  # [curves]; a legend of more would be larger than the figure


def colours(count: int) -> list[str]:
    """Colours that tell so many curves apart: those of all figures where they suffice."""
    if count <= len(CURVES):
        return list(CURVES[:count])
    return [to_hex(colour) for colour in matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, count))]


def compared_curves(path: Path, panels: Sequence[Panel]) -> None:
    """Curves of several runs over each other, a panel for each quantity.

    Parameters
    ----------
    path : Path
        PNG file to write.
    panels : sequence of Panel
        What to draw, row by row.
    """
    columns = 2
    rows = max(1, math.ceil(len(panels) / columns))
    figure = new_figure(2.9 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    handles: dict[str, Any] = {}
    reference = None
    for axes, panel in zip(grid, panels, strict=False):
        for curve in panel.curves:
            marker = "." if len(curve.steps) < FEW else ""
            (line,) = axes.plot(curve.steps, curve.values, lw=1.2, marker=marker, ms=3, color=curve.colour)
            handles.setdefault(curve.label, line)
            if np.any(curve.lowest < curve.highest):
                axes.fill_between(curve.steps, curve.lowest, curve.highest, color=curve.colour, alpha=0.2, lw=0)
        for values in panel.data:
            reference = axes.axhline(float(np.mean(values)), ls="--", lw=1, color="0.45")
            axes.axhspan(min(values), max(values), color="0.45", alpha=0.15, lw=0)
        positive = "log" if panel.curves and all(np.all(curve.lowest > 0) for curve in panel.curves) else "linear"
        _scale(axes, positive if panel.axis == "auto" else panel.axis, panel.noise)
        axes.set(xlabel="updates")
        axes.set_ylabel(panel.label, fontsize=8)
        axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    if reference is not None:
        handles[OF_DATA] = reference
    if len(handles) <= NAMED + 1:
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=8, frameon=False
        )
    save(figure, path)


def _scale(axes: Axes, kind: str, noise: float) -> None:
    """Scale of the vertical axis; ``symlog`` needs a positive width of its linear part."""
    if kind != "symlog":
        axes.set_yscale(kind)
    elif noise > 0 and math.isfinite(noise):
        axes.set_yscale("symlog", linthresh=10.0 ** math.ceil(math.log10(noise)))
    else:
        axes.set_yscale("linear")
    low, high = axes.get_ylim()
    if axes.get_yscale() == "linear" and high - low < FLAT * max(abs(low), abs(high)):
        middle = 0.5 * (low + high)
        axes.set_ylim(middle - 0.05 * abs(middle), middle + 0.05 * abs(middle))
