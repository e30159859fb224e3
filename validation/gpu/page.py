"""What was found on a GPU as one HTML file that opens without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.page import HTML, element, facts, lines, page, table

from .running import Outcome

STYLE = """
body { max-width: none; margin: 2rem; }
.ok { color: #00664b; font-weight: 600; }
.wrong { color: #a30000; font-weight: 600; }
td { white-space: nowrap; font-size: .85rem; }
"""


def render(card: Mapping[str, Any], environment: Mapping[str, Any], outcomes: Sequence[Outcome]) -> str:
    """HTML of all parts, with every figure and the last lines of every failure.

    Parameters
    ----------
    card, environment : mapping
        What was measured on.
    outcomes : sequence of Outcome
        In their order.
    """
    title = f"coulombfield on {card.get('card', 'a GPU')}"
    head = [element("th", name) for name in ("Part", "Verdict", "Time [s]", "Looked at", "Left out")]
    overview = [
        [
            element("td", element("a", each.name, href=f"#{each.name}")),
            element("td", each.verdict, class_="ok" if each.passed else "wrong"),
            element("td", f"{each.seconds:.1f}", class_="number"),
            element("td", each.told),
            element("td", "; ".join(each.left_out)),
        ]
        for each in outcomes
    ]
    body = [
        element("h1", title),
        facts(card),
        table([head, *overview]),
        *map(_section, outcomes),
        element("h2", "Code and host"),
        facts(environment),
    ]
    return page(title, body, STYLE)


def _section(outcome: Outcome) -> HTML:
    parts = [element("h2", f"{outcome.name}: {outcome.verdict}")]
    for what, text in outcome.failures:
        parts += [element("p", what, class_="wrong"), element("pre", text) if text else HTML("")]
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in outcome.rows:
        tables.setdefault(str(row.get("table", "")), []).append(row)
    for name, rows in tables.items():
        parts += [element("h3", name) if name else HTML(""), _figures(rows)]
    return element("section", lines(parts), id=outcome.name)


def _figures(rows: Sequence[Mapping[str, Any]]) -> HTML:
    """A table of rows, without the columns that none of them has anything in."""
    columns = [key for key in rows[0] if key != "table" and any(row.get(key) not in (None, "") for row in rows)]
    head = [element("th", key.replace("_", " ")) for key in columns]
    return table([head, *([_cell(row.get(key)) for key in columns] for row in rows)])


def _cell(value: Any) -> HTML:
    if value is None or isinstance(value, bool | str):
        return element("td", "" if value is None else value)
    if isinstance(value, Mapping):
        return element("td", ", ".join(f"{name} {_number(each)}" for name, each in value.items()))
    if isinstance(value, list):
        return element("td", ", ".join(map(_number, value)))
    return element("td", _number(value), class_="number")


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
