"""Making a prepared file of a source, so that a kill loses little and never leaves a file that looks whole.

Until the end, what is written has no header, so that no reader takes it for HDF5, and another name. Images go where
they will stay; beside the file a journal says how many are on disk. When all are, the header that HDF5 makes for them
is put before them, and the file gets its name.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import PIL
from tqdm import tqdm

from ..files import WriteError, name_of, sync_folder, writing
from ..sources.fit import LARGEST_SIDE, Fit, FitError
from ..sources.source import ImageError, Item, Source
from . import journal, layout
from .journal import Journal
from .layout import Layout, chained
from .unfinished import PrepareError, check_disk, expect_new, expect_none_yet, identity, locked, reserve, write_at

TASK = 64  # images that a thread decodes in one go
TASK_BYTES = 4 << 20  # [bytes], stored or decoded, that such a task may have if it has more than one image
PENDING = 2  # tasks a thread that may wait for it
JOURNAL_SECONDS = 2.0
PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EMFILE, errno.ENFILE}
"""What the system says where a source is not damaged but out of reach for now: what is written stays."""


def prepare(source: Source, out: Path, kind: str, fit: Fit, count: int | None = None, workers: int = 0) -> bool:
    """Make a prepared file; see :mod:`.layout` for what is in it.

    Parameters
    ----------
    source : Source
        The images.
    out : Path
        New file.
    kind : str
        Of the source.
    fit : Fit
        What is done to every image.
    count : int, optional
        How many of the first images are taken; default all.
    workers : int
        Threads that decode; 0 for as many as there are cores.

    Returns
    -------
    bool
        Whether an unfinished file was gone on with.

    Raises
    ------
    ImageError
        If an image can't be read or has the wrong size; the message names its file. What was written is removed, unless
        the source was only out of reach.
    PrepareError
        If the file is there, or is made by another process, or an unfinished one has other settings.
    WriteError
        If the file can't be written, as on a full disk; what was written stays, to be gone on with.

    Notes
    -----
    Memory: some tasks of :data:`TASK` images, or of :data:`TASK_BYTES`, for each thread.
    """
    expect_new(out)
    if count is not None and count > source.count:
        raise PrepareError(f"--count: expected at most {source.count}, which {source.path} has, got {count}")
    total = source.count if count is None else count
    fitted = _Fitted(source, fit)
    shape = (total, *fitted.shape())
    with locked(out) as (unfinished, file):
        check_disk(out, math.prod(shape) - os.fstat(file).st_size)
        return _Work(source, out, kind, fitted, shape, unfinished, file).run(workers or os.cpu_count() or 1)


class _Fitted:
    """The images of a source as they will be in the file."""

    def __init__(self, source: Source, fit: Fit):
        self.source, self.fit = source, fit

    def shape(self) -> tuple[int, int, int]:
        """Shape of the first image, which all others must have."""
        height, width, channels = self._pixels(next(self.source.items(0, 1))).shape
        if max(height, width) > LARGEST_SIDE:
            raise ImageError(
                f"{self.source.path}: images have {width} x {height} pixels; expected at most {LARGEST_SIDE} a side, "
                "--size and --crop make them smaller"
            )
        return height, width, channels

    def decode(self, items: list[Item], shape: tuple[int, int, int]) -> np.ndarray:
        """Pixels of some items, shape (len(items), H, W, C)."""
        images = np.empty((len(items), *shape), np.uint8)
        for place, item in enumerate(items):
            pixels = self._pixels(item)
            if pixels.shape != shape:
                (height, width, _), (first_height, first_width, _) = pixels.shape, shape
                raise ImageError(
                    f"{item.name}: has {width} x {height} pixels, the first image {first_width} x {first_height}; "
                    "--size and --crop make all the same"
                )
            images[place] = pixels
        return images

    def _pixels(self, item: Item) -> np.ndarray:
        try:
            return self.fit(self.source.decode(item))
        except FitError as error:
            hint = "; --crop square crops and resizes" if error.cure == "crop" else ""
            raise ImageError(f"{item.name}: {error}{hint}") from error


class _Work:
    """One file in the making."""

    def __init__(
        self,
        source: Source,
        out: Path,
        kind: str,
        fitted: _Fitted,
        shape: tuple[int, int, int, int],
        unfinished: Path,
        file: int,
    ):
        self._source, self._out, self._fitted, self._shape = source, out, fitted, shape
        self._unfinished, self._file = unfinished, file
        self._journal_path, self._head_path = (out.with_name(f".{out.name}.{what}") for what in ("journal", "head"))
        self._attributes: dict[str, str | int] = {
            "format": layout.FORMAT,
            "version": layout.VERSION,
            "complete": 1,
            "kind": kind,
            "source": name_of(source.path),
            "part": source.part,
            "crop": str(fitted.fit),
            "made_with": f"Pillow {PIL.__version__}",
            "source_sha256": "0" * 64,
            "images_sha256": "0" * 64,
        }
        self._settings = self._attributes | {
            "shape": list(shape),
            "labels": source.labelled,
            "content": identity(source.files()),
            "HDF5": h5py.version.hdf5_version,
        }
        self._layout = self._build()
        self._head_path.unlink(missing_ok=True)

    def run(self, workers: int) -> bool:
        """Write what is missing and give the file its name; the result says whether some was there."""
        state = journal.read(self._journal_path, self._settings, self._shape[0])
        resumed = state is not None and os.fstat(self._file).st_size == self._layout.size
        if not resumed or state is None:
            state = Journal(self._settings, 0, b"", b"")
            self._reserve()
        try:
            state = self._fill(state, workers)
        except ImageError as error:
            if getattr(error.__cause__, "errno", None) not in PASSING:
                self._remove()
            raise
        self._finish(state)
        return resumed

    def _reserve(self) -> None:
        """Give the file its size on disk, so that a full one is known of now."""
        with writing(self._out):
            os.ftruncate(self._file, 0)  # what an abandoned file has left
        try:
            reserve(self._file, self._out, self._layout.size)
        except WriteError:
            self._remove()
            raise

    def _fill(self, state: Journal, workers: int) -> Journal:
        count, *shape = self._shape
        step, told = math.prod(shape), time.monotonic()
        pool = ThreadPoolExecutor(workers)
        try:
            with (
                tqdm(total=count, initial=state.done, unit="image", desc=self._out.name, disable=None) as bar,
                writing(self._out),
            ):
                for items, images in self._decoded(pool, state.done, PENDING * workers):
                    source, pixels = state.source, state.images
                    for item, image in zip(items, images, strict=True):
                        source = chained(source, item.data, item.label.to_bytes(8, "little", signed=True))
                        pixels = chained(pixels, image)
                    write_at(self._file, images.data.cast("B"), self._layout.images + state.done * step)
                    if self._source.labelled:
                        labels = np.array([item.label for item in items], "<i8").tobytes()
                        write_at(self._file, memoryview(labels), self._layout.labels + state.done * 8)
                    state = state._replace(done=state.done + len(items), source=source, images=pixels)
                    bar.update(len(items))
                    if time.monotonic() - told >= JOURNAL_SECONDS:
                        self._note(state)
                        told = time.monotonic()
        except BaseException:  # whatever it is, also a kill that waits for us
            with contextlib.suppress(OSError, WriteError):
                self._note(state)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return state

    def _decoded(self, pool: ThreadPoolExecutor, start: int, pending: int) -> Iterator[tuple[list[Item], np.ndarray]]:
        """Items from a number on with their pixels, in order; threads decode while the next are read."""
        waiting: deque[tuple[list[Item], Future[np.ndarray]]] = deque()
        for items in self._tasks(start):
            waiting.append((items, pool.submit(self._fitted.decode, items, self._shape[1:])))
            if len(waiting) > pending:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()

    def _tasks(self, start: int) -> Iterator[list[Item]]:
        items: list[Item] = []
        size, pixels = 0, math.prod(self._shape[1:])
        for item in self._source.items(start, self._shape[0]) if start < self._shape[0] else ():
            items.append(item)
            size += len(item.data) if isinstance(item.data, bytes) else item.data.nbytes
            if len(items) == TASK or max(size, len(items) * pixels) >= TASK_BYTES:
                yield items
                items, size = [], 0
        if items:
            yield items

    def _note(self, state: Journal) -> None:
        """Have the disk keep what is written, then say so."""
        os.fsync(self._file)
        state.write(self._journal_path)

    def _finish(self, state: Journal) -> None:
        with writing(self._out):
            self._note(state)
            self._attributes |= {"source_sha256": state.source.hex(), "images_sha256": state.images.hex()}
            if self._build() != self._layout:
                raise RuntimeError("HDF5 has laid out the same file in two ways")
            try:
                with open(self._head_path, "rb") as head:
                    for begin, end in layout.gaps(self._layout, self._shape):
                        head.seek(begin)
                        write_at(self._file, memoryview(head.read(end - begin)), begin)
            finally:
                self._head_path.unlink(missing_ok=True)
            os.fsync(self._file)
            expect_none_yet(self._out, self._unfinished)
            self._write_names()
            os.replace(self._unfinished, self._out)
            self._journal_path.unlink(missing_ok=True)
            sync_folder(self._out)

    def _write_names(self) -> None:
        """What images are called, a line each, beside the file: of millions, listing them in the source takes long."""
        names = self._source.names(self._shape[0])
        if (first := next(names, None)) is None:
            return
        lines = (name.replace("\\", r"\\").replace("\n", r"\n") for name in itertools.chain([first], names))
        with open(self._head_path, "wb") as file:
            file.writelines(f"{line}\n".encode(errors="backslashreplace") for line in lines)
        os.replace(self._head_path, self._out.with_name(f"{self._out.name}.names"))

    def _build(self) -> Layout:
        with writing(self._out):
            return layout.build(
                self._head_path, self._shape, labelled=self._source.labelled, attributes=self._attributes
            )

    def _remove(self) -> None:
        for path in (self._unfinished, self._journal_path, self._head_path):
            path.unlink(missing_ok=True)
