"""How an image comes to have the size that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .. import UserError

LARGEST_SIDE = 4096  # [pixels] of images in one file
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


class FitError(UserError):
    """A size or a crop that can't be; ``cure`` is ``crop`` where a crop would do."""

    def __init__(self, message: str, cure: str = ""):
        super().__init__(message)
        self.cure = cure


@dataclass(frozen=True)
class Crop:
    """The part of an image that is kept.

    Parameters
    ----------
    name : str
        As told and recorded.
    box : tuple of int or None
        Left, top, right and bottom edge [pixels]; the last two are beyond it. None for the largest centred square.
    filter : str
        Of :data:`FILTERS`, by which the part is resized. Pillow's widen with the scale, so that nothing aliases but by
        ``nearest``.
    """

    name: str
    box: tuple[int, int, int, int] | None = None
    filter: str = "lanczos"

    def __str__(self) -> str:
        box = "" if self.box is None else f" {','.join(map(str, self.box))}"
        return f"{self.name}{box} {self.filter}"

    def of(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Box in an image of this size.

        Raises
        ------
        FitError
            If it is not inside.
        """
        if self.box is None:
            side = min(width, height)
            left, top = (width - side) // 2, (height - side) // 2
            return left, top, left + side, top + side
        if self.box[2] > width or self.box[3] > height:
            box = ",".join(map(str, self.box))
            raise FitError(f"the crop {box} is not inside {width} x {height} pixels")
        return self.box


SQUARE = Crop("square")


def crop_of(text: str, published: Mapping[str, Crop]) -> Crop | None:
    """The crop that a name stands for: ``none``, ``square``, a published one, or LEFT,TOP,RIGHT,BOTTOM in pixels.

    Raises
    ------
    FitError
        If there is no such crop, or nothing is left in it.
    """
    if text == "none":
        return None
    named = {"square": SQUARE, **published}
    if text in named:
        return named[text]
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){3}", text):
        names = ", ".join(("none", *named))
        raise FitError(f"--crop: expected one of {names}, or LEFT,TOP,RIGHT,BOTTOM in pixels, got {text!r}")
    left, top, right, bottom = map(int, text.split(","))
    if not (left < right and top < bottom):
        raise FitError(f"--crop: expected LEFT < RIGHT and TOP < BOTTOM, got {text}")
    return Crop("box", (left, top, right, bottom))


@dataclass(frozen=True)
class Fit:
    """What is done to every image.

    A crop is cut out and resized to ``size`` where its sides differ from that. Without a crop, an image of another size
    is refused; or, where ``pads``, a smaller one is put in the middle of black, and of an odd margin the larger half is
    at the right and at the bottom.

    Parameters
    ----------
    size : int or None
        Height and width [pixels]; None for what the first image has.
    crop : Crop or None
        The part that is kept; None for all of it.
    pads : bool
        Whether smaller images may be padded.
    """

    size: int | None
    crop: Crop | None
    pads: bool

    def __str__(self) -> str:
        if self.crop is not None:
            return str(self.crop)
        return "none, padded with black where smaller" if self.pads else "none"

    def __call__(self, image: Image.Image | np.ndarray) -> np.ndarray:
        """Pixels, shape (H, W, C), 8-bit.

        Raises
        ------
        FitError
            If the image has another size and nothing says what to do about it.
        """
        if self.crop is not None:
            return self._cropped(image if isinstance(image, Image.Image) else picture_of(image))
        pixels = pixels_of(image) if isinstance(image, Image.Image) else image
        height, width = pixels.shape[:2]
        size = self.size
        if size is None or (height, width) == (size, size):
            return pixels
        if not self.pads or max(height, width) > size:
            raise FitError(f"expected {size} x {size} pixels, got {width} x {height}", cure="crop")
        top, left = (size - height) // 2, (size - width) // 2
        return np.pad(pixels, ((top, size - height - top), (left, size - width - left), (0, 0)))

    def _cropped(self, image: Image.Image) -> np.ndarray:
        assert self.crop is not None
        part = image.crop(self.crop.of(*image.size))
        if self.size is not None and part.size != (self.size, self.size):
            part = part.resize((self.size, self.size), FILTERS[self.crop.filter])
        return pixels_of(part)


def pixels_of(image: Image.Image) -> np.ndarray:
    """Pixels of a grey or coloured picture, shape (H, W, 1) or (H, W, 3)."""
    return np.asarray(image).reshape(image.height, image.width, -1)


def picture_of(pixels: np.ndarray) -> Image.Image:
    """The picture that has these pixels, shape (H, W, 1) or (H, W, 3)."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
