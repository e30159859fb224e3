"""All engines by their names, which are those that ``method`` takes."""

from __future__ import annotations

from . import direct
from .ewald import split
from .fourier import nufft
from .gram import gram
from .pairs import cuda, simd
from .request import ExactEngine, FastEngine
from .tree import tree

EXACT: dict[str, ExactEngine] = {"simd": simd, "gram": gram, "cuda": cuda, "direct": direct}
"""Engines as exact as the arrays' dtype; the first is the fastest for few pairs, the last serves everything."""

FAST: dict[str, FastEngine] = {"tree": tree, "nufft": nufft, "split": split}
"""Engines that work to a tolerance, in the order in which they are asked: first those that answer quickly."""
