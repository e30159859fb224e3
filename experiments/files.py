"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import UserError


class WriteError(UserError):
    """A file could not be written: the disk is full, or the folder is not ours."""

    exit_code = 1


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write ``path`` into a :class:`WriteError`."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: can't be written ({error.strerror or error})") from error


def write_atomically(path: Path, *content: bytes | str) -> None:
    """Replace a file so that readers, and a machine that loses power, see the old content or the new, whole.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes or str
        What it will hold, in one part or several.

    Raises
    ------
    WriteError
        If the system refuses, as on a full disk; the old file then stays.
    """
    # A name of a file whose bytes are no text comes with surrogates, which UTF-8 does not have.
    parts = [part.encode(errors="backslashreplace") if isinstance(part, str) else part for part in content]
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            # Made anew: what has this name, be it a link of somebody else's to another file, is not written to.
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb") as file:
                for part in parts:
                    file.write(part)
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Have the disk keep the name of a file, which lies in its folder."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def print_whatever_comes() -> None:
    """Let the output escape what its encoding lacks, as that of a machine without a language does, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def name_of(path: Path) -> str:
    """Name of a file or folder, in which bytes that are no text are escaped."""
    return path.resolve().name.encode(errors="backslashreplace").decode()


def to_json(content: Any) -> str:
    """Indented JSON text that ends in a newline."""
    return json.dumps(content, indent=2) + "\n"
