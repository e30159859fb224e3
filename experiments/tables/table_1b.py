"""Table 1b: Fréchet inception distances of the compared GANs, as run folders measured them, beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..files import write_atomically
from ..page import HTML, element, page, table
from ..runs.records import to_csv
from . import assembled
from .assembled import Found

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

COLUMN = "fid"
TITLE = "Table 1b: Fréchet inception distance"
SAID = (
    "Lower is better. The paper's numbers are of Heusel et al. (2017) but for MMD-GAN and the Coulomb GAN, which its "
    "authors ran. Numbers of run folders are those of the Inception network alone; several seeds are their mean, "
    "± their standard deviation. A star marks a run whose settings are not the preset's, which are listed below."
)


def preset(data: str, gan: str) -> str:
    """Name of a cell's preset."""
    return f"{data}-{gan}" if gan else data


def cells() -> dict[str, tuple[str, str, float]]:
    """Data, GAN and the paper's number of each cell that the paper fills, by its preset."""
    return {
        preset(data, gan): (data, gan, number)
        for data in DATA
        for gan, number in zip(GANS, PAPER[data], strict=True)
        if number is not None
    }


def assemble(out: Path, say: Callable[[str], None]) -> Path:
    """Print the table and write it as a page and as CSV, and return the page.

    Parameters
    ----------
    out : Path
        Folder with the run folders, in which the page goes.
    say : callable
        Is told the table's lines, and what has not been run.
    """
    wanted = cells()
    found = assembled.find(wanted, out, say)
    rows = []
    for name, (data, gan, number) in wanted.items():
        measured = assembled.cell(found[name], COLUMN)
        rows.append(
            {
                "data": DATA[data],
                "GAN": GANS[gan],
                "paper": f"{number:g}",
                "measured": measured,
                "run": _said(found[name]) if measured else f"not run: {command(name, data)}",
            }
        )
    for data, gan, paper, measured, run in ([*rows[0]], *([*row.values()] for row in rows)):
        say(f"{data:8} {gan:14} {paper:>6} {measured:>20}  {run}".rstrip())
    write_atomically(out / "table-1b.csv", to_csv(rows, ("data", "GAN", "paper", "measured", "run")))
    path = out / "table-1b.html"
    body = [element("h1", TITLE), element("p", SAID), _grid(found), element("h2", "Runs"), _listed(rows)]
    write_atomically(path, page(TITLE, body))
    return path


def _said(runs: Sequence[Found]) -> str:
    """Where a number comes from."""
    texts = []
    for run in assembled.longest(runs, COLUMN):
        differ = assembled.differences(run)
        texts.append(f"{run.folder.path} ({run.summary['updates']} updates{f'; {differ}' if differ else ''})")
    return ", ".join(texts)


def command(name: str, data: str) -> str:
    """How a preset is run on its data."""
    return f"python -m experiments run {name} --set data.path={data}.h5"


def _grid(found: Mapping[str, Sequence[Found]]) -> HTML:
    head = [element("th", text) for text in ("", *GANS.values())]
    rows = [head]
    for data, title in DATA.items():
        row = [element("td", title, class_="name")]
        for gan, number in zip(GANS, PAPER[data], strict=True):
            measured = assembled.cell(found.get(preset(data, gan), ()), COLUMN) or "–"
            row.append(element("td", "" if number is None else f"{number:g} / {measured}", class_="number"))
        rows.append(row)
    return table(rows)


def _listed(rows: Sequence[Mapping[str, str]]) -> HTML:
    head = [element("th", name) for name in rows[0]]
    return table([head, *([element("td", text) for text in row.values()] for row in rows)])
