"""Figures as PNG files, from plain host arrays."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from .metrics import Metric
from .record import write_atomically

# Okabe and Ito's palette, which readers with any kind of colour vision can tell apart.
REAL = "#0072B2"
GENERATED = "#D55E00"
CURVES = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
REFERENCE = "#009E73"
DIVERGING = "PuOr_r"
WIDTH = 9.0  # [inch]; with DPI, 1260 pixels: the report's width on a screen of double density
DPI = 140
FEW = 60  # [points]; a curve of fewer is drawn with a mark at each
TILES_WIDTH = 640  # [pixels]; a grid of small images is enlarged to at least this width


class Figure(NamedTuple):
    """One figure of a report.

    Attributes
    ----------
    path : Path
        The PNG file.
    title, caption : str
        What it is, and what to see in it.
    """

    path: Path
    title: str
    caption: str


class Panel(NamedTuple):
    """One potential with the force that it exerts.

    Attributes
    ----------
    title : str
        What made it.
    potential : array, shape (H, W)
        Potential on the grid; rows run along the second coordinate.
    force : array, shape (H, W, 2)
        Direction in which generated samples are pushed on the grid: the potential's gradient.
    """

    title: str
    potential: np.ndarray
    force: np.ndarray


def samples_against_data(path: Path, data: np.ndarray, samples: np.ndarray, extent: float) -> None:
    """Scatter plots of the data and of generated samples side by side (the paper's Figure 4).

    Parameters
    ----------
    path : Path
        PNG file to write.
    data, samples : array, shape (N, 2)
        Real and generated points [length].
    extent : float
        The axes show [-extent, extent] [length]; points outside are counted in the panel's title.
    """
    figure = _new_figure(WIDTH * 0.53)
    for axes, points, colour, name in zip(
        _square_axes(figure, 2, extent), (data, samples), (REAL, GENERATED), ("Data", "Generated samples"), strict=True
    ):
        outside = int((np.abs(points) > extent).any(axis=1).sum())
        size = float(np.clip(3e4 / max(len(points), 1), 1.5, 12.0))  # of the same blackness, whatever the number
        axes.scatter(points[:, 0], points[:, 1], size, colour, alpha=0.35, linewidths=0)
        axes.set_title(f"{name} ({len(points)} points" + (f", {outside} outside)" if outside else ")"))
    _save(figure, path)


def histograms(path: Path, data: np.ndarray, samples: np.ndarray, extent: float, bins: int = 100) -> None:
    """Two-dimensional histograms of the data and of generated samples on one colour scale (the paper's Figure 5).

    Parameters
    ----------
    path : Path
        PNG file to write.
    data, samples : array, shape (N, 2)
        Real and generated points [length].
    extent : float
        The axes show [-extent, extent] [length].
    bins : int
        Cells along each axis.
    """
    edges = np.linspace(-extent, extent, bins + 1)
    densities = []
    for points in (data, samples):
        counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=(edges, edges))
        densities.append(counts.T / (len(points) * (edges[1] - edges[0]) ** 2))
    highest = max(float(density.max()) for density in densities)
    figure = _new_figure(WIDTH * 0.48)
    both = _square_axes(figure, 2, extent)
    for axes, density, name in zip(both, densities, ("Data", "Generated samples"), strict=True):
        image = axes.pcolormesh(edges, edges, density, cmap="viridis", vmin=0, vmax=highest or 1.0)
        axes.set_title(name)
    figure.colorbar(image, ax=both, label="density [length⁻²]", shrink=0.9)
    _save(figure, path)


def potential_and_field(
    path: Path,
    ticks: np.ndarray,
    panels: Sequence[Panel],
    data: np.ndarray,
    samples: np.ndarray,
    unit: str = "length⁻ᵈ",
) -> None:
    """Potentials with the force on generated samples, real and generated points on top (the paper's Figure 1).

    Parameters
    ----------
    path : Path
        PNG file to write.
    ticks : array, shape (H,)
        Coordinates of the grid, evenly spaced, the same for both axes [length]; so that W = H.
    panels : sequence of Panel
        Potentials, left to right, each on a colour scale of its own with white at zero.
    data, samples : array, shape (N, 2)
        Real and generated points to show [length]; a few hundred remain readable.
    unit : str
        Unit of the potential.
    """
    figure = _new_figure(0.82 * WIDTH / len(panels) + 0.5)
    extent = float(np.abs(ticks).max())
    for axes, panel in zip(_square_axes(figure, len(panels), extent), panels, strict=True):
        highest = float(np.abs(panel.potential).max()) or 1.0
        image = axes.pcolormesh(
            ticks, ticks, panel.potential, cmap=DIVERGING, vmin=-highest, vmax=highest, shading="gouraud"
        )
        if np.any(panel.force):
            along, up = np.moveaxis(panel.force, -1, 0)
            axes.streamplot(ticks, ticks, along, up, color="0.25", linewidth=0.6, arrowsize=0.7, density=1.4)
        for points, colour, marker, name in ((data, REAL, "o", "real"), (samples, GENERATED, "^", "generated")):
            x, y = points[:, 0], points[:, 1]
            axes.scatter(x, y, 13, colour, marker=marker, edgecolors="white", linewidths=0.4, label=name, zorder=3)
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), title=panel.title)
        figure.colorbar(image, ax=axes, label=f"potential [{unit}]", shrink=0.72)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    _save(figure, path)


def image_grid(path: Path, images: np.ndarray, columns: int = 10) -> None:
    """Images side by side in rows, each with a border of one pixel, as the authors' figures show them.

    Parameters
    ----------
    path : Path
        PNG file to write.
    images : array, shape (N, H, W, 1) or (N, H, W, 3)
        From -1, which is black, to 1; what lies beyond is clipped.
    columns : int
        Images in a row.

    Notes
    -----
    Each pixel of an image is one pixel of the file, or a square of them where the images are small.
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    canvas = np.zeros((rows, height + 1, columns, width + 1, channels), np.uint8)
    shown = np.zeros((rows * columns, height, width, channels), np.uint8)
    shown[:count] = np.rint((np.clip(images, -1, 1) + 1) * 127.5)
    canvas[:, 1:, :, 1:] = shown.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    factor = -(-TILES_WIDTH // (columns * (width + 1)))
    pixels = canvas.reshape(rows * (height + 1), columns * (width + 1), channels)
    pixels = np.pad(pixels, ((0, 1), (0, 1), (0, 0))).repeat(factor, axis=0).repeat(factor, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def training_curves(
    path: Path, records: Iterable[Mapping[str, Any]], metrics: Mapping[str, Metric], reference: Mapping[str, float]
) -> None:
    """Losses, schedules and metrics over the updates, with the data's own metrics as dashed lines.

    Only records of the loop are expected: each has either losses and schedule, or metrics.

    Parameters
    ----------
    path : Path
        PNG file to write.
    records : iterable of mapping
        Lines of ``metrics.jsonl``.
    metrics : mapping of str to Metric
        What to draw, and how.
    reference : mapping of str to float
        The same metrics of the data itself.
    """
    logged: list[Mapping[str, Any]] = []
    evaluated: list[Mapping[str, Any]] = []
    for record in records:
        (evaluated if "metrics" in record else logged).append(record)
    losses = list(logged[0]["losses"]) if logged else []
    drawn = {name: metric for name, metric in metrics.items() if metric.scale}
    columns = 3
    rows = math.ceil((len(losses) + 1 + len(drawn)) / columns)
    figure = _new_figure(2.3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    panels = iter(grid)
    for name in losses:
        _draw_values(next(panels), logged, "losses", [name], f"{name} loss (mean)")
    _draw_values(next(panels), logged, "schedule", list(logged[0]["schedule"]) if logged else [], "schedule")
    for name, metric in drawn.items():
        axes = next(panels)
        _draw_values(axes, evaluated, "metrics", [name], name.replace("_", " "))
        axes.axhline(reference[name], ls="--", lw=1, color=REFERENCE, label="data itself")
        axes.set_yscale("linear" if metric.scale == "symlog" else metric.scale)
        if metric.noise:
            noise = reference[metric.noise]
            axes.axhspan(-noise, noise, color=REFERENCE, alpha=0.2, lw=0, label="noise floor")
            axes.set_yscale(metric.scale, linthresh=10.0 ** math.ceil(math.log10(noise)))
        axes.legend(fontsize=7, frameon=False)
    for axes in panels:
        axes.set_visible(False)
    _save(figure, path)


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


def _new_figure(height: float) -> matplotlib.figure.Figure:
    return matplotlib.figure.Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")


def _square_axes(figure: matplotlib.figure.Figure, count: int, extent: float) -> list[Axes]:
    grid = list(figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0])
    for axes in grid:
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xlabel="first coordinate [length]")
    grid[0].set_ylabel("second coordinate [length]")
    return grid


def _save(figure: matplotlib.figure.Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())
