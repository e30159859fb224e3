"""What can go wrong, and packages that may be missing."""

from __future__ import annotations

import importlib
from typing import Any

from experiments import UserError


class ConversionError(UserError):
    """A network that the other format can't express, or a package that is needed for it and missing."""


class WeightsError(UserError):
    """A file that doesn't hold the weights of the network that it was read for."""


def optional(module: str, extra: str) -> Any:
    """Import a module of a package that not everybody has installed.

    Raises
    ------
    ConversionError
        If it is missing or its import fails; the message says why, and which extra installs it.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # something that it needs may be missing or too old, and shows as anything
        package = module.partition(".")[0]
        raise ConversionError(
            f"{package} is needed and can't be imported ({error}): install the extra {extra}"
        ) from error
