"""Formulas as SVG and plots as PNG, both with Matplotlib, so that a page needs no network and no script."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch

from experiments.figures.style import CURVES, DPI, FEW, WIDTH

from .evidence import Map, Plot

FORMULA_SIZE = 16  # [point]
PALE = ("#D9E8F5", "#F8D9C4", "#D4EBE2", "#EBDCE8")  # fills that black lines and CURVES can be read on


def formula(latex: str) -> bytes:
    """SVG of LaTeX in mathtext's subset, one line of formula a line of text.

    Raises
    ------
    ValueError
        If mathtext can't read it.
    """
    lines = [f"${line}$" for line in latex.split("\n")]
    figure = matplotlib.figure.Figure()
    for index, line in enumerate(lines):
        figure.text(0, -0.5 * index, line, fontsize=FORMULA_SIZE, math_fontfamily="cm")
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "formula", "svg.fonttype": "path"}):  # the same bytes each time
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", pad_inches=0.05, transparent=True, metadata={"Date": None}
        )
    return buffer.getvalue()


def draw(plot: Plot) -> bytes:
    """PNG of a plot."""
    figure = matplotlib.figure.Figure(figsize=(WIDTH, 0.5 * WIDTH), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    handles: list[Artist] = _draw_regions(axes, plot.regions) if plot.regions else []
    for curve, colour in zip(plot.curves, itertools.cycle(CURVES)):
        size = 4 if len(curve.x) < FEW else 1.5
        handles += axes.plot(curve.x, curve.y, curve.style, color=colour, lw=1.4, ms=size, label=curve.label)
    columns = 2 if max(len(str(handle.get_label())) for handle in handles) > 30 else 4
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
    axes.set_xscale("log" if plot.log_x else "linear")
    axes.set_yscale("log" if plot.log_y else "linear")
    if plot.regions is None:
        axes.grid(True, lw=0.5, alpha=0.4)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_regions(axes: Axes, regions: Map) -> list[Artist]:
    colours = ListedColormap(PALE[: len(regions.labels)])
    norm = BoundaryNorm(np.arange(len(regions.labels) + 1) - 0.5, len(regions.labels))
    codes = np.asarray(regions.codes)
    x, y = _edges(regions.x), _edges(regions.y)
    axes.pcolormesh(x, y, codes, cmap=colours, norm=norm)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return [Patch(facecolor=PALE[i], edgecolor="0.6", label=label) for i, label in enumerate(regions.labels)]


def _edges(centres: Sequence[float]) -> np.ndarray:
    """Borders between cells, halfway between their centres."""
    middles = 0.5 * (np.asarray(centres[1:], dtype=float) + np.asarray(centres[:-1], dtype=float))
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])
