"""Where sums are written to: arrays and datasets of the user, or new arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..sums.request import Result


class Sink:
    """A potential, a field or both, written by rows.

    Parameters
    ----------
    out : Result
        Arrays or datasets to write into, as far as sums are wanted; None stands for new arrays.
    wanted : Result
        The shapes that they should have; None for what is not wanted.
    dtype : dtype
        Of the sums.
    memory : int
        Most bytes of new arrays.

    Raises
    ------
    TypeError, ValueError
        If something can't be written into, has another shape or dtype, or a new array would be too large.
    """

    def __init__(self, out: Result, wanted: Result, dtype: np.dtype, memory: int):
        places: list[Any] = []
        for name, given, shape in zip(Result._fields, out, wanted, strict=True):
            if shape is None:
                places.append(None)
                continue
            size = int(np.prod(shape, dtype=float)) * dtype.itemsize
            if given is None and size > memory:
                raise ValueError(f"out: the {name} takes {size:,} bytes, more than memory={memory:,}; give a dataset")
            places.append(np.empty(shape, dtype) if given is None else _checked(name, given, shape, dtype))
        self.result = Result(*places)
        self.kept = all(given is not None or shape is None for given, shape in zip(out, wanted, strict=True))
        """Whether all that is written is there after the process has ended."""

    def write(self, rows: slice, part: Result) -> None:
        """Write some rows."""
        for place, values in zip(self.result, part, strict=True):
            if place is not None:
                place[rows] = values

    def flush(self) -> None:
        """Have what has been written leave the process."""
        for place in self.result:
            if hasattr(place, "flush"):  # a memory map; an h5py dataset has that of its file
                place.flush()


def _checked(name: str, given: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    if not all(hasattr(given, attribute) for attribute in ("shape", "dtype", "__setitem__")):
        raise TypeError(f"out: expected an array or dataset for the {name}, got {type(given).__name__}")
    dask = sys.modules.get("dask.array")
    if dask is not None and isinstance(given, dask.Array):  # which takes values, but into another graph
        raise TypeError(f"out: expected an array or dataset for the {name} that keeps what is written, got Dask's")
    if tuple(given.shape) != shape:
        raise ValueError(f"out: expected shape {shape} for the {name}, got {tuple(given.shape)}")
    if given.dtype != dtype:
        raise TypeError(f"out: expected dtype {dtype} for the {name}, got {given.dtype}")
    if isinstance(given, np.ndarray) and not given.flags.writeable:
        raise ValueError(f"out: the {name}'s array is read-only")
    return given
