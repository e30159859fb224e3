"""Figures of the field sums' benchmark: time against N and error against time, one panel a case."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.figures.style import CURVES, DPI
from experiments.files import write_atomically

from .cases import CASES

Rows = Sequence[Mapping[str, Any]]

COLUMNS = 3
PANEL = 4.6, 3.4  # [inch]
PEER_COLOURS = ("#56B4E9", "#E69F00", "#999999", "#8C564B", "#CC79A7", "#009E73")
PEER_STYLES = ("--", ":", "-.")
MARKS = "osD^vP*X"


def draw(rows: Rows, folder: Path) -> list[Path]:
    """Write all figures that there are rows for, and return their files."""
    paths = []
    drawn = [row for row in rows if row["median_s"] is not None]
    styles = _styles(drawn)
    cases = [row for row in drawn if row["table"] == "cases"]
    for dtype, output in sorted({(row["dtype"], row["output"]) for row in cases}):
        some = [row for row in cases if (row["dtype"], row["output"]) == (dtype, output)]
        path = folder / f"sums-time-{dtype}-{output.replace(' + ', '-and-')}.png"
        _draw(path, some, styles, f"Time of N × N sums: {output}, {dtype}", _time_panel)
        paths.append(path)
    tolerances = [row for row in drawn if row["table"] == "tolerances"]
    if tolerances:
        path = folder / "sums-error.png"
        _draw(path, tolerances, styles, "Error against time, potential + field, float64", _error_panel)
        paths.append(path)
    return paths


def _draw(path: Path, rows: Rows, styles: Mapping[str, Mapping[str, Any]], title: str, panel: Any) -> None:
    names = [name for name in CASES if any(row["case"] == name for row in rows)]
    styles = {name: style for name, style in styles.items() if any(row["engine"] == name for row in rows)}
    columns = min(COLUMNS, len(names))
    lines = math.ceil(len(names) / columns)
    figure = matplotlib.figure.Figure((PANEL[0] * columns, PANEL[1] * lines + 1.0), dpi=DPI, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
    for axes, name in zip(grid, names, strict=False):
        panel(axes, [row for row in rows if row["case"] == name], styles)
        axes.set(xlim=_decades(axes.dataLim.intervalx), ylim=_decades(axes.dataLim.intervaly))
        axes.grid(True, which="major", lw=0.5, alpha=0.4)
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 * columns), frameon=False)
    figure.suptitle(title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def _time_panel(axes: Axes, rows: Rows, styles: Mapping[str, Mapping[str, Any]]) -> None:
    for engine, style in styles.items():
        mine = sorted((row for row in rows if row["engine"] == engine), key=lambda row: row["n"])
        axes.plot([row["n"] for row in mine], [row["median_s"] for row in mine], **style)
    tolerances = {row["rtol"] for row in rows if row["rtol"] is not None}
    asked = f", rtol {min(tolerances):g}" if tolerances else ""
    axes.set_title(CASES[rows[0]["case"]].title + asked, fontsize="medium")
    axes.set(xscale="log", yscale="log", xlabel="number of charges and targets N", ylabel="time of a call [s]")


def _error_panel(axes: Axes, rows: Rows, styles: Mapping[str, Mapping[str, Any]]) -> None:
    for engine, style in styles.items():
        mine = sorted((row for row in rows if row["engine"] == engine), key=lambda row: -(row["rtol"] or 0))
        points = [(row["median_s"], error) for row in mine if (error := _error(row)) is not None]
        axes.plot([seconds for seconds, _ in points], [error for _, error in points], **style)
    axes.set_title(f"{CASES[rows[0]['case']].title}, N = {rows[0]['n']:,}", fontsize="medium")
    axes.set(xscale="log", yscale="log", xlabel="time of a call [s]", ylabel="error, as rtol is defined")


def _decades(interval: Sequence[float]) -> tuple[float, float]:
    """Limits at powers of ten around an interval, so that a logarithmic axis has labels however short that is."""
    first, last = math.floor(math.log10(min(interval))), math.ceil(math.log10(max(interval)))
    return 0.8 * 10.0**first, 1.25 * 10.0 ** max(last, first + 1)


def _error(row: Mapping[str, Any]) -> float | None:
    """The larger of a row's errors that a logarithmic axis can show."""
    return max((error for error in (row["error_potential"], row["error_field"]) if error), default=None)


def _styles(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Line and mark of each engine (solid) and peer (dashed): 'auto' first and widest, under the others."""
    engines = list(dict.fromkeys(row["engine"] for row in rows if not row["peer"]))
    peers = list(dict.fromkeys(row["engine"] for row in rows if row["peer"]))
    styles: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(sorted(engines, key=lambda name: name != "auto")):
        wide = {"lw": 6, "ms": 9, "alpha": 0.25} if name == "auto" else {"lw": 1.6, "ms": 4}
        styles[name] = {"color": CURVES[number % len(CURVES)], "ls": "-", "marker": MARKS[number % len(MARKS)], **wide}
    for number, name in enumerate(peers):
        colour = PEER_COLOURS[number % len(PEER_COLOURS)]
        style = PEER_STYLES[number // len(PEER_COLOURS) % len(PEER_STYLES)]
        styles[name] = {"color": colour, "ls": style, "lw": 1.2, "marker": MARKS[::-1][number % len(MARKS)], "ms": 3.5}
    return styles
