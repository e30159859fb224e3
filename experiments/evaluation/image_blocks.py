"""8-bit images of whatever a user has: folders, archives, HDF5, arrays, and generators of run folders."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import DataError, trained
from ..data.hdf5_images import HDF5Images
from ..data.stored import check_values
from ..features.measuring import eight_bits
from ..runs.folder import RunFolder
from ..sources.folder import hidden, image_files
from ..sources.picture import SUFFIXES, open_picture

BLOCK = 250  # images at a time
GENERATED = 50_000  # samples of a generator behind a published distance
BOUNDS = (-1.0, 1.0)  # of floating-point images in files


class Images(NamedTuple):
    """Images of one source."""

    total: int
    """How many there are, or will be taken."""
    blocks: Iterator[np.ndarray]
    """Images of uint8, shape (n, H, W, C), C = 1 or 3, n up to :data:`BLOCK`; sizes may differ from block to block."""


def open_images(path: Path, count: int | None = None) -> Images:
    """Images of a place, as they are: none is resized.

    Parameters
    ----------
    path : Path
        A run's folder, whose generator makes them; a folder or .zip of picture files, in the order of their names; an
        HDF5 file; .npy, or .npz with one array, of shape (N, H, W) or (N, H, W, C), of uint8 or of floating point
        between -1 and 1.
    count : int, optional
        The first so many; by default all, and :data:`GENERATED` of a generator.

    Raises
    ------
    UserError
        If there is nothing of the kind; the message begins with the path. An image that can't be read says so when its
        turn comes.
    """
    if path.is_dir():
        return _generated(path, count) if RunFolder(path).config.is_file() else _folder(path, count)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return _archive(path, count)
    if suffix in (".h5", ".hdf5"):
        stored = HDF5Images(path)
        total = _least(stored.shape[0], count)
        ranges = (np.arange(start, min(start + BLOCK, total)) for start in range(0, total, BLOCK))
        return Images(total, (_pixels(path, stored.read(index)) for index in ranges))
    if suffix in (".npy", ".npz"):
        return _array(path, count)
    raise DataError(f"{path}: expected a folder, or a file that ends in .zip, .h5, .hdf5, .npy or .npz")


def _generated(path: Path, count: int | None) -> Images:
    gan = trained.load(path)
    if gan.form != "images":
        raise DataError(f"{path}: expected a generator of images, got one of {gan.form}")
    total = GENERATED if count is None else count
    return Images(total, generated(gan, gan.draw_latent(total)))


def generated(gan: trained.Trained, latent: np.ndarray) -> Iterator[np.ndarray]:
    """Images of latent vectors, whole batches of the training's size at a time."""
    batch = gan.config.training.batch
    step = -(-BLOCK // batch) * batch
    black, white = gan.bounds or BOUNDS
    for start in range(0, len(latent), step):
        yield eight_bits(gan.generate(latent[start : start + step]), (black, white))


def _folder(path: Path, count: int | None) -> Images:
    files = image_files(path)[:count]
    pictures = (np.asarray(open_picture(file, file, 3)) for file in files)
    return Images(len(files), _together(pictures))


def _archive(path: Path, count: int | None) -> Images:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise DataError(f"{path}: can't be read as .zip ({' '.join(str(error).split())})") from error
    there = sorted(name for name in archive.namelist() if Path(name).suffix.lower() in SUFFIXES)
    names = [name for name in there if not hidden(Path(name))][:count]
    if not names:
        archive.close()
        raise DataError(f"{path}: no image files in it")
    return Images(len(names), _together(_members(path, archive, names)))


def _members(path: Path, archive: zipfile.ZipFile, names: Iterable[str]) -> Iterator[np.ndarray]:
    with archive:
        for name in names:
            try:
                content = archive.read(name)
            except Exception as error:  # damage, encryption, methods that this Python lacks
                raise DataError(f"{path}: {name} can't be read ({' '.join(str(error).split())})") from error
            yield np.asarray(open_picture(io.BytesIO(content), path / name, 3))


def _array(path: Path, count: int | None) -> Images:
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with np.load(path, allow_pickle=False) as file:
                if len(file.files) != 1:
                    there = ", ".join(file.files) or "nothing"
                    raise DataError(f"{path}: expected mu and sigma, or one array of images; there: {there}")
                values = file[file.files[0]]
    except (DataError, MemoryError):
        raise
    except Exception as error:  # damaged files fail with errors of every kind
        raise DataError(f"{path}: can't be read as {path.suffix} ({' '.join(str(error).split())})") from error
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path}: expected one array, as .npy files have it, got an archive of arrays: an .npz file")
    if values.ndim == 3:
        values = values[..., np.newaxis]
    kinds = (np.uint8, np.float16, np.float32, np.float64)
    if values.ndim != 4 or values.shape[3] not in (1, 3) or not values.size or values.dtype not in kinds:
        raise DataError(
            f"{path}: expected images of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), 8-bit or floating-point, got "
            f"{values.dtype} of {values.shape}"
        )
    total = _least(len(values), count)
    if values.dtype != np.uint8 and values[:total].min() >= 0 and values[:total].max() <= 1:
        warnings.warn(f"{path}: no value is below 0, and -1 is taken for black, 1 for white", stacklevel=2)
    return Images(total, (_pixels(path, values[i : min(i + BLOCK, total)]) for i in range(0, total, BLOCK)))


def _pixels(path: Path, images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return np.asarray(images)
    check_values(path, images)
    return eight_bits(images, BOUNDS)


def _together(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Pictures of one size that follow each other, as blocks."""
    block: list[np.ndarray] = []
    for picture in pictures:
        if block and (len(block) == BLOCK or picture.shape != block[0].shape):
            yield np.stack(block)
            block = []
        block.append(picture)
    if block:
        yield np.stack(block)


def _least(there: int, count: int | None) -> int:
    return there if count is None else min(there, count)
