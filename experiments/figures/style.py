"""What all figures have in common: colours, sizes, and how they are written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import matplotlib.figure
from matplotlib.axes import Axes

from ..files import write_atomically

# Okabe and Ito's palette, which readers with any kind of colour vision can tell apart.
REAL = "#0072B2"
GENERATED = "#D55E00"
CURVES = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00")
REFERENCE = "#009E73"
DIVERGING = "PuOr_r"
WIDTH = 9.0  # [inch]; with DPI, 1260 pixels: the report's width on a screen of double density
DPI = 140
FEW = 60  # [points]; a curve of fewer is drawn with a mark at each


class Figure(NamedTuple):
    """One figure of a report.

    Attributes
    ----------
    path : Path
        The file: a PNG or GIF, or text in UTF-8, with the ending ``.txt``, that is shown as such.
    title, caption : str
        What it is, and what to see in it.
    """

    path: Path
    title: str
    caption: str


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


def square_axes(figure: matplotlib.figure.Figure, count: int, extent: float) -> list[Axes]:
    """Square panels side by side that show [-extent, extent] of the plane [length]."""
    grid = list(figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0])
    for axes in grid:
        axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xlabel="first coordinate [length]")
    grid[0].set_ylabel("second coordinate [length]")
    return grid
