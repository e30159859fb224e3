"""The end of a run: summary, figures, and one HTML file that holds everything and opens without a network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from ..config import Setup
from ..figures.curves import training_curves
from ..figures.style import Figure
from ..files import to_json, write_atomically
from ..metrics.metric import Column
from ..page import facts, page, picture
from .experiment import Experiment
from .folder import RunFolder


def publish(run: RunFolder, setup: Setup, experiment: Experiment, step: int, seconds: float) -> dict[str, Any]:
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
        "data": reference,
    }
    write_atomically(run.summary, to_json(summary))
    curves = run.figures / "training_curves.png"
    training_curves(curves, run.read_metrics(), experiment.metrics, reference)
    figures = [
        *experiment.figures(run.figures),
        Figure(curves, "Training", "Losses, schedules and metrics; dashed, the metrics of the data itself."),
    ]
    write_atomically(run.report, render(setup, summary, experiment.metrics, figures, run.read_starts()))
    return summary


def render(
    setup: Setup,
    summary: Mapping[str, Any],
    metrics: Mapping[str, Column],
    figures: Sequence[Figure],
    starts: Sequence[Mapping[str, Any]],
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
    """
    title = html.escape(setup.title or setup.experiment)
    done, planned = summary["updates"], summary["planned_updates"]
    progress = f"{done} updates" if done == planned else f"{done} of {planned} updates (not finished)"
    device, seed = html.escape(starts[-1]["device"]), starts[0]["seed"]
    body = [
        f"<h1>{title}</h1>",
        *(f'<p class="note">{html.escape(text)}</p>' for text in (setup.notes, setup.results) if text),
        f"<p>{progress} in {summary['seconds']:.1f} s on {device}, seed {seed}.</p>",
        "<h2>Metrics</h2>",
        _metrics_table(summary, metrics),
        "<h2>Figures</h2>",
        *(picture(figure.title, figure.caption, figure.path.read_bytes()) for figure in figures),
        "<h2>Configuration</h2>",
        f"<pre>{html.escape(setup.text())}</pre>",
        "<h2>Provenance</h2>",
        *map(facts, starts),
    ]
    return page(setup.title or setup.experiment, body)


def _metrics_table(summary: Mapping[str, Any], metrics: Mapping[str, Column]) -> str:
    rows = [
        f'<tr><td class="name">{html.escape(name)}</td><td class="number">{summary[name]:.4g}</td>'
        f'<td class="number">{summary["data"][name]:.4g}</td><td>{html.escape(text_of(metric))}</td></tr>'
        for name, metric in metrics.items()
    ]
    head = "<tr><th>Metric</th><th>Generated</th><th>Data itself</th><th>Definition</th></tr>"
    return f"<table>\n{head}\n" + "\n".join(rows) + "\n</table>"


def _plain(value: float) -> float | int:
    return int(value) if isinstance(value, int) else float(value)


def text_of(column: Column) -> str:
    """Definition of a number, with its unit."""
    return column.definition + (f" [{column.unit}]" if column.unit else "")
