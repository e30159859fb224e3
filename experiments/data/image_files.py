"""Images in the files of a folder."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .picture import SUFFIXES, read_picture
from .stored import ImageError


class FolderImages:
    """Image files in a folder and the folders inside it, sorted by their paths.

    Files and folders whose names begin with a dot, and ``__MACOSX``, are passed over: systems and notebooks put copies
    and thumbnails there. One warning says how many other files have names that are no image's.

    Parameters
    ----------
    path : Path
        The folder.
    size, channels, crop
        As for :func:`~experiments.data.picture.read_picture`, which says what becomes of a file.

    Raises
    ------
    ImageError
        If there are no images, or one can't be read or has another size; each is opened when it is needed.
    """

    dtype = np.dtype(np.uint8)
    half = 127.5
    together = 1
    slow = ""

    def __init__(self, path: Path, size: int, channels: int, crop: bool = False):
        files = sorted(file for file in path.rglob("*") if not hidden(file.relative_to(path)) and file.is_file())
        self._paths = [file for file in files if file.suffix.lower() in SUFFIXES]
        if not self._paths:
            raise ImageError(f"{path}: no image files there; expected names that end in {' '.join(sorted(SUFFIXES))}")
        if others := Counter(file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES):
            endings = ", ".join(f"{suffix or 'nothing'} ({count})" for suffix, count in others.most_common(5))
            warnings.warn(
                f"{path}: {len(self._paths)} files taken for images, {others.total()} not, whose names end "
                f"in {endings}{', ...' if len(others) > 5 else ''}",
                stacklevel=2,
            )
        self._folder, self._crop = path, crop
        self.name = str(path)
        self.shape = (len(self._paths), size, size, channels)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)  # decoding leaves the interpreter to others

    def read(self, index: np.ndarray) -> np.ndarray:
        """Images of these numbers, decoded side by side."""
        images = np.empty((len(index), *self.shape[1:]), self.dtype)
        for place, image in enumerate(self._pool.map(self._decode, index)):
            images[place] = image
        return images

    def _decode(self, number: int) -> np.ndarray:
        return read_picture(self._paths[number], *self.shape[2:], self._crop)

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """The names of all files."""
        for path in self._paths:
            add(f"{path.relative_to(self._folder).as_posix()}\n".encode(errors="surrogateescape"))


def hidden(path: Path) -> bool:
    """Whether a file, or a folder that it is in, is what systems and notebooks put there."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
