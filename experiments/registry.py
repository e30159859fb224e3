"""Kinds: ``kind = "NAME"`` in a preset is the file NAME.py of a folder of this package, and its configuration there."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any

from . import UserError


class KindError(UserError, ValueError):
    """A kind that there is not; the message says which there are."""


def kinds(folder: str, attribute: str = "Config") -> list[str]:
    """Names of the files of a folder that define ``attribute``, such as the configuration of a GAN."""
    package = importlib.import_module(f"{__package__}.{folder}")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [name for name in names if _defines(importlib.import_module(f"{package.__name__}.{name}"), attribute)]


def find(folder: str, kind: str, attribute: str = "Config") -> ModuleType:
    """The file of a kind, which defines ``attribute``.

    Parameters
    ----------
    folder : str
        Folder of this package, such as ``gans``.
    kind : str
        Name of a file there; or, with a dot, of a module as :func:`module_of` takes it, so that a kind can live outside
        of this package.
    attribute : str
        What is asked of the file.

    Raises
    ------
    KindError
        If there is no such file, or it lacks the attribute.
    """
    name = kind if "." in kind else f"{__package__}.{folder}.{kind}"
    try:
        module = module_of(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        what = f"unknown kind {kind!r}" if "." not in kind else f"no module {kind!r} can be imported"
        raise KindError(f"{what}; expected {_expected(folder, kind, attribute)}") from error
    if not _defines(module, attribute):
        raise KindError(
            f"the kind {kind!r} of {folder} has no {attribute}; expected {_expected(folder, kind, attribute)}"
        )
    base = getattr(importlib.import_module(f"{__package__}.{folder}"), "Base", None)
    if base is not None and not issubclass(getattr(module, attribute), base):
        raise KindError(f"{kind!r} is none of {folder}: its {attribute} is no {base.__name__}")
    return module


def module_of(name: str) -> ModuleType:
    """A module of this package, imported if need be, or one from outside that the program has imported already.

    What a configuration names is not imported from elsewhere: it may be somebody else's, and so may be the module of
    that name in the working directory.

    Raises
    ------
    ModuleNotFoundError
        If this package has no such module.
    KindError
        If one from outside has not been imported.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise ModuleNotFoundError(name=name)
    if name.startswith(f"{__package__}."):
        return importlib.import_module(name)
    if name not in sys.modules:
        raise KindError(
            f"{name!r} is no module of this package, and none from elsewhere is imported because a configuration names "
            f"it; if it is yours, say so: python -m experiments --import {name} ..."
        )
    return sys.modules[name]


def kind_of(config: Any) -> str:
    """Kind of a configuration that :func:`find` gave: the file's name, or a dotted module outside of this package."""
    name = type(config).__module__
    return name.rpartition(".")[2] if name.startswith(f"{__package__}.") else name


def _defines(module: ModuleType, attribute: str) -> bool:
    """Whether a module defines the attribute itself: what it only imports is another file's."""
    value = getattr(module, attribute, None)
    return value is not None and getattr(value, "__module__", module.__name__) == module.__name__


def _expected(folder: str, kind: str, attribute: str) -> str:
    there = kinds(folder, attribute)
    close = difflib.get_close_matches(kind, there, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"one of {', '.join(there)}, or the dotted name of a module{hint}"
