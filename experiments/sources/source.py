"""What a source of images is: items in a fixed order, each as it is stored, and how one becomes pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from .. import DataError
from .fit import Crop


class ImageError(DataError):
    """Images that can't be used as asked."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a source is asked for.

    Parameters
    ----------
    part : str
        Such as ``train`` or ``test``; empty for the kind's own default.
    channels : int
        1 for grey, 3 for colour; 0 for what the kind has by default.
    """

    part: str = ""
    channels: int = 0


class Item(NamedTuple):
    """One image as it is stored."""

    name: str
    """File, and place in it, for messages."""
    data: bytes | np.ndarray
    """An image file's content, or pixels of shape (H, W, C)."""
    label: int = 0


class Source(Protocol):
    """Images in a fixed order."""

    @property
    def path(self) -> Path:
        """File or folder."""

    @property
    def part(self) -> str:
        """Which part of the data set this is; empty where it has none."""

    @property
    def count(self) -> int:
        """Number of images."""

    @property
    def labelled(self) -> bool:
        """Whether items have labels."""

    @property
    def pads(self) -> bool:
        """Whether smaller images are put in the middle of black, rather than refused."""

    @property
    def size(self) -> int | None:
        """Height and width of images where none is asked for [pixels]; None for as they are."""

    @property
    def crop(self) -> str:
        """Name of the crop where none is asked for."""

    @property
    def crops(self) -> Mapping[str, Crop]:
        """Published crops of these images by their names."""

    def files(self) -> Iterable[Path]:
        """All files that are read."""

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Items of these numbers, read one after the other.

        Raises
        ------
        ImageError
            If one can't be read; the message begins with the file.
        """

    def names(self, stop: int) -> Iterator[str]:
        """Names that the first images have of their own, such as of files; none where they have but numbers."""

    def decode(self, item: Item) -> Image.Image | np.ndarray:
        """The item's picture, grey or colour, or its pixels, shape (H, W, C), 8-bit; called by several threads."""


class Arrays:
    """What sources have in common whose items are pixels already."""

    pads = True
    size: int | None = None
    crop = "none"
    crops: Mapping[str, Crop] = {}

    def names(self, stop: int) -> Iterator[str]:
        """None."""
        return iter(())

    def decode(self, item: Item) -> np.ndarray:
        """The pixels themselves."""
        assert isinstance(item.data, np.ndarray)
        return item.data


@contextlib.contextmanager
def reading(path: Path | str, form: str, *errors: type[Exception], to: type[DataError] = ImageError) -> Iterator[None]:
    """Turn errors of the system and of parsers into one line that names the file and says what it should be."""
    refused: tuple[type[Exception], ...] = (OSError, EOFError, *errors)
    try:
        yield
    except refused as error:
        said = getattr(error, "strerror", None) or (f"lacks {error}" if isinstance(error, KeyError) else str(error))
        detail = " ".join(said.split()) or type(error).__name__
        raise to(f"{path}: can't be read as {form} ({detail})") from error


def check_part(kind: str, part: str, parts: Mapping[str, object], to: type[DataError] = ImageError) -> None:
    """Raise if a data set has no such part."""
    if part not in parts:
        there = ", ".join(parts)
        raise to(f"--part: {kind} has {there or 'no parts'}, got {part!r}")
