"""How far an unfinished file has come, so that a killed process can be gone on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from ..files import to_json, write_atomically
from .unfinished import PrepareError


class Journal(NamedTuple):
    """What has been written."""

    settings: dict[str, Any]
    """What the file is made of and how."""
    done: int
    """Images written."""
    source: bytes
    """Checksum of their content as the source stores it."""
    images: bytes
    """Checksum of their pixels."""

    def write(self, path: Path) -> None:
        """Replace the journal on disk."""
        content = self._asdict() | {"source": self.source.hex(), "images": self.images.hex()}
        write_atomically(path, to_json(content))


def read(path: Path, settings: dict[str, Any], count: int) -> Journal | None:
    """The journal of a file with the same settings, or None where there is none that can be read.

    Raises
    ------
    PrepareError
        If its settings are others.
    """
    try:
        content = json.loads(path.read_bytes())
        journal = Journal(
            dict(content["settings"]),
            int(content["done"]),
            bytes.fromhex(content["source"]),
            bytes.fromhex(content["images"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not 0 <= journal.done <= count:
        return None
    if different := [name for name in settings if journal.settings.get(name) != settings[name]]:
        raise PrepareError(
            f"{path}: belongs to an unfinished file with another {', '.join(different)}; remove it to start anew"
        )
    return journal
