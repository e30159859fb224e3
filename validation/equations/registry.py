"""The form of an entry: a statement of the paper, where it stands in the code, its check and the verdict to expect."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from validation.context import Context

from .evidence import Finding, Verdict

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Entry:
    r"""One equation, or one claim that a theorem leans on.

    Attributes
    ----------
    name : str
        Short name, such as ``kernel-laplacian``; unique, and what ``--only`` takes.
    iclr, arxiv : tuple of int
        Numbers of the equation in the ICLR version and in arXiv v1; both empty for a claim without a number.
    place : str
        Where a claim without a number stands: ``"A.2, first paragraph"``.
    title : str
        What it says, in a few words.
    statement : str
        What the paper prints, as LaTeX that Matplotlib's mathtext renders, without dollar signs; ``\n`` starts a line.
    plain : str
        The same for a terminal, in one line.
    code : tuple of str
        Public functions that implement it, dotted from the package: ``coulombfield.laplacian``.
    check : callable
        Takes a :class:`Context` and returns a :class:`Finding`.
    expected : Verdict
        What the check has to find.
    truth : str
        What is true instead: the condition, the corrected form or the counter-example; empty where it holds.
    how : str
        How it was checked: which oracle, which cases.
    """

    name: str
    title: str
    statement: str
    plain: str
    check: Callable[[Context], Finding]
    expected: Verdict
    how: str
    code: tuple[str, ...]
    iclr: tuple[int, ...] = ()
    arxiv: tuple[int, ...] = ()
    place: str = ""
    truth: str = ""

    def __post_init__(self) -> None:
        if not (self.iclr or self.arxiv or self.place):
            raise ValueError(f"{self.name}: expected equation numbers or a place, got none")
        if (self.expected is Verdict.HOLDS) == bool(self.truth):
            raise ValueError(f"{self.name}: expected a truth exactly where the printed statement doesn't hold")

    @property
    def where(self) -> str:
        """Where the paper says it: ``Eq 14 [24]``, ICLR's number before arXiv's, or the place."""
        if not (self.iclr or self.arxiv):
            return self.place
        iclr, arxiv = (", ".join(map(str, numbers)) or "–" for numbers in (self.iclr, self.arxiv))
        return f"Eq {iclr} [{arxiv}]"


class Source(NamedTuple):
    """Where a function stands."""

    file: Path
    line: int


def resolve(path: str) -> Any:
    """Object of a dotted path such as ``coulombfield.RadialKernel.slope``.

    Raises
    ------
    LookupError
        If there is none.
    """
    parts = path.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[split:]:
                found = getattr(found, part)
        except AttributeError:
            break
        return found
    raise LookupError(f"code: no {path}")


def source_of(path: str) -> Source:
    """File, relative to the checkout, and line of a dotted path."""
    found = inspect.unwrap(resolve(path))
    found = getattr(found, "fget", None) or getattr(found, "func", None) or found
    file = inspect.getsourcefile(found)
    assert file is not None
    return Source(Path(file).resolve().relative_to(ROOT), inspect.getsourcelines(found)[1])
