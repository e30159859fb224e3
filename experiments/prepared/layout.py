"""Where everything lies in a prepared file.

A prepared file is HDF5 (1.10 or newer) with the dataset ``images``, uint8 of shape (N, H, W, C), one uncompressed chunk
an image, and where the source has them ``labels``, int64 of shape (N,). The file's attributes say what it was made
of: ``format`` and ``version``, ``kind``, ``source`` (the name of the file or folder), ``part``, ``crop``,
``source_sha256``, ``images_sha256``, ``made_with`` and ``complete``, which is 1.

Both checksums are chains over the images in their order, so that they can be continued: :math:`h_0` is empty, and
:math:`h_{i+1}` is the SHA-256 of :math:`h_i` followed by the content. In ``source_sha256`` that is an image as the
source stores it and its label, in ``images_sha256`` the pixels.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

FORMAT, VERSION = "coulombfield images", 1
IMAGES, LABELS = "images", "labels"
HEAD = 1 << 16  # [bytes] kept free for all that HDF5 writes, so that it lies before the pixels
PAGE = 4096  # [bytes]; pixels begin at a multiple of it


class Layout(NamedTuple):
    """Places in a file."""

    size: int
    """Size of the whole file [bytes]."""
    images: int
    """Where the pixels of the first image begin [bytes]; the others follow it."""
    labels: int
    """Where the first label begins [bytes]; 0 where there are none."""


def build(
    path: Path, shape: tuple[int, int, int, int], *, labelled: bool, attributes: Mapping[str, str | int]
) -> Layout:
    """Write a prepared file without its pixels and labels: where they belong, it has a hole.

    Parameters
    ----------
    path : Path
        New file; one that is there is replaced.
    shape : tuple
        (N, H, W, C).
    labelled : bool
        Whether it has labels.
    attributes : mapping
        Of the file. Values of the same length give the same layout.
    """
    with h5py.File(
        path, "w", libver=("v110", "v110"), meta_block_size=HEAD, alignment_threshold=HEAD, alignment_interval=PAGE
    ) as file:
        file.attrs.update(attributes)
        images = dataset(file, IMAGES, shape, h5py.h5t.STD_U8LE, chunk=(1, *shape[1:]))
        labels = dataset(file, LABELS, shape[:1], h5py.h5t.STD_I64LE) if labelled else None
        step = math.prod(shape[1:])
        first, last = (images.get_chunk_info_by_coord((n, 0, 0, 0)).byte_offset for n in (0, shape[0] - 1))
        if last - first != (shape[0] - 1) * step:
            raise RuntimeError("HDF5 has not put the chunks one after the other")
        place = 0 if labels is None else labels.get_offset()
    with open(path, "rb+") as whole:
        size = max(whole.seek(0, 2), first + math.prod(shape))
        whole.truncate(size)
    return Layout(size, first, place)


def dataset(file: h5py.File, name: str, shape: tuple[int, ...], form: h5py.h5t.TypeID, chunk: tuple[int, ...] = ()):
    """A dataset whose place in the file is settled now, and that nothing is written to."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if chunk:
        creation.set_chunk(chunk)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # so that the same images give the same bytes
    return h5py.h5d.create(file.id, name.encode(), form, h5py.h5s.create_simple(shape), creation)


def gaps(layout: Layout, shape: tuple[int, int, int, int]) -> Iterator[tuple[int, int]]:
    """Begin and end of all that is neither pixels nor labels: what HDF5 itself has written."""
    filled = [(layout.images, math.prod(shape))]
    if layout.labels:
        filled.append((layout.labels, shape[0] * np.dtype(np.int64).itemsize))
    start = 0
    for begin, length in sorted(filled):
        yield start, begin
        start = begin + length
    yield start, layout.size


def chained(before: bytes, *content: bytes | np.ndarray) -> bytes:
    """The next link of a checksum."""
    digest = hashlib.sha256(before)
    for each in content:
        digest.update(each if isinstance(each, bytes) else each.data)
    return digest.digest()
