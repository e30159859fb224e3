"""Which files a compiled function may be made of: its module's, and those that this one imports, and so on.

Numba keeps what it has compiled until the function's own file changes. What the function calls is compiled into it,
though, and constants from other files as well: with :func:`digest` beside its stamp, an edit there is seen too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OURS = ("coulombfield", "nets")
"""Packages whose compiled functions others may call."""

_IMPORT = re.compile(r"^\s*(?:from\s+([.\w]+)\s+import\s+(?:\(([^)]*)\)|([^\n(]*))|import\s+([^\n]*))", re.MULTILINE)


@functools.cache
def digest(module: str) -> str:
    """Checksum of the sources of an imported module and of all modules of its package, and ours, that it imports.

    Parameters
    ----------
    module : str
        Its name.

    Returns
    -------
    str
        Hexadecimal; empty if it has no file, as a notebook's.
    """
    names, found = [module], {module}
    while names:
        new = found.copy()
        for name in names:
            new |= _imports(name)
        names = sorted(new - found)
        found = new
    files = sorted(name for name in found if _source(name) is not None)
    if module not in files:
        return ""
    checksum = hashlib.sha256()
    for name in files:
        content = _source(name) or b""
        checksum.update(f"{name} {len(content)}\n".encode())
        checksum.update(content)
    return checksum.hexdigest()


@functools.cache
def _source(name: str) -> bytes | None:
    """Content of an imported module's file."""
    path = getattr(sys.modules.get(name), "__file__", None)
    try:
        return Path(path).read_bytes() if path and path.endswith(".py") else None
    except OSError:
        return None


@functools.cache
def _imports(name: str) -> frozenset[str]:
    """Imported modules that a module's text names, of its own package and ours."""
    source = _source(name)
    if source is None:
        return frozenset()
    packages = {name.partition(".")[0], *OURS}
    return frozenset(
        found
        for found in _named(name, source.decode(errors="replace"))
        if found.partition(".")[0] in packages and found in sys.modules
    )


def _named(name: str, text: str) -> Iterator[str]:
    """Names that a module's text imports, some of them modules."""
    package = getattr(sys.modules[name], "__package__", None) or ""
    for where, several, some, plain in _IMPORT.findall(text):
        for imported in plain.split(","):
            yield imported.partition(" as ")[0].strip()
        if not where:
            continue
        if where.startswith("."):
            try:
                where = importlib.util.resolve_name(where, package)
            except ImportError:
                continue
        for line in (several or some).splitlines():
            for imported in line.partition("#")[0].split(","):
                module = f"{where}.{imported.partition(' as ')[0].strip()}"
                yield module if module in sys.modules else where
