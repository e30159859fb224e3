"""Figure 4: the compared GANs on the 25 Gaussians, with the networks of Lim & Ye (2017), beside the data."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coulombfield.arrays import Device
from coulombfield.rng import Streams

from .. import config, trained
from ..figures.points import panels
from ..files import write_atomically
from ..page import HTML, element, page, picture, table
from .collection import Member

PREFIX = "figure-4-"
FIRST = "figure-4-coulomb"
SAMPLES = 10_000  # as the paper's figures show
COLUMNS = {
    "modes_covered": "modes",
    "high_quality_share": "share within 3σ",
    "mode_kl": "KL [nat]",
    "within_mode_variance_ratio": "variance ratio",
    "energy": "energy",
    "updates": "updates",
    "seconds": "seconds",
}
"""What the table shows of each run, and what it is called there."""

TITLE = "Figure 4: GANs on 25 Gaussians"


def presets() -> list[str]:
    """The presets that belong to it, found by their names, the Coulomb GAN first."""
    names = [name for name in config.preset_names() if name.startswith(PREFIX)]
    return sorted(names, key=lambda name: (name != FIRST, name))


def publish(members: Sequence[Member], out: Path) -> Path:
    """Write picture, table and page of finished runs, and return the page.

    Parameters
    ----------
    members : sequence of Member
        All runs, finished.
    out : Path
        Folder of the runs.
    """
    summaries = {member.name.removeprefix(PREFIX): member.summary for member in members}
    first = members[0].setup.config
    rng, host = Streams(first.seed, bit_generator=first.training.bit_generator).stream("data"), Device(np, "cpu")
    data = first.data.open(batch=1, rng=rng, dtype=first.dtype, device=host)
    points = {"data": data.held_out.first(SAMPLES)}
    for member in members:
        points[member.name.removeprefix(PREFIX)] = trained.load(member.folder.path).sample(SAMPLES)
    figure = out / "figure-4.png"
    captions = {"data": ""} | {name: _caption(summary) for name, summary in summaries.items()}
    panels(figure, points, captions, data.extent)
    rows = [{"GAN": "data", **_row(next(iter(summaries.values()))["data"])}]
    rows += [{"GAN": name, **_row(summary)} for name, summary in summaries.items()]
    write_atomically(out / "figure-4.csv", _csv(rows))
    body = [
        element("h1", TITLE),
        element("p", _said(first)),
        picture(
            "Samples", f"{len(points['data'])} points of the data, {SAMPLES} samples of a GAN.", figure.read_bytes()
        ),
        _table(rows),
        element("h2", "Settings"),
        *(_settings(member) for member in members),
    ]
    path = out / "figure-4.html"
    write_atomically(path, page(TITLE, body))
    return path


def lines(members: Sequence[Member]) -> list[str]:
    """The table as text."""
    rows = [("GAN", *COLUMNS.values())]
    first = members[0].summary["data"]
    rows.append(("data", *map(_text, _row(first).values())))
    rows += [(m.name.removeprefix(PREFIX), *map(_text, _row(m.summary).values())) for m in members]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _said(configuration: Any) -> str:
    data = configuration.data
    return (
        f"{data.components_per_side**2} Gaussians of variance {data.variance:g} on a grid of ±{data.extent:g}; seed "
        f"{configuration.seed}. The energy is the unbiased one between samples and as many held-out points."
    )


def _caption(summary: Mapping[str, Any]) -> str:
    if "modes_covered" not in summary:  # other metrics were asked for
        return ""
    return f"{summary['modes_covered']:.0f} modes, {summary['high_quality_share']:.0%} within 3σ"


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {title: summary.get(name, "") for name, title in COLUMNS.items()}


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table(rows: Sequence[Mapping[str, Any]]) -> HTML:
    head = [element("th", name) for name in rows[0]]
    return table([head, *([element("td", _text(cell), class_="number") for cell in row.values()] for row in rows)])


def _settings(member: Member) -> HTML:
    setup = member.setup
    title, notes = element("summary", setup.title or member.name), element("p", setup.notes, class_="note")
    return element("details", title, notes, element("pre", setup.text()))
