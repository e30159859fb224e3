"""All engines by their names, which are those that ``method`` takes."""

from __future__ import annotations

import importlib
from typing import Any, cast

from . import direct
from .gram import gram
from .pairs import cuda, simd
from .request import ExactEngine, FastEngine


class _OnUse:
    """A module that is imported when it is first asked for something."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name, __package__), name)


EXACT: dict[str, ExactEngine] = {"simd": simd, "gram": gram, "cuda": cuda, "direct": direct}
"""Engines as exact as the arrays' dtype; the first is the fastest for few pairs, the last serves everything."""

FAST: dict[str, FastEngine] = {
    "tree": cast(FastEngine, _OnUse(".tree.tree")),
    "nufft": cast(FastEngine, _OnUse(".fourier.nufft")),
    "split": cast(FastEngine, _OnUse(".ewald.split")),
}
"""Engines that work to a tolerance, in the order in which they are asked: first those that answer quickly. Without a
tolerance none is imported, which takes as long as an exact sum of some thousand charges."""
