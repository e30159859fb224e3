"""The results as one HTML file that holds formulas, plots and links to the code, and opens without a network."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.page import HTML, element, facts, lines, page, picture, table

from .evidence import Finding, Measurement, Verdict
from .figures import draw, formula
from .registry import ROOT, Entry, source_of
from .run import Result
from .table import verdict_text

TITLE = "Does each equation of the Coulomb GAN paper hold?"
COLOURS = {
    Verdict.HOLDS: "#00664b",
    Verdict.HOLDS_IF: "#7a5c00",
    Verdict.MISPRINT: "#7a5c00",
    Verdict.FAILS: "#a33f00",
    Verdict.UNSETTLED: "#a30000",
}
STYLE = """
img.formula { max-width: 100%; vertical-align: middle; }
.verdict { font-weight: 600; }
.missed { color: #a30000; }
section { margin-top: 2.5rem; }
""" + "\n".join(f".{verdict.name.lower()} {{ color: {colour}; }}" for verdict, colour in COLOURS.items())


def render(results: Sequence[Result], provenance: Mapping[str, Any], file: Path) -> str:
    """HTML of all results.

    Parameters
    ----------
    results : sequence of Result
        In the order of the page.
    provenance : mapping of str to plain values
        Where and with what the checks ran.
    file : Path
        Where the page will lie: links to the code are relative to its folder.
    """
    counts = [(verdict, sum(r.verdict is verdict for r in results)) for verdict in Verdict]
    counted = ", ".join(f"{count} {verdict.value}" for verdict, count in counts if count)
    body = [
        element("h1", TITLE),
        element(
            "p",
            "Unterthiner et al., ",
            element("em", "Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields"),
            ": every numbered equation of the ICLR version and, in brackets, of arXiv v1, and every claim that the "
            "theorems lean on.",
        ),
        element("p", f"{len(results)} statements: {counted}."),
        _overview(results),
        *(_section(result, file.resolve().parent) for result in results),
        element("h2", "Provenance"),
        facts(provenance),
    ]
    return page(TITLE, body, STYLE)


def _overview(results: Sequence[Result]) -> HTML:
    head = [element("th", name) for name in ("Equation", "Statement", "Verdict")]
    rows = [
        [
            element("td", r.entry.where),
            element("td", element("a", r.entry.title, href=f"#{r.entry.name}")),
            element("td", _verdict(r)),
        ]
        for r in results
    ]
    return table([head, *rows])


def _section(result: Result, folder: Path) -> HTML:
    entry, finding = result.entry, result.finding
    image = f"data:image/svg+xml;base64,{base64.b64encode(formula(entry.statement)).decode()}"
    parts = [
        element("h2", f"{entry.where}: {entry.title}"),
        element("p", element("img", None, class_="formula", alt=entry.plain, src=image)),
        element("p", _verdict(result)),
        element("p", entry.how),
        element("p", "In the code: ", _links(entry, folder), f". Took {result.seconds:.1f} s."),
    ]
    if finding:
        parts += [_measurements(finding), *(picture(p.title, p.caption, draw(p)) for p in finding.plots)]
    return element("section", lines(parts), id=entry.name)


def _verdict(result: Result) -> HTML:
    return element("span", verdict_text(result), class_=f"verdict {result.verdict.name.lower()}")


def _links(entry: Entry, folder: Path) -> HTML:
    links = []
    for path in entry.code:
        source = source_of(path)
        target = Path(os.path.relpath(ROOT / source.file, folder)).as_posix()
        link = element("a", element("code", path), href=f"{target}#L{source.line}")
        links.append(element("span", link, f" ({source.file.as_posix()}, line {source.line})"))
    return HTML(", ".join(links))


def _measurements(finding: Finding) -> HTML:
    head = [element("th", name) for name in ("About", "Measured", "", "Bound")]
    return table([head, *map(_measurement, finding.measurements)])


def _measurement(m: Measurement) -> list[HTML]:
    return [
        element("td", m.subject.value, class_="name"),
        element("td", m.what, f" ({m.detail})" if m.detail else ""),
        element("td", f"{m.value:.4g}", class_="number" if m.passed else "number missed"),
        element("td", m.bound, "" if m.passed else element("strong", " no"), class_="number"),
    ]
