"""Images in the files of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..sources.fit import SQUARE, Fit, FitError
from ..sources.folder import image_files
from ..sources.picture import open_picture
from .stored import ImageError


class FolderImages:
    """Image files in a folder and the folders inside it, sorted by their paths.

    Files and folders whose names begin with a dot, and ``__MACOSX``, are passed over: systems and notebooks put copies
    and thumbnails there. One warning says how many other files have names that are no image's.

    Parameters
    ----------
    path : Path
        The folder.
    size : int
        Height and width [pixels].
    channels : int
        1 for grey, 3 for red, green and blue: files are converted as
        :func:`~experiments.sources.picture.open_picture` says.
    crop : bool
        Cut the largest centred square out and resize it to ``size``, instead of expecting that size.

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
        self._paths = image_files(path)
        self._folder, self._channels = path, channels
        self._fit = Fit(size, SQUARE if crop else None, pads=False)
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
        path = self._paths[number]
        try:
            return self._fit(open_picture(path, path, self._channels))
        except FitError as error:
            raise ImageError(f"{path}: {error}; data.crop = true crops and resizes") from error

    def hash_more(self, add: Callable[[bytes], None]) -> None:
        """The names of all files."""
        for path in self._paths:
            add(f"{path.relative_to(self._folder).as_posix()}\n".encode(errors="surrogateescape"))
