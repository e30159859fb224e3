"""One process with several threads against as many processes with one: what dividing a training over ranks costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import training

TABLES = ("training",)


def names() -> tuple[str, ...]:
    """What can be measured by itself."""
    return TABLES


def run(seconds: float, *, only: Sequence[str] = (), quick: bool = False) -> list[dict[str, Any]]:
    """Rows of all tables, or of some; see :func:`.training.rows`."""
    made = {"training": training.rows}
    return [row for name in TABLES if not only or name in only for row in made[name](seconds, quick=quick)]
