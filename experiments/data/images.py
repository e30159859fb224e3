"""Images of an HDF5 file or a folder, read as they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..config import ConfigError
from .hdf5_images import HDF5Images
from .image_files import FolderImages
from .stored import ImageError, Stored, StoredConfig


def open_images(path: Path, size: int, channels: int, *, dataset: str = "", crop: bool = False) -> Stored:
    """Images of a given size in an HDF5 file or a folder.

    Raises
    ------
    ImageError
        If there is nothing at ``path``, or what is there does not fit.
    """
    if path.is_dir():
        return FolderImages(path, size, channels, crop)
    if not path.exists():
        raise ImageError(f"{path}: no such file or folder")
    stored = HDF5Images(path, dataset)
    if stored.shape[1:] != (size, size, channels):
        height, width, found = stored.shape[1:]
        raise ImageError(
            f"{stored.name}: expected images of {size} x {size} pixels with {channels} channels, "
            f"got {height} x {width} with {found}"
        )
    return stored


@dataclass(frozen=True, kw_only=True)
class Config(StoredConfig):
    """Images of a file or a folder.

    Parameters
    ----------
    path : str
        An HDF5 file, or a folder of image files.
    dataset : str
        Name of the HDF5 file's dataset; empty for the only one that can hold images.
    size : int
        Height and width of the images [pixels].
    channels : {3, 1}
        Colour or grey.
    crop : bool
        Cut the largest centred square out of each file of a folder and resize it, instead of expecting ``size``.
    """

    path: str = ""
    dataset: str = ""
    size: int = 64
    channels: Literal[3, 1] = 3
    crop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 4 or self.size & (self.size - 1):
            raise ValueError(f"size: expected a power of 2 from 4 on, got {self.size}")

    def stored(self) -> Stored:
        """The images where they lie.

        Raises
        ------
        ConfigError
            If no path is given: a preset can't know it, so that the presets themselves have none.
        ImageError
            If there are no such images at the path.
        """
        if not self.path:
            raise ConfigError("data.path: missing; expected an HDF5 file or a folder of images: --set data.path=...")
        return open_images(Path(self.path), self.size, self.channels, dataset=self.dataset, crop=self.crop)
