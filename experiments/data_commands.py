"""What ``python -m experiments data prepare`` and ``data check`` do."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from . import UserError, prepared, registry, text
from .figures.images import image_grid
from .prepared.check import described
from .sources.fit import LARGEST_SIDE, Fit, crop_of
from .sources.source import Request, Source
from .text.check import described as described_text

GRID = 10  # images along each side of the picture
LINES = 10  # of text that are printed
FORMS = {"open_source": "images", "open_lines": "text"}
"""What a kind of source has, by the function that opens it."""
OPTIONS = {"images": ("size", "crop", "channels"), "text": ("unit", "length", "vocabulary")}
"""Which options are of one form of data alone."""


def prepare(arguments: argparse.Namespace) -> None:
    """Turn a source of images or of text into one HDF5 file."""
    opener, kind = _opener(arguments.kind)
    form = FORMS[opener]
    for other in OPTIONS:
        for name in OPTIONS[other]:
            if other != form and getattr(arguments, name):
                raise UserError(f"--{name}: is for {other}, and {arguments.kind} is a kind of {form}")
    if arguments.out.suffix != ".h5":
        raise UserError(f"expected the name of a new .h5 file, got {str(arguments.out)!r}")
    if form == "images":
        _prepare_images(arguments, kind)
    else:
        _prepare_text(arguments, kind)


def check(arguments: argparse.Namespace) -> None:
    """Say what is in a prepared file, and show some of it."""
    path: Path = arguments.file
    if _is_text(path):
        if arguments.out is not None:
            raise UserError(f"--out: is for images, and {path} has text")
        for line in described_text(text.check(path, LINES)):
            print(line)
        return
    out: Path = arguments.out or path.with_name(f"{path.name}.png")
    if out.suffix != ".png":
        raise UserError(f"--out: expected a name that ends in .png, got {str(out)!r}")
    if not out.parent.is_dir():
        raise UserError(f"--out: no such folder: {out.parent}")
    found = prepared.check(path, GRID**2)
    for line in described(found):
        print(line)
    image_grid(out, found.shown.astype(np.float32) / 127.5 - 1, GRID)
    print(out)


def _opener(kind: str) -> tuple[str, Any]:
    """Name of the function that opens a kind's sources, and the module that has it."""
    for opener in FORMS:
        try:
            return opener, registry.find("sources", kind, opener)
        except registry.KindError:
            continue
    names = ", ".join(name for opener in FORMS for name in registry.kinds("sources", opener))
    raise UserError(f"unknown kind {kind!r}; expected one of {names}")


def _prepare_images(arguments: argparse.Namespace, kind: Any) -> None:
    # Pillow warns of large pictures without saying which, and refuses those of twice the size by itself.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    if arguments.size is not None and arguments.size > LARGEST_SIDE:
        raise UserError(f"--size: expected at most {LARGEST_SIDE}, got {arguments.size}")
    source: Source = kind.open_source(arguments.source, Request(part=arguments.part, channels=arguments.channels))
    fit = Fit(arguments.size or source.size, crop_of(arguments.crop or source.crop, source.crops), source.pads)
    resumed = prepared.prepare(source, arguments.out, arguments.kind, fit, arguments.count)
    print(f"{arguments.out}{' (an unfinished file was gone on with)' if resumed else ''}")


def _prepare_text(arguments: argparse.Namespace, kind: Any) -> None:
    if arguments.unit not in text.UNITS:
        raise UserError(
            f"--unit: expected characters or bytes, got {arguments.unit or 'none'}; the program of Gulrajani et al., "
            "in Python 2, took bytes, which differ where text is not ASCII"
        )
    source = kind.open_lines(arguments.source, arguments.part)
    made = text.prepare(
        source,
        arguments.out,
        arguments.kind,
        arguments.unit,
        length=arguments.length or text.LENGTH,
        vocabulary=arguments.vocabulary or text.VOCABULARY,
        count=arguments.count,
    )
    blank = f"; {made.blank} blank lines left out" if made.blank else ""
    print(
        f"{arguments.out}: {made.shape[0]} lines of {made.shape[1]} {arguments.unit}, {len(made.alphabet)} codes{blank}"
    )


def _is_text(path: Path) -> bool:
    """Whether a file says that it has text; what can't be read has not."""
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("format") == text.FORMAT
    except OSError:
        return False
