"""What all readers of files share: errors that begin with the file's path, and the rows that are there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np


@contextlib.contextmanager
def naming(path: Path, kind: str) -> Iterator[None]:
    """Let whatever goes wrong begin with the file's path: damage shows as an error of any class, without a name.

    Raises
    ------
    ValueError
        For every error inside, with its first line; one that begins with the path already passes.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: "):
            raise
        reason = str(error).partition("\n")[0]  # NumPy goes on with how to load what can't be trusted
        raise ValueError(f"{path}: can't be read as {kind}: {reason or type(error).__name__}") from error


def rows_there(dataset: h5py.Dataset, values: np.ndarray) -> np.ndarray | None:
    """Which rows of a dataset hold anything; None if its fill value can't tell.

    Sets whose size changes are kept in arrays of the largest size, filled up: with NaN, where that is the fill value.

    Parameters
    ----------
    dataset : h5py.Dataset
        Where the values come from.
    values : array, shape (count,) or (count, m)
        Its values at one time.

    Returns
    -------
    array of bool, shape (count,), or None
        False for a row of nothing but NaN.
    """
    if (
        values.ndim not in (1, 2)
        or values.dtype.kind != "f"
        or not _set_fill(dataset)
        or not np.isnan(dataset.fillvalue)
    ):
        return None
    there = ~np.isnan(values)
    return there if there.ndim == 1 else there.any(axis=1)


def ids_there(dataset: h5py.Dataset, values: np.ndarray) -> np.ndarray | None:
    """Which particles exist, by the identifiers of H5MD's ``id``: those other than a fill value that its program set.

    Parameters and result are those of :func:`rows_there`; where that fill value is NaN, so is the meaning.
    """
    if values.ndim != 1 or values.dtype.kind not in "iu":
        return rows_there(dataset, values)
    return values != dataset.fillvalue if _set_fill(dataset) else None


def _set_fill(dataset: h5py.Dataset) -> bool:
    """Whether a program has set the fill value, which otherwise is 0 or undefined."""
    return dataset.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
