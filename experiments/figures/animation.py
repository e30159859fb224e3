"""Animations as GIF files, drawn frame by frame with Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ..files import write_atomically

COLOURS = 64  # of the palette that all frames share
LARGEST = 2_000_000  # [bytes]


def animate(
    path: Path,
    figure: Figure,
    draw: Callable[[int], object],
    frames: int,
    *,
    seconds: float = 8.0,
    largest: int = LARGEST,
) -> None:
    """Write an animation that repeats for ever, and rests on its last frame.

    Parameters
    ----------
    path : Path
        GIF file to write.
    figure : matplotlib.figure.Figure
        What is drawn; its size in pixels is the file's.
    draw : callable
        Brings the figure to frame number i, from 0 on.
    frames : int
        Number of frames, at least 1.
    seconds : float
        Duration of one pass, without the rest at its end [s].
    largest : int
        Size that the file may have [bytes]. Where it would have more, every other frame is left out until it fits, but
        never the last.

    Raises
    ------
    ValueError
        If there is no frame to draw.
    WriteError
        If the system refuses to write the file.
    """
    if frames < 1:
        raise ValueError(f"frames: expected at least 1, got {frames}")
    pictures = _quantized(figure, draw, frames)
    while len(data := _gif(pictures, seconds)) > largest and len(pictures) > 1:
        pictures = pictures[::-2][::-1]
    write_atomically(path, data)


def _quantized(figure: Figure, draw: Callable[[int], object], frames: int) -> list[Image.Image]:
    canvas, pictures = FigureCanvasAgg(figure), []
    palette: Image.Image | None = None
    for index in range(frames - 1, -1, -1):  # the last frame first: its palette serves all
        draw(index)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        if palette is None:
            figure.set_layout_engine("none")  # else the axes would jump with the width of a title
            palette = picture.quantize(COLOURS)
        pictures.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    return pictures[::-1]


def _gif(pictures: list[Image.Image], seconds: float) -> bytes:
    each = max(20, round(1000 * seconds / len(pictures)))  # [ms]; viewers take less than 20 for 100
    durations = [each] * (len(pictures) - 1) + [each + 1500]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "gif", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()
