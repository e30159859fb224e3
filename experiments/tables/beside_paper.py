"""A table of the paper whose every number is that of a preset: the paper's beside what run folders measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import write_atomically
from ..page import HTML, element, page, table
from ..runs.records import to_csv
from . import assembled
from .assembled import Found


@dataclass(frozen=True)
class Cell:
    """One number of the paper.

    Attributes
    ----------
    row, column : str
        Where it stands.
    paper : float
        The paper's number.
    preset : str
        What is run for it.
    metric : str
        Column of the run's metrics that is the same.
    command : str
        How it is run.
    """

    row: str
    column: str
    paper: float
    preset: str
    metric: str
    command: str


@dataclass(frozen=True)
class PublishedTable:
    """A table of the paper.

    Attributes
    ----------
    name : str
        Of its files.
    title, said : str
        Head of its page, and what a reader has to know.
    kinds : tuple of str
        What rows and columns are.
    cells : tuple of Cell
        Row by row.
    """

    name: str
    title: str
    said: str
    kinds: tuple[str, str]
    cells: tuple[Cell, ...]

    def assemble(self, out: Path, say: Callable[[str], None]) -> Path:
        """Print the table and write it as a page and as CSV, and return the page.

        Parameters
        ----------
        out : Path
            Folder with the run folders, in which the page goes.
        say : callable
            Is told the table's lines, and what has not been run.
        """
        found = assembled.find(dict.fromkeys(cell.preset for cell in self.cells), out, say)
        rows = [self._row(cell, found[cell.preset]) for cell in self.cells]
        widths = [max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]]
        for texts in (list(rows[0]), *(list(row.values()) for row in rows)):
            say("  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip())
        write_atomically(out / f"{self.name}.csv", to_csv(rows, list(rows[0])))
        path = out / f"{self.name}.html"
        body = [element("h1", self.title), element("p", self.said), self._grid(found), element("h2", "Runs")]
        write_atomically(path, page(self.title, [*body, _listed(rows)]))
        return path

    def _row(self, cell: Cell, runs: Sequence[Found]) -> dict[str, str]:
        measured = assembled.cell(runs, cell.metric)
        return {
            self.kinds[0]: cell.row,
            self.kinds[1]: cell.column,
            "paper": f"{cell.paper:g}",
            "measured": measured,
            "run": _said(runs, cell.metric) if measured else f"not run: {cell.command}",
        }

    def _grid(self, found: Mapping[str, Sequence[Found]]) -> HTML:
        columns, by_place = list(dict.fromkeys(cell.column for cell in self.cells)), {}
        for cell in self.cells:
            measured = assembled.cell(found[cell.preset], cell.metric) or "–"
            by_place[cell.row, cell.column] = f"{cell.paper:g} / {measured}"
        rows = [[element("th", text) for text in ("", *columns)]]
        for name in dict.fromkeys(cell.row for cell in self.cells):
            numbers = [element("td", by_place.get((name, column), ""), class_="number") for column in columns]
            rows.append([element("td", name, class_="name"), *numbers])
        return table(rows)


def _said(runs: Sequence[Found], metric: str) -> str:
    """Where a number comes from."""
    texts = []
    for run in assembled.longest(runs, metric):
        differ = assembled.differences(run)
        texts.append(f"{run.folder.path} ({run.summary['updates']} updates{f'; {differ}' if differ else ''})")
    return ", ".join(texts)


def _listed(rows: Sequence[Mapping[str, str]]) -> HTML:
    head = [element("th", name) for name in rows[0]]
    return table([head, *([element("td", text) for text in row.values()] for row in rows)])
