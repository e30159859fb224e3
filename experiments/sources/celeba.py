"""CelebA's aligned images, as a folder or the published zip, with its partition and the crops of published programs.

Z. Liu, P. Luo, X. Wang and X. Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015. ``img_align_celeba`` has
202,599 JPEG files of 178 x 218 pixels; ``list_eval_partition.txt`` gives for each 0 (train), 1 (valid) or 2 (test).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from PIL import Image

from .fit import Crop, FitError
from .folder import FolderSource, image_files
from .picture import SUFFIXES
from .source import ImageError, Item, Request, check_part, reading

WIDTH, HEIGHT = 178, 218
IMAGES, PARTITION = "img_align_celeba", "list_eval_partition.txt"
PARTS = {"all": None, "train": "0", "valid": "1", "test": "2"}
CROPS = {
    crop.name: crop
    for crop in (
        # carpedm20/DCGAN-tensorflow: center_crop of 108, then scipy.misc.imresize, which is Pillow's bilinear
        Crop("dcgan", (35, 55, 143, 163), "bilinear"),
        # carpedm20/BEGAN-tensorflow: crop_to_bounding_box(50, 25, 128, 128), then resize_nearest_neighbor
        Crop("began", (25, 50, 153, 178), "nearest"),
        # tkarras/progressive_growing_of_gans: 128 pixels around (89, 121), then means of 2 x 2
        Crop("progressive", (25, 57, 153, 185), "box"),
        # yang-song/score_sde and ermongroup/ncsn: central crop of 140
        Crop("ncsn", (19, 39, 159, 179), "bilinear"),
        # CenterCrop(148), as of VAEs since DFC-VAE
        Crop("vae", (15, 35, 163, 183), "bilinear"),
        # the tutorials of PyTorch and martinarjovsky/WassersteinGAN, but for less than half a pixel: they
        # resize the short side to 64 first, then cut out the centre
        Crop("pytorch", (0, 20, 178, 198), "bilinear"),
    )
}
"""Published crops of the aligned images by the programs that they are from, with the filter that resizes them."""
DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, KeyError)


def open_source(path: Path, request: Request) -> FolderSource:
    """All images, unless a part is asked for.

    Parameters
    ----------
    path : Path
        ``img_align_celeba``, ``img_align_celeba.zip``, or a folder that holds one of these.
    request : Request
        Which part.

    Raises
    ------
    ImageError
        If images or the partition are missing.
    """
    part = request.part or "all"
    check_part("celeba", part, PARTS)
    images = _images(path)
    packed = not images.is_dir()
    if packed:
        with reading(images, "a zip file", *DAMAGE), zipfile.ZipFile(images) as archive:
            names = [PurePosixPath(name) for name in archive.namelist()]
        there = {
            name.stem: Path(name) for name in names if name.suffix.lower() in SUFFIXES and "__MACOSX" not in name.parts
        }
        if not there:
            raise ImageError(f"{images}: no image files in it")
    else:
        there = {file.stem: file for file in image_files(images)}
    chosen = _chosen(images, part, there)
    if not packed:
        return CelebA(images, chosen, request.channels or 3, part, CROPS)
    return CelebAZip(images, chosen, request.channels or 3, part, CROPS)


class CelebA(FolderSource):
    """Aligned images."""

    size = 64
    crop = "dcgan"

    def decode(self, item: Item) -> Image.Image:
        """The picture, which has the size of all aligned ones."""
        image = super().decode(item)
        if image.size != (WIDTH, HEIGHT):
            width, height = image.size
            raise FitError(f"expected {WIDTH} x {HEIGHT} pixels, as aligned images have, got {width} x {height}")
        return image


class CelebAZip(CelebA):
    """Aligned images in a zip file; a member's checksum is compared when it is read."""

    def files(self) -> Iterable[Path]:
        """The zip file."""
        return [self.path]

    def names(self, stop: int) -> Iterator[str]:
        """Paths inside the zip file."""
        return (path.as_posix() for path in self._paths[:stop])

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Contents of members."""
        with reading(self.path, "a zip file", *DAMAGE), zipfile.ZipFile(self.path) as archive:
            for name in self._paths[start:stop]:
                yield Item(f"{self.path}: {name}", archive.read(name.as_posix()))


def _images(path: Path) -> Path:
    if not path.exists():
        raise ImageError(f"{path}: no such file or folder")
    inside = (path / folder / f"{IMAGES}{end}" for folder in (".", "Img") for end in ("", ".zip"))
    images = next((each for each in inside if each.exists()), path)
    nested = images / IMAGES  # where a zip was unpacked into a folder of its name
    return nested if nested.is_dir() else images


def _chosen(images: Path, part: str, there: dict[str, Path]) -> list[Path]:
    """Files of a part, in the order of their names; all that the partition names must be there."""
    folders = [images.parent, images.parent.parent, *(each / "Eval" for each in (images.parent, images.parent.parent))]
    partition = next((folder / PARTITION for folder in folders if (folder / PARTITION).is_file()), None)
    if partition is None:
        if PARTS[part] is None:
            return [there[stem] for stem in sorted(there)]
        raise ImageError(f"{images}: --part {part} needs {PARTITION}, in {images.parent} or Eval there")
    numbers: dict[str, str] = {}
    with reading(partition, "a partition", UnicodeDecodeError):
        lines = partition.read_text(encoding="ascii").splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) != 2 or words[1] not in ("0", "1", "2"):
            raise ImageError(f"{partition}: line {number}: expected a name and 0, 1 or 2, got {line[:80]!r}")
        numbers[Path(words[0]).stem] = words[1]
    wanted = sorted(stem for stem, found in numbers.items() if PARTS[part] in (None, found))
    if missing := [stem for stem in wanted if stem not in there]:
        raise ImageError(f"{images}: {len(missing)} images of {partition} missing, such as {missing[0]}")
    if not wanted:
        raise ImageError(f"{partition}: names no images of {part}")
    return [there[stem] for stem in wanted]
