"""The end of a run: summary, figures, and one HTML file that holds everything and opens without a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..config import OF_DATA, Setup
from ..figures.curves import training_curves
from ..figures.style import Figure
from ..files import to_json, write_atomically
from ..metrics.metric import DEVIATION, Column
from ..page import HTML, element, facts, page, picture, text_figure
from ..page import table as html_table
from .experiment import Experiment
from .folder import RunFolder
from .records import last_metrics, named_columns, table

CURVES = "training_curves.png"
BY_CHANCE = (
    "The data itself are real samples in the place of generated ones. Their metrics vary by chance as those of perfect "
    "samples do: ± is the standard deviation, and a number without one is of a single draw."
)


def publish(
    run: RunFolder, setup: Setup, experiment: Experiment, step: int, seconds: float, ended: str = ""
) -> dict[str, Any]:
    """Write summary, figures and report of the experiment as it stands; return the summary.

    Parameters
    ----------
    run : RunFolder
        Where everything goes, and where the metrics of the training are read.
    setup : Setup
        What was run.
    experiment : Experiment
        In the state to report.
    step : int
        Updates done [updates].
    seconds : float
        Time spent in training [s].
    ended : str
        Why the experiment ended the run before its last update; empty if it did not.

    Notes
    -----
    The report is written last: a folder that has one has all.
    """
    reference = {name: _plain(value) for name, value in experiment.reference().items()}
    metrics = {name: _plain(value) for name, value in experiment.evaluate().items()}
    summary = {
        **metrics,
        "updates": step,
        "seconds": round(seconds, 3),
        "planned_updates": setup.config.training.updates,
        **({"ended_early": 1} if ended else {}),
        "data": reference,
    }
    write_atomically(run.summary, to_json(summary))
    run.write_columns(experiment.metrics)
    curves = _tables_and_curves(run, setup, run.read_metrics(), experiment.metrics, reference)
    figures = [*experiment.figures(run.figures), curves]
    captions = [{"file": figure.path.name, "title": figure.title, "caption": figure.caption} for figure in figures]
    write_atomically(run.captions, to_json(captions))
    write_atomically(run.report, render(setup, summary, experiment.metrics, figures, run.read_starts(), ended=ended))
    return summary


def rebuild(run: RunFolder, setup: Setup, step: int, seconds: float, reason: str, ended: str = "") -> dict[str, Any]:
    """Write the report again from what the folder holds, without the experiment; return the summary.

    Parameters
    ----------
    run, setup, step, seconds, ended
        As for :func:`publish`.
    reason : str
        Why the experiment can't be had, for the page.

    Notes
    -----
    Figures stay as they are, but for the curves of the training. Metrics are those of the summary where it is of this
    update, and otherwise the last ones recorded.
    """
    records = [record for record in run.read_metrics() if record["step"] <= step]
    columns = named_columns(run.read_columns(), records)
    old = run.read_summary() if run.summary.exists() else {}
    if old.get("updates") != step:
        old = {
            **last_metrics(records),
            "updates": step,
            "seconds": round(seconds, 3),
            "planned_updates": setup.config.training.updates,
            **({"ended_early": 1} if ended else {}),
            "data": old.get("data", {}),
        }
        write_atomically(run.summary, to_json(old))
    curves = _tables_and_curves(run, setup, records, columns, old["data"])
    figures = [*_figures_there(run, step), curves]
    note = f"Made of what the folder holds: {reason}. Figures are as they were drawn before, metrics as recorded."
    write_atomically(run.report, render(setup, old, columns, figures, run.read_starts(), note, ended))
    return old


def _tables_and_curves(
    run: RunFolder,
    setup: Setup,
    records: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Column],
    reference: Mapping[str, float],
) -> Figure:
    """Write the metrics as CSV and as curves."""
    write_atomically(run.table, table(records))
    path = run.figures / CURVES
    training_curves(path, records, columns, reference, setup.reference)
    return Figure(path, "Training", f"Losses, schedules and metrics; dashed: {setup.reference}.")


def _figures_there(run: RunFolder, step: int) -> Iterable[Figure]:
    """The figures of the last report, or all there are, but for the curves and all snapshots save the last."""
    captions = run.read_captions()
    if captions is None:
        files = sorted(file for kind in ("png", "gif", "txt") for file in run.figures.glob(f"*.{kind}"))
        snapshots = [file for file in files if file.stem[-8:].isdigit() and int(file.stem[-8:]) <= step]
        files = [file for file in files if not file.stem[-8:].isdigit()] + snapshots[-1:]
        captions = [{"file": file.name, "title": file.stem, "caption": ""} for file in files]
    for entry in captions:
        file = run.figures / entry["file"]
        if file.name != CURVES and file.exists():
            yield Figure(file, entry["title"], entry["caption"])


def render(
    setup: Setup,
    summary: Mapping[str, Any],
    metrics: Mapping[str, Column],
    figures: Sequence[Figure],
    starts: Sequence[Mapping[str, Any]],
    note: str = "",
    ended: str = "",
) -> str:
    """HTML of a report, with its figures inside.

    Parameters
    ----------
    setup : Setup
        What was run.
    summary : mapping
        Content of ``summary.json``.
    metrics : mapping of str to Column
        Definitions of the metrics, in the order of the table.
    figures : sequence of Figure
        Files to embed.
    starts : sequence of mapping
        Provenance of the run's start, and of each time that it was resumed.
    note : str
        What a reader has to know of the report itself.
    ended : str
        Why the run ended before its last update, if it did.
    """
    title = setup.title or setup.experiment
    done, planned = summary["updates"], summary["planned_updates"]
    progress = f"{done} updates" if done == planned else f"{done} of {planned} updates ({_why(ended)})"
    device, seed = starts[-1]["device"], starts[0]["seed"]
    body = [
        element("h1", title),
        *(element("p", text, class_="note") for text in _texts(setup, note)),
        element("p", f"{progress} in {summary['seconds']:.1f} s on {device}, seed {seed}."),
        element("h2", "Metrics"),
        _metrics_table(setup.reference, summary, metrics),
        element("p", BY_CHANCE) if summary["data"] and setup.reference == OF_DATA else "",
        element("h2", "Figures"),
        *map(_embedded, figures),
        element("h2", "Configuration"),
        element("pre", setup.text()),
        element("h2", "Provenance"),
        *map(facts, starts),
    ]
    return page(title, body)


def _embedded(figure: Figure) -> HTML:
    """HTML of a figure, with its file inside."""
    content = figure.path.read_bytes()
    if figure.path.suffix == ".txt":
        return text_figure(figure.title, figure.caption, content.decode(errors="replace"))
    return picture(figure.title, figure.caption, content)


def _why(ended: str) -> str:
    return f"the end, by {ended}" if ended else "not finished"


def _texts(setup: Setup, note: str) -> list[str]:
    """What stands above the numbers."""
    results = setup.results.strip() and f"What the preset reached: {setup.results.strip()}"
    return [text for text in (note, setup.notes, results) if text]


def _metrics_table(reference: str, summary: Mapping[str, Any], metrics: Mapping[str, Column]) -> HTML:
    measured = "Generated" if reference == OF_DATA else "Measured"
    head = [element("th", name) for name in ("Metric", measured, reference.capitalize(), "Definition")]
    rows = [
        [
            element("td", name, class_="name"),
            element("td", shown(summary.get(name)), class_="number"),
            element("td", shown_data(summary["data"], name), class_="number"),
            element("td", text_of(metric)),
        ]
        for name, metric in metrics.items()
    ]
    return html_table([head, *rows])


def shown_data(data: Mapping[str, float], name: str) -> str:
    """A number of the reference in a table, with its standard deviation where that is known."""
    deviation = data.get(name + DEVIATION)
    return shown(data.get(name)) + (f" ± {deviation:.2g}" if deviation is not None else "")


def _plain(value: float) -> float | int:
    return int(value) if isinstance(value, int) else float(value)


def text_of(column: Column) -> str:
    """Definition of a number, with its unit."""
    return column.definition + (f" [{column.unit}]" if column.unit else "")


def shown(value: float | None) -> str:
    """A number in a table; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"
