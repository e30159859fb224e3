"""Lines of text: what a reader sees of them is text itself, not a picture of it.

A line is shown as the data have it, without the padding at its end. Characters that are no signs, such as control
characters, which would spoil the page, stand there as U+FFFD like those that the alphabet does not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_atomically
from ..gans.gan import GAN
from ..metrics.edit_distance import nearest_lines
from . import evolution
from .style import Figure

SAMPLES = 30
NEIGHBOURS = 20  # samples shown with the training line nearest to each
TRAINING = 100_000  # lines of the training set among which it is looked for
MOMENTS = 5  # shown of a training
EACH = 8  # lines of each moment
NO_SIGN = "\N{REPLACEMENT CHARACTER}"


def draw(folder: Path, data: Any, gan: GAN, samples: np.ndarray) -> list[Figure]:
    """Samples, held-out lines, samples beside the training lines nearest to them, and how samples changed.

    Parameters
    ----------
    folder : Path
        Where the files go.
    data : DataSet
        What the GAN trains on: its samples are codes, and it has an ``alphabet``.
    gan : GAN
        As of now.
    samples : array of int, shape (N, L)
        Codes of what it generates, up to :data:`SAMPLES` lines.
    """
    drawn, real, pairs = (folder / f"{name}.txt" for name in ("samples", "data", "neighbours"))
    _write(drawn, readable(samples, data.alphabet))
    _write(real, readable(data.held_out.first(SAMPLES), data.alphabet))
    training = data.training.first(TRAINING)
    _write(pairs, _pairs(samples[:NEIGHBOURS], training, data.alphabet))
    return [
        Figure(drawn, "Samples", f"{len(samples)} samples, not chosen."),
        Figure(real, "Data", "Held-out lines."),
        Figure(
            pairs,
            "Nearest training lines",
            f"Samples, and below each the nearest of {len(training)} training lines; in front, how many characters "
            "have to be inserted, deleted or replaced.",
        ),
        *_evolution(folder, gan.updates),
    ]


def snapshot(folder: Path, updates: int, data: Any, samples: np.ndarray) -> None:
    """Some of the samples, under a name that has the update."""
    _write(folder / f"samples-{updates:08}.txt", readable(samples[:EACH], data.alphabet))


def readable(codes: np.ndarray, alphabet: Any) -> list[str]:
    """Lines as they are shown.

    Parameters
    ----------
    codes : array of int, shape (N, L)
        Of characters.
    alphabet
        With the text of codes, ``text(codes)``, and the code ``padding``.
    """
    (padding,) = alphabet.text(np.array([[alphabet.padding]], codes.dtype))
    return [_signs(line.rstrip(padding)) for line in alphabet.text(codes)]


def _signs(line: str) -> str:
    return "".join(sign if sign.isprintable() else NO_SIGN for sign in line)


def _pairs(samples: np.ndarray, training: np.ndarray, alphabet: Any) -> list[str]:
    """Each sample with its distance, below it its nearest training line, and below that nothing."""
    near = nearest_lines(samples, [training], alphabet.padding)
    lines = []
    for distance, sample, other in zip(
        near.distances, readable(samples, alphabet), readable(training[near.indices], alphabet), strict=True
    ):
        lines += [f"{distance:3}  {sample}", f"     {other}", ""]
    return lines[:-1]


def _evolution(folder: Path, updates: int) -> list[Figure]:
    """Samples of the same latent vectors after several numbers of updates, from the snapshots; none if there is one."""
    kept: dict[int, str] = {}
    for step, path in evolution.snapshots(folder, ".txt", updates, MOMENTS).items():
        try:
            kept[step] = path.read_text(encoding="utf-8")
        except (OSError, ValueError):  # not one of ours
            continue
    if len(kept) < 2:
        return []
    path = folder / "evolution.txt"
    write_atomically(path, "\n".join(f"{step:,} updates\n{text}" for step, text in kept.items()))
    return [Figure(path, "Samples over time", "Lines of the same latent vectors after so many updates.")]


def _write(path: Path, lines: Iterable[str]) -> None:
    write_atomically(path, "".join(f"{line}\n" for line in lines))
