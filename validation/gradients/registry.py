"""The form of a row: a quantity, the parts of the package that it covers, and its cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from validation.context import Context

from .differences import Case, Outcome, measure


@dataclass(frozen=True)
class Row:
    """One quantity whose derivative is compared with differences.

    Attributes
    ----------
    name : str
        What is checked; unique, and what ``--only`` takes, as are the group and the names of what it covers.
    group : str
        Kind of quantity: ``layer``, ``field``, ...
    covers : tuple of class or function
        The parts of the package that this row checks.
    cases : callable
        Takes a :class:`Context` and gives the cases.
    available : callable
        Whether a context's device can compute the quantity at all.
    """

    name: str
    group: str
    covers: tuple[Any, ...]
    cases: Callable[[Context], Iterable[Case]]
    available: Callable[[Context], bool] = lambda context: True

    def meant_by(self, text: str) -> bool:
        """Whether ``--only text`` means this row."""
        return text in (self.name, self.group, *(part.__name__ for part in self.covers))


@dataclass(frozen=True)
class Result:
    """One row with what its cases show.

    Attributes
    ----------
    row : Row
        The quantity.
    outcome : Outcome or None
        None where a case raised.
    error : str
        What it raised.
    seconds : float
        How long it took [s].
    """

    row: Row
    outcome: Outcome | None
    error: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether there is an outcome and it passed."""
        return self.outcome is not None and self.outcome.passed


def select(rows: Sequence[Row], wanted: Iterable[str]) -> list[Row]:
    """Rows that any of the names means, in the registry's order; all for none.

    Raises
    ------
    ValueError
        If a name means no row.
    """
    wanted = list(wanted)
    if unknown := [text for text in wanted if not any(row.meant_by(text) for row in rows)]:
        groups = ", ".join(dict.fromkeys(row.group for row in rows))
        raise ValueError(
            f"no row {', '.join(map(repr, unknown))}; expected names of the table, classes or functions "
            f"of the package, or some of {groups}"
        )
    return [row for row in rows if not wanted or any(row.meant_by(text) for text in wanted)]


def run(rows: Sequence[Row], context: Context, report: Callable[[Result], None]) -> list[Result]:
    """Measure the rows one after another; ``report`` gets each result as soon as it is there."""
    results = []
    for row in rows:
        start = time.perf_counter()
        outcome, error = None, ""
        try:
            outcome = measure(row.cases(context))
        except Exception as exception:  # what breaks must not hide the others' results
            error = f"{type(exception).__name__}: {exception}"
        results.append(Result(row, outcome, error, time.perf_counter() - start))
        report(results[-1])
    return results
