"""What the figures of the studies have in common."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes

from ..animation import animate
from ..figures import DPI, GENERATED, REAL, WIDTH
from ..record import write_atomically

ANIMATION_INCHES = 4.8
ANIMATION_DPI = 100


def new_figure(height: float, width: float = WIDTH) -> matplotlib.figure.Figure:
    """An empty figure of a size in inches."""
    return matplotlib.figure.Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save(figure: matplotlib.figure.Figure, path: Path) -> None:
    """Write a figure whole, or not at all; the name's ending says whether as PNG or as PDF."""
    buffer = io.BytesIO()
    # Without its date, a PDF of the same content has the same bytes.
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
    figure.savefig(buffer, format=path.suffix[1:], metadata=metadata)
    write_atomically(path, buffer.getvalue())


def square(axes: Axes, lower: tuple[float, float], upper: tuple[float, float]) -> None:
    """Limits and names of the axes of a plane."""
    axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
    axes.set(xlabel="first coordinate [length]", ylabel="second coordinate [length]")


def animate_points(
    path: Path,
    data: np.ndarray,
    panels: Mapping[str, np.ndarray],
    title: Callable[[int], str],
    lower: tuple[float, float],
    upper: tuple[float, float],
    *,
    background: Callable[[Axes], object] | None = None,
) -> None:
    """Animation of points in the plane over the data that they are to match.

    Parameters
    ----------
    path : Path
        GIF file to write.
    data : array, shape (N_y, 2)
        Real points [length].
    panels : mapping of str to array, shape (F, N_x, 2)
        Generated points at each moment [length], by what stands above them; panels stand one below the other.
    title : callable
        Text over frame number i.
    lower, upper : pair of float
        Corners of what is shown [length].
    background : callable, optional
        Draws on each panel's axes first.
    """
    height = (upper[1] - lower[1]) / (upper[0] - lower[0]) * ANIMATION_INCHES
    figure = matplotlib.figure.Figure(
        figsize=(ANIMATION_INCHES, len(panels) * (height + 0.35) + 0.5), dpi=ANIMATION_DPI, layout="constrained"
    )
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    points = max(len(data), *(frames.shape[1] for frames in panels.values()))
    size = float(np.clip(4e3 / points, 1.5, 30.0))
    scatters = []
    for axes, (name, frames) in zip(grid, panels.items(), strict=True):
        if background is not None:
            background(axes)
        axes.scatter(*data.T, size, REAL, alpha=0.6, linewidths=0, label="real")
        scatters.append(axes.scatter(*frames[0].T, 0.7 * size, GENERATED, marker="^", linewidths=0, label="generated"))
        axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
        if name:
            axes.set_title(name, fontsize=9)
    handles, labels = grid[0].get_legend_handles_labels()
    scale = 2.0 if size < 8 else 1.0
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, markerscale=scale, frameon=False)
    heading = figure.suptitle("", fontsize=10)

    def draw(index: int) -> None:
        for scatter, frames in zip(scatters, panels.values(), strict=True):
            scatter.set_offsets(frames[index])
        heading.set_text(title(index))

    animate(path, figure, draw, len(next(iter(panels.values()))))
