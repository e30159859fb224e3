"""Table 1b: Fréchet inception distances of the compared GANs, as run folders measured them, beside the paper's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .beside_paper import Cell, PublishedTable

DATA = {"celeba": "CelebA", "lsun-bedrooms": "LSUN", "cifar10": "CIFAR10"}
"""Data sets, by the names that their presets begin with."""

GANS = {
    "began": "BEGAN",
    "began-ttur": "BEGAN, TTUR",
    "dcgan": "DCGAN",
    "dcgan-ttur": "DCGAN, TTUR",
    "wgan-gp": "WGAN-GP",
    "wgan-gp-ttur": "WGAN-GP, TTUR",
    "mmd-gan": "MMD",
    "": "Coulomb GAN",
}
"""Columns, by the names that their presets end with; the Coulomb GAN's is that of the data alone."""

PAPER = {
    "celeba": (29.2, 28.5, 21.4, 12.5, 4.8, 4.2, 63.2, 9.3),
    "lsun-bedrooms": (113, 112, 70.4, 57.5, 20.5, 9.5, 94.9, 31.2),
    "cifar10": (None, None, None, None, 29.3, 24.8, 38.2, 27.3),
}
"""The paper's numbers, in the order of :data:`GANS`; it has none for BEGAN and DCGAN on CIFAR10."""


def command(preset: str, data: str) -> str:
    """How a preset is run on its data."""
    return f"python -m experiments run {preset} --set data.path={data}.h5"


def _cells(data: str) -> list[Cell]:
    """Cells of a row, without the ones that the paper leaves empty."""
    cells = []
    for gan, number in zip(GANS, PAPER[data], strict=True):
        if number is not None:
            preset = f"{data}-{gan}" if gan else data
            cells.append(Cell(DATA[data], GANS[gan], number, preset, "fid", command(preset, data)))
    return cells


TABLE = PublishedTable(
    "table-1b",
    "Table 1b: Fréchet inception distance",
    "Lower is better. The paper's numbers are of Heusel et al. (2017) but for MMD-GAN and the Coulomb GAN, which its "
    "authors ran. Numbers of run folders are those of the Inception network alone; several seeds are their mean, "
    "± their standard deviation. A star marks a run whose settings are not the preset's, which are listed below.",
    ("data", "GAN"),
    tuple(cell for data in DATA for cell in _cells(data)),
)


def assemble(out: Path, say: Callable[[str], None]) -> Path:
    """Print the table and write it as a page and as CSV, and return the page; see :meth:`.PublishedTable.assemble`."""
    return TABLE.assemble(out, say)
