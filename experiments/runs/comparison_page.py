"""The page of a comparison: curves over each other, a table of rows, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..figures.curves import colours, compared_curves
from ..files import write_atomically, writing
from ..page import HTML, element, page, picture
from ..page import table as html_table
from .comparison import (
    ComparisonError,
    Recorded,
    Row,
    columns,
    differences,
    each,
    panels,
    provenances,
    rows,
    spread,
    table,
)
from .records import to_csv
from .report import shown, text_of

STYLE = """
body { max-width: 90rem; }
.wide { overflow-x: auto; }
.wide th { white-space: normal; min-width: 4rem; vertical-align: bottom; }
.wide th.name, .wide td.name { min-width: 9rem; white-space: normal; position: sticky; left: 0; background: #fff; }
.wide td { min-width: 4rem; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .5em; border-radius: 2px; }
.data, .state { color: #666; font-size: .85rem; display: block; }
"""
TITLE = "Runs beside each other"


def publish(runs: Sequence[Recorded], out: Path) -> Path:
    """Write ``comparison.html``, its picture and two CSV files; return the page.

    Parameters
    ----------
    runs : sequence of Recorded
        What is compared, in the order of the tables.
    out : Path
        Folder for the files, made if it is missing; earlier files of the same names are replaced.

    Raises
    ------
    ComparisonError
        If there are no runs, or ``out`` is no folder.
    WriteError
        If the system refuses.
    """
    if not runs:
        raise ComparisonError("expected at least one run to compare")
    if out.exists() and not out.is_dir():
        raise ComparisonError(f"--out: expected a folder, got the file {out}")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    shown_rows = rows(runs)
    hues = colours(len(shown_rows))
    curves, path = out / "comparison.png", out / "comparison.html"
    compared_curves(curves, panels(shown_rows, hues))
    write_atomically(
        out / "comparison.csv", to_csv(table(shown_rows), ("name", "runs", "seeds", "updates", "finished"))
    )
    write_atomically(out / "runs.csv", to_csv(each(shown_rows), ("run", "row", "seed", "updates", "finished")))
    write_atomically(path, render(shown_rows, hues, curves.read_bytes()))
    return path


def render(rows: Sequence[Row], hues: Sequence[str], curves: bytes) -> str:
    """HTML of the page, with the picture inside."""
    runs = [run for row in rows for run in row.runs]
    unfinished = sum(not run.finished for run in runs)
    text = f"Runs: {len(runs)}" + (f", {unfinished} of them unfinished" if unfinished else "") + "."
    several = any(len(row.runs) > 1 for row in rows)
    if several:
        text += " Runs that differ by their seeds alone are one row: mean ± standard deviation (n − 1) over its n runs."
    caption = "Colours are those of the table; dashed, the metrics of the data itself." + (
        " Where a row has several runs, the line is their mean and the band goes from the least to the largest of them."
        if several
        else ""
    )
    settings, provenance = differences(rows), provenances(rows)
    definitions = columns(runs)
    return page(
        TITLE,
        [
            element("h1", TITLE),
            element("p", text),
            element("h2", "Metrics at the end"),
            _metrics(rows, hues),
            element("h2", "Curves"),
            picture("Training", caption, curves),
            element("h2", "Settings that differ"),
            _side_by_side(rows, hues, settings),
            element("h2", "Origins that differ"),
            _side_by_side(rows, hues, provenance),
            element("h2", "What the metrics are"),
            _listing({name: text_of(column) for name, column in definitions.items()}),
            element("h2", "Where the runs are"),
            _listing({row.name: "; ".join(str(run.folder.path) for run in row.runs) for row in rows}),
        ],
        STYLE,
    )


def _metrics(rows: Sequence[Row], hues: Sequence[str]) -> HTML:
    """A row for each row: its metrics, and below each that of the data itself."""
    known = columns(run for row in rows for run in row.runs)
    head = [element("th", name.replace("_", " ")) for name in ("n", "seeds", "updates", "seconds", *known)]
    made = [[element("th", "Run", class_="name"), *head]]
    for row, hue in zip(rows, hues, strict=True):
        seconds = sum(run.seconds for run in row.runs) / len(row.runs)
        facts = (str(len(row.runs)), row.seeds, str(row.runs[0].updates), f"{seconds:.1f}")
        cells = [_name(row, hue), *(element("td", fact, class_="number") for fact in facts)]
        for name in known:
            data = row.data(name)
            below = element("span", f"data {shown(sum(data) / len(data))}", class_="data") if data else ""
            cells.append(element("td", _with_spread(row.values(name)), below, class_="number"))
        made.append(cells)
    return _wide(made)


def _side_by_side(rows: Sequence[Row], hues: Sequence[str], values: Mapping[str, Sequence[str]]) -> HTML:
    """A line for each name, with a column for each row."""
    if not values:
        return element("p", "None.")
    head = [element("th"), *(_name(row, hue, "th") for row, hue in zip(rows, hues, strict=True))]
    lines = [
        [element("td", name, class_="name"), *(element("td", cell) for cell in cells)] for name, cells in values.items()
    ]
    return _wide([head, *lines])


def _name(row: Row, hue: str, tag: str = "td") -> HTML:
    state = element("span", row.state, class_="state") if row.state else ""
    swatch = element("span", class_="swatch", style=f"background:{hue}")
    return element(tag, swatch, row.name, state, class_="name" if tag == "td" else "")


def _with_spread(values: Sequence[float]) -> str:
    """Mean, and standard deviation where there is one."""
    if not values:
        return ""
    deviation = spread(values)
    mean = shown(sum(values) / len(values))
    return mean if deviation is None else f"{mean} ± {deviation:.2g}"


def _listing(texts: Mapping[str, str]) -> HTML:
    return html_table([element("td", name, class_="name"), element("td", text)] for name, text in texts.items())


def _wide(rows: Iterable[Iterable[HTML]]) -> HTML:
    return element("div", html_table(rows), class_="wide")
