"""The paper's experiments: ``python -m experiments``, and :func:`experiments.load` for what they trained."""

import importlib
from typing import Any


class UserError(Exception):
    """A failure that the user can act on: its message is one line, printed without a traceback."""

    exit_code = 2


class DataError(UserError):
    """Data that can't be opened, or not be used as asked."""


def __getattr__(name: str) -> Any:
    """``load`` of :mod:`experiments.trained`, which is imported when it is first asked for."""
    if name == "load":
        return importlib.import_module(f"{__name__}.trained").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
