"""``python -m validation equations``: select entries, run their checks, report each as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from validation.context import Context

from .evidence import Finding, Verdict
from .registry import Entry


@dataclass(frozen=True)
class Result:
    """One entry with what its check found.

    Attributes
    ----------
    entry : Entry
        The statement.
    finding : Finding or None
        None where the check raised.
    error : str
        What it raised.
    seconds : float
        How long it took [s].
    """

    entry: Entry
    finding: Finding | None
    error: str
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """What was found; unsettled where the check raised."""
        return self.finding.verdict if self.finding else Verdict.UNSETTLED

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the registry's."""
        return self.verdict is self.entry.expected


def select(entries: Sequence[Entry], wanted: Iterable[str]) -> list[Entry]:
    """Entries that any of the names or numbers means, in the registry's order.

    Parameters
    ----------
    entries : sequence of Entry
        What to choose from.
    wanted : iterable of str
        ``14`` for the ICLR version's equation, ``v1:24`` for arXiv v1's, or an entry's name; empty means all.

    Raises
    ------
    ValueError
        If one means no entry.
    """
    wanted = list(wanted)
    if not wanted:
        return list(entries)
    meant = {text: {e.name for e in entries if _means(text, e)} for text in wanted}
    if unknown := [text for text, names in meant.items() if not names]:
        raise ValueError(
            f"no equation {', '.join(map(repr, unknown))}; expected numbers of the ICLR version such as 14, "
            f"of arXiv v1 such as v1:24, or some of {', '.join(e.name for e in entries)}"
        )
    names = set().union(*meant.values())
    return [e for e in entries if e.name in names]


def run(entries: Sequence[Entry], context: Context, report: Callable[[Result], None]) -> list[Result]:
    """Run the checks one after another; ``report`` gets each result as soon as it is there."""
    results = []
    for entry in entries:
        start = time.perf_counter()
        finding, error = None, ""
        try:
            finding = entry.check(context)
        except Exception as exception:  # a check that breaks must not hide the others' results
            error = f"{type(exception).__name__}: {exception}"
        results.append(Result(entry, finding, error, time.perf_counter() - start))
        report(results[-1])
    return results


def _means(text: str, entry: Entry) -> bool:
    if text == entry.name:
        return True
    version, _, number = text.rpartition(":")
    return number.isdecimal() and int(number) in {"": entry.iclr, "v1": entry.arxiv}.get(version, ())
