"""The array module behind an array, where in-place operations with ``out=`` are wanted."""

from __future__ import annotations

import sys
from types import ModuleType

from coulombfield.arrays import Array, library

_modules: dict[type, ModuleType] = {}


def module_of(array: Array) -> ModuleType:
    """NumPy or CuPy itself, whichever made ``array``: a look-up by type, cheap enough for every call."""
    module = _modules.get(type(array))
    if module is None:
        module = _modules[type(array)] = sys.modules[library(type(array))]
    return module
