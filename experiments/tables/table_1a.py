"""Table 1a: Jensen-Shannon divergences of n-grams of the GANs of text, as run folders measured them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .beside_paper import Cell, PublishedTable

GANS = {
    "billion-words-wgan-gp": "WGAN-GP",
    "billion-words-wgan-gp-ttur": "WGAN-GP, TTUR",
    "billion-words": "Coulomb GAN",
}
"""Columns, by their presets."""

PAPER = {4: (0.38, 0.35, 0.35), 6: (0.77, 0.74, 0.74)}
"""The paper's numbers by n, in the order of :data:`GANS`."""


def _command(preset: str) -> str:
    return f"python -m experiments run {preset} --set data.path=words.h5"


TABLE = PublishedTable(
    "table-1a",
    "Table 1a: Jensen-Shannon divergence of n-grams on the Billion Word benchmark",
    "In bits, from 0 to 1; lower is better. The paper's numbers of WGAN-GP are of Heusel et al. (2017). All are of "
    "640 samples, on which the divergence depends: it falls as their number grows, and is that of held-out text of as "
    "many lines at best. Several seeds are their mean, ± their standard deviation. A star marks a run whose settings "
    "are not the preset's, which are listed below.",
    ("n-grams", "GAN"),
    tuple(
        Cell(f"{n} grams", title, number, name, f"jsd_{n}", _command(name))
        for n, numbers in PAPER.items()
        for (name, title), number in zip(GANS.items(), numbers, strict=True)
    ),
)


def assemble(out: Path, say: Callable[[str], None]) -> Path:
    """Print the table and write it as a page and as CSV, and return the page; see :meth:`.PublishedTable.assemble`."""
    return TABLE.assemble(out, say)
