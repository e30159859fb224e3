"""HTML pages that hold everything and open without a network."""

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


def page(title: str, body: Iterable[str], style: str = "") -> str:
    """HTML of a page with a title and the parts of its body, of which empty ones are left out."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}{style}</style></head>\n<body>\n" + "\n".join(filter(None, body)) + "\n</body></html>\n"
    )


def picture(title: str, caption: str, image: bytes) -> str:
    """HTML of a figure that holds its PNG or GIF."""
    title, data = html.escape(title), base64.b64encode(image).decode()
    kind = "gif" if image.startswith(b"GIF8") else "png"
    return (
        f'<figure><img alt="{title}" src="data:image/{kind};base64,{data}">'
        f"<figcaption><strong>{title}.</strong> {html.escape(caption)}</figcaption></figure>"
    )


def facts(values: Mapping[str, Any]) -> str:
    """HTML table of names and values, such as a provenance."""
    rows = []
    for key, value in values.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
        rows.append(f"<tr><th>{html.escape(key.replace('_', ' '))}</th><td>{html.escape(shown)}</td></tr>")
    return "<table>\n" + "\n".join(rows) + "\n</table>"
