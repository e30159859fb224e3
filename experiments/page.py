"""HTML pages that hold everything and open without a network.

Whatever is put into one is text, and is escaped, unless it is :class:`HTML`, which :func:`element` makes: what a page
shows of a run comes from files that somebody else may have written.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping
from typing import Any

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; width: 100%; margin-bottom: 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e4e4e4; }
th { white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.name, td.number { white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; }
figure img { width: 100%; height: auto; }
figcaption { color: #444; font-size: .92rem; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .85rem; }
.note { white-space: pre-line; }
"""


class HTML(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *content: Any, **attributes: Any) -> HTML:
    """HTML of an element.

    Parameters
    ----------
    tag : str
        Its name.
    *content
        What is in it, one after the other: escaped but for :class:`HTML`. None for an element that has no end tag.
    **attributes
        Escaped; those that are empty are left out. ``class_`` stands for ``class``.
    """
    given = "".join(f' {k.rstrip("_")}="{html.escape(str(v))}"' for k, v in attributes.items() if v not in ("", None))
    if content == (None,):
        return HTML(f"<{tag}{given}>")
    return HTML(f"<{tag}{given}>{''.join(map(_escaped, content))}</{tag}>")


def lines(parts: Iterable[Any]) -> HTML:
    """HTML of parts, each on a line of its own; escaped but for :class:`HTML`, and empty ones left out."""
    return HTML("\n".join(_escaped(part) for part in parts if part))


def page(title: str, body: Iterable[Any], style: str = "") -> str:
    """HTML of a page with a title and the parts of its body, of which empty ones are left out.

    Parameters
    ----------
    title : str
        Text.
    body : iterable
        Escaped but for :class:`HTML`.
    style : str
        Style sheet beside :data:`STYLE`, of this program's own.
    """
    head = (
        element("meta", None, charset="utf-8"),
        element("title", title),
        element("meta", None, name="viewport", content="width=device-width"),
        element("style", HTML(STYLE + style)),
    )
    inner = lines([element("head", *head), element("body", HTML("\n"), lines(body), HTML("\n"))])
    return f"<!doctype html>\n{element('html', inner, lang='en')}\n"


def picture(title: str, caption: str, image: bytes) -> HTML:
    """HTML of a figure that holds its PNG or GIF."""
    kind = "gif" if image.startswith(b"GIF8") else "png"
    data = f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
    return element("figure", element("img", None, alt=title, src=data), _caption(title, caption))


def text_figure(title: str, caption: str, text: str) -> HTML:
    """HTML of a figure that is text, line by line."""
    # The newline right behind the tag is none of the text, and keeps an empty first line from being taken for it.
    return element("figure", element("pre", "\n", text), _caption(title, caption))


def table(rows: Iterable[Iterable[HTML]]) -> HTML:
    """HTML of a table, of the cells of each row."""
    return element("table", HTML("\n"), lines(element("tr", *row) for row in rows), HTML("\n"))


def facts(values: Mapping[str, Any]) -> HTML:
    """HTML table of names and values, such as a provenance."""
    rows = []
    for key, value in values.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else value
        rows.append((element("th", key.replace("_", " ")), element("td", shown)))
    return table(rows)


def _caption(title: str, caption: str) -> HTML:
    return element("figcaption", element("strong", f"{title}."), f" {caption}")


def _escaped(value: Any) -> str:
    return value if isinstance(value, HTML) else html.escape(str(value))
