"""One picture file as 8-bit pixels."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from .stored import ImageError

SUFFIXES = {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
SUFFIXES |= {".tga", ".tif", ".tiff", ".webp"}
"""How the names of the files end that are taken for pictures."""

ORIENTATION = 0x0112
"""Number of the EXIF tag that says how a picture is to be turned."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(path: Path, size: int, channels: int, crop: bool = False) -> np.ndarray:
    """Pixels of a picture, shape (size, size, channels), from 0 to 255.

    What every viewer shows: turned as its EXIF data say, and where it is transparent, over white. Of 16 bits a channel,
    the upper 8 are taken, of an animation the first picture.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Height and width [pixels].
    channels : int
        1 for grey, 3 for red, green and blue: files are converted.
    crop : bool
        Cut the largest centred square out and resize it to ``size``, instead of expecting that size.

    Raises
    ------
    ImageError
        If the file is no picture, damaged or of another size, or has more than 16 bits a channel.
    """
    image = open_picture(path, path, channels)
    if crop:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side))
        image = square.resize((size, size), Image.Resampling.LANCZOS)
    elif image.size != (size, size):
        raise ImageError(
            f"{path}: expected {size} x {size} pixels, got {image.width} x {image.height}; "
            "data.crop = true crops and resizes"
        )
    return np.asarray(image).reshape(size, size, channels)


def open_picture(file: Path | BinaryIO, path: Path, channels: int) -> Image.Image:
    """A picture of any size, as :func:`read_picture` converts it.

    Parameters
    ----------
    file : Path or file
        The picture, such as a member of an archive.
    path : Path
        Its name, for messages.
    channels : int
        1 for grey, 3 for red, green and blue.

    Raises
    ------
    ImageError
        If the file is no picture, or damaged, or has more than 16 bits a channel.
    """
    try:
        with Image.open(file) as opened:
            opened.load()
            image = _over_white(_of_8_bits(opened, path)).convert("RGB" if channels == 3 else "L")
            turn = _turn(opened)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders meet damage with errors of every kind
        raise ImageError(f"{path}: can't be read as an image ({' '.join(str(error).split())})") from error
    return image if turn is None else image.transpose(turn)


def _of_8_bits(image: Image.Image, path: Path) -> Image.Image:
    """The picture itself, or one of the upper halves of 16-bit greys: Pillow has cut 16-bit colours already."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        values = np.asarray(image)
        upper = (values >> 8).astype(np.uint8)
        if "transparency" in image.info:
            upper[values == image.info["transparency"]] = 255
        return Image.fromarray(upper)
    if image.mode.startswith(("I", "F")):
        raise ImageError(f"{path}: expected 8 or 16 bits a channel, got an image of mode {image.mode}")
    return image


def _over_white(image: Image.Image) -> Image.Image:
    """The picture before a white background, where it is transparent."""
    palette = image.palette.mode if image.palette else ""
    if not (image.mode.endswith(("A", "a")) or palette.endswith("A") or "transparency" in image.info):
        return image
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How a loaded picture is still to be turned: of TIFF, Pillow has done it and taken the tag away."""
    try:
        return TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF data that can't be read say nothing
        return None
