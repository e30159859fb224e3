"""What ``python -m experiments data prepare`` and ``data check`` do."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from . import UserError, prepared, registry
from .figures.images import image_grid
from .prepared.check import described
from .sources.fit import LARGEST_SIDE, Fit, crop_of
from .sources.source import Request, Source

GRID = 10  # images along each side of the picture


def prepare(arguments: argparse.Namespace) -> None:
    """Turn a source of images into one HDF5 file."""
    # Pillow warns of large pictures without saying which, and refuses those of twice the size by itself.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    try:
        kind = registry.find("sources", arguments.kind, "open_source")
    except registry.KindError as error:
        names = ", ".join(registry.kinds("sources", "open_source"))
        raise UserError(f"unknown kind {arguments.kind!r}; expected one of {names}") from error
    out: Path = arguments.out
    if out.suffix != ".h5":
        raise UserError(f"expected the name of a new .h5 file, got {str(out)!r}")
    if arguments.size is not None and arguments.size > LARGEST_SIDE:
        raise UserError(f"--size: expected at most {LARGEST_SIDE}, got {arguments.size}")
    source: Source = kind.open_source(arguments.source, Request(part=arguments.part, channels=arguments.channels))
    fit = Fit(arguments.size or source.size, crop_of(arguments.crop or source.crop, source.crops), source.pads)
    resumed = prepared.prepare(source, out, arguments.kind, fit, arguments.count)
    print(f"{out}{' (an unfinished file was gone on with)' if resumed else ''}")


def check(arguments: argparse.Namespace) -> None:
    """Say what is in a prepared file, and draw some of its images."""
    path: Path = arguments.file
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
