"""Image files of any kind in a folder and the folders inside it."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from PIL import Image

from .fit import Crop
from .picture import SUFFIXES, open_picture
from .source import ImageError, Item, Request, check_part, reading


def image_files(folder: Path) -> list[Path]:
    """Image files in a folder and the folders inside it, sorted by their paths.

    A link to nothing counts as a file, so that it is told of when it is read, not left out.
    Files and folders whose names begin with a dot, and ``__MACOSX``, are passed over: systems and notebooks put copies
    and thumbnails there. One warning says how many other files have names that are no image's.

    Raises
    ------
    ImageError
        If there are none.
    """
    files = sorted(file for file in folder.rglob("*") if not hidden(file.relative_to(folder)) and _is_file(file))
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not images:
        raise ImageError(f"{folder}: no image files there; expected names that end in {' '.join(sorted(SUFFIXES))}")
    if others := Counter(file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES):
        endings = ", ".join(f"{suffix or 'nothing'} ({count})" for suffix, count in others.most_common(5))
        warnings.warn(
            f"{folder}: {len(images)} files taken for images, {others.total()} not, whose names end "
            f"in {endings}{', ...' if len(others) > 5 else ''}",
            stacklevel=3,
        )
    return images


def open_source(path: Path, request: Request) -> FolderSource:
    """The images of a folder.

    Raises
    ------
    ImageError
        If there are none.
    """
    check_part("a folder", request.part, {"": None})
    if not path.is_dir():
        raise ImageError(f"{path}: expected a folder of image files")
    return FolderSource(path, image_files(path), request.channels or 3)


class FolderSource:
    """Image files, in colour unless asked otherwise.

    Parameters
    ----------
    path : Path
        Their folder.
    paths : list of Path
        The files.
    channels : int
        1 for grey, 3 for colour.
    part : str
        Which part of the data set they are.
    crops : mapping from str to Crop
        Published crops.
    """

    labelled = pads = False
    size: int | None = None
    crop = "none"

    def __init__(
        self, path: Path, paths: list[Path], channels: int, part: str = "", crops: Mapping[str, Crop] | None = None
    ):
        self.path, self._paths, self._channels, self.part, self.crops = path, paths, channels, part, crops or {}
        self.count = len(paths)

    def files(self) -> Iterable[Path]:
        """The image files."""
        return self._paths

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Contents of files."""
        for path in self._paths[start:stop]:
            with reading(path, "a file"):
                yield Item(str(path), path.read_bytes())

    def names(self, stop: int) -> Iterator[str]:
        """Paths inside the folder."""
        return (path.relative_to(self.path).as_posix() for path in self._paths[:stop])

    def decode(self, item: Item) -> Image.Image:
        """The picture."""
        assert isinstance(item.data, bytes)
        return open_picture(io.BytesIO(item.data), item.name, self._channels)


def _is_file(path: Path) -> bool:
    return path.is_file() or (path.is_symlink() and not path.exists())


def hidden(path: Path) -> bool:
    """Whether a file is one of those that systems and notebooks put beside the images."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
