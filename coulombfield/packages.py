"""Packages that not everybody has: whether one can be used, and if not, why; and the version of this one."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
from importlib import metadata


def trouble_with(package: str, install: str) -> str:
    """Why a package can't be used, in a line that begins with its name; empty if it can.

    One whose import fails, because something that it needs is not there or not the right one, is as good as missing,
    but is not mended by installing it: then the line has the reason instead of ``install``, what to do.
    """
    with contextlib.suppress(ValueError):  # of a module without a specification, which is there already
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed; {install}"
    try:
        importlib.import_module(package)
    except Exception as error:  # a missing library shows as OSError, a wrong version as anything
        reason = str(error).strip().partition("\n")[0]
        return f"{package} can't be imported ({type(error).__name__}: {reason})"
    return ""


@functools.cache  # the installed package's whole description is parsed for it
def own_version() -> str:
    """Version of this package."""
    try:
        return metadata.version("coulombfield")
    except metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"
