"""The results as one HTML file that holds formulas, plots and links to the code, and opens without a network."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.page import facts, page, picture

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
        f"<h1>{TITLE}</h1>",
        "<p>Unterthiner et al., <em>Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields</em>: every"
        " numbered equation of the ICLR version and, in brackets, of arXiv v1, and every claim that the theorems lean"
        " on.</p>",
        f"<p>{len(results)} statements: {counted}.</p>",
        _overview(results),
        *(_section(result, file.resolve().parent) for result in results),
        "<h2>Provenance</h2>",
        facts(provenance),
    ]
    return page(TITLE, body, STYLE)


def _overview(results: Sequence[Result]) -> str:
    rows = [
        f"<tr><td>{html.escape(r.entry.where)}</td>"
        f'<td><a href="#{r.entry.name}">{html.escape(r.entry.title)}</a></td><td>{_verdict(r)}</td></tr>'
        for r in results
    ]
    return "<table>\n<tr><th>Equation</th><th>Statement</th><th>Verdict</th></tr>\n" + "\n".join(rows) + "\n</table>"


def _section(result: Result, folder: Path) -> str:
    entry, finding = result.entry, result.finding
    image = base64.b64encode(formula(entry.statement)).decode()
    parts = [
        f'<section id="{entry.name}"><h2>{html.escape(entry.where)}: {html.escape(entry.title)}</h2>',
        f'<p><img class="formula" alt="{html.escape(entry.plain)}" src="data:image/svg+xml;base64,{image}"></p>',
        f"<p>{_verdict(result)}</p>",
        f"<p>{html.escape(entry.how)}</p>",
        f"<p>In the code: {_links(entry, folder)}. Took {result.seconds:.1f} s.</p>",
    ]
    if finding:
        parts += [_measurements(finding), *(picture(p.title, p.caption, draw(p)) for p in finding.plots)]
    return "\n".join(parts) + "</section>"


def _verdict(result: Result) -> str:
    return f'<span class="verdict {result.verdict.name.lower()}">{html.escape(verdict_text(result))}</span>'


def _links(entry: Entry, folder: Path) -> str:
    links = []
    for path in entry.code:
        source = source_of(path)
        target = Path(os.path.relpath(ROOT / source.file, folder)).as_posix()
        links.append(
            f'<a href="{html.escape(target)}#L{source.line}"><code>{html.escape(path)}</code></a>'
            f" ({source.file.as_posix()}, line {source.line})"
        )
    return ", ".join(links)


def _measurements(finding: Finding) -> str:
    rows = "\n".join(map(_measurement, finding.measurements))
    head = "<tr><th>About</th><th>Measured</th><th></th><th>Bound</th></tr>"
    return f"<table>\n{head}\n{rows}\n</table>"


def _measurement(m: Measurement) -> str:
    detail = f" ({html.escape(m.detail)})" if m.detail else ""
    return (
        f'<tr><td class="name">{m.subject.value}</td><td>{html.escape(m.what)}{detail}</td>'
        f'<td class="number{"" if m.passed else " missed"}">{m.value:.4g}</td>'
        f'<td class="number">{html.escape(m.bound)}{"" if m.passed else " <strong>no</strong>"}</td></tr>'
    )
