"""LSUN's scenes and objects: LMDB as its authors export it.

F. Yu et al., "LSUN: Construction of a Large-scale Image Dataset using Deep Learning with Humans in the Loop", 2015.
Keys are 40 hexadecimal digits. Values are image files; the authors' programs call them by several names, so that what
they are is told by how they begin.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from .fit import Crop
from .lmdb_file import LMDBFile
from .picture import open_picture
from .source import ImageError, Item, Request, check_part, reading

DATA = "data.mdb"


def open_source(path: Path, request: Request) -> LSUN:
    """The images of a folder such as ``bedroom_train_lmdb``, or of its file ``data.mdb``.

    Raises
    ------
    ImageError
        If there is no such file, or it is truncated or damaged.
    """
    check_part("lsun", request.part, {"": None})
    file = path / DATA if path.is_dir() else path
    if not file.is_file():
        raise ImageError(f"{path}: no {DATA} there")
    with reading(file, "LMDB"):
        return LSUN(path, file, request.channels or 3)


class LSUN:
    """Images of one category.

    Parameters
    ----------
    path : Path
        As given.
    file : Path
        Its ``data.mdb``.
    channels : int
        1 for grey, 3 for colour.
    """

    labelled = pads = False
    part = ""
    size: int | None = 64
    crop = "square"
    crops: Mapping[str, Crop] = {}

    def __init__(self, path: Path, file: Path, channels: int):
        self.path, self._file, self._channels = path, file, channels
        self._database = LMDBFile(file)
        self.count = self._database.count
        if not self.count:
            raise ImageError(f"{file}: has no images")

    def files(self) -> list[Path]:
        """The data file; the one for locks is not needed."""
        return [self._file]

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Image files in the order of their keys."""
        with reading(self._file, "LMDB"):
            for entry in self._database.entries(start, stop):
                name = f"{self._file}: {_text(entry.key)}"
                value = self._database.value(entry)
                if not value.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) and not _webp(value):
                    raise ImageError(
                        f"{name}: expected a WebP, JPEG or PNG file, got one that begins {value[:8].hex()}"
                    )
                yield Item(name, value)

    def names(self, stop: int) -> Iterator[str]:
        """Keys of the first images."""
        return (_text(entry.key) for entry in self._database.entries(0, stop))

    def decode(self, item: Item) -> Image.Image:
        """The picture."""
        assert isinstance(item.data, bytes)
        return open_picture(io.BytesIO(item.data), item.name, self._channels)


def _webp(value: bytes) -> bool:
    return value[:4] == b"RIFF" and value[8:12] == b"WEBP"


def _text(key: bytes) -> str:
    return key.decode("ascii", "backslashreplace")
