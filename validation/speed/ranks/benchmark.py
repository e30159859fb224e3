"""Work over MPI ranks: how it scales here, with the share of communication, and what more ranks should take.

Each table is a file here with ``run(bench)``, found by its name; those with a smaller ``ORDER`` come first, so that
others can look at their rows.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .bench import Bench

LAST = 100


def tables() -> dict[str, ModuleType]:
    """The modules of tables by their names, in their order."""
    package = importlib.import_module(__package__)
    names = [each.name for each in pkgutil.iter_modules(package.__path__) if each.name != "benchmark"]
    found = [importlib.import_module(f"{__package__}.{name}") for name in names]
    found = [module for module in found if hasattr(module, "run")]
    found.sort(key=lambda module: (getattr(module, "ORDER", LAST), module.__name__))
    return {module.__name__.rpartition(".")[2]: module for module in found}


def names() -> tuple[str, ...]:
    """What ``--only`` takes."""
    return tuple(tables())


def run(seconds: float, *, only: Sequence[str] = (), quick: bool = False) -> list[dict[str, Any]]:
    """Time, print, and return a row for each timing.

    Parameters
    ----------
    seconds : float
        Time to spend on each row [s]; at least three calls are timed.
    only : sequence of str
        Which of :func:`names`.
    quick : bool
        Small problems, for a look at whether all works.
    """
    bench = Bench(seconds, quick=quick)
    for name, table in tables().items():
        if not only or name in only:
            table.run(bench)
    return bench.rows
