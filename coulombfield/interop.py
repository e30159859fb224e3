"""Points from elsewhere and to elsewhere: array libraries, files, ASE."""

from __future__ import annotations

import csv
import decimal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import array_api_compat
import h5py
import numpy as np

from .arguments import entries, is_real
from .arrays import Array, backend, to_numpy
from .charges import check_points
from .packages import trouble_with
from .point_files import find_columns, is_number, read_table


def positions_from(
    source: Any,
    *,
    columns: Sequence[int | str] | None = None,
    dataset: str = "positions",
    dtype: Any = None,
) -> Array:
    """Points of shape (count, m) from an array of any library, a file, or a set of atoms.

    Parameters
    ----------
    source : array, path, ase.Atoms or nested sequence
        An array-API array (NumPy, CuPy, PyTorch, ...) stays in its library and on its device; anything else with
        ``__dlpack__`` becomes a NumPy array that shares its memory, if that lies on the host. A path is read by its
        suffix: .npy; .csv, .txt, .tsv and .dat as text with semicolons, tabs, commas or spaces between the columns,
        the first of these that the first line has; .h5, .hdf5 and .h5md. Of ASE's ``Atoms`` the positions are taken, in
        Å.
    columns : sequence of int or str, optional
        Which columns are the coordinates, in this order; all if it is left out. Of a text file with a header also by
        name.
    dataset : str
        Path inside an HDF5 file of a dataset of shape (count, m), or of a time-dependent element of H5MD, whose last
        frame is taken. Rows of nothing but the fill value NaN are no points, nor those whose ``id`` is its fill value.
    dtype : dtype, optional
        float32 or float64. Without it these stay as they are, and text, integers and float16 become float64.

    Returns
    -------
    array, shape (count, m)
        The points; a vector of N numbers becomes shape (N, 1). Where nothing had to be converted or selected it
        shares the memory of the source.

    Raises
    ------
    TypeError
        If the source is nothing that points can come from, or holds complex numbers, booleans or dates.
    ValueError
        If it does not hold a table of numbers, or a column or a dataset isn't there; if a file can't be read, or a cell
        that is taken is no number. Of a file the error begins with its path.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    The first row of text is a header if none of the cells that are taken is a number, or if columns are asked for by
    name. Text is in UTF-8, or in UTF-16 with its mark. Numbers have decimal points: a decimal comma is an error where
    semicolons or tabs part the columns, but a single column of them reads as two.
    """
    name = "source"
    if isinstance(source, str | Path):
        name = str(source)
        points, columns = read_table(Path(source), columns, dataset)
    else:
        points = _from_object(source)
    xp = backend(**{name: points})
    if not xp.isdtype(points.dtype, ("integral", "real floating")):
        raise TypeError(f"{name}: expected real numbers, got dtype {points.dtype}")
    if points.ndim not in (1, 2):
        raise ValueError(f"{name}: expected shape (count, m) or (count,), got {tuple(points.shape)}")
    if columns is not None:
        points = _select(xp, points, columns)
    if points.ndim == 1:
        points = points[:, None]
    if dtype is not None:
        points = xp.astype(points, _named(xp, dtype), copy=False)
    elif points.dtype not in (xp.float32, xp.float64):
        points = xp.astype(points, xp.float64)
    check_points(name, points)
    return points


def to_npy(path: str | Path, positions: Array) -> None:
    """Write points to a .npy file, with their dtype."""
    with open(path, "wb") as file:
        np.save(file, _on_host(positions))


def to_csv(path: str | Path, positions: Array, *, names: Sequence[str] | None = None) -> None:
    """Write points as text with commas, in as many digits as bring every bit back.

    Parameters
    ----------
    path : path
        The file.
    positions : array, shape (count, m)
        The points.
    names : sequence of str, optional
        Header: m names that can't be read as numbers; none is written without.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    points = _on_host(positions)
    if names is not None:
        names = _checked_names(names, points.shape[1])
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if names is not None:
            writer.writerow(names)
        writer.writerows([str(x) for x in row] for row in points)


def to_hdf5(path: str | Path, positions: Array, *, dataset: str = "positions") -> None:
    """Write points to a dataset of an HDF5 file, which may be there already, the dataset not.

    Raises
    ------
    TypeError, ValueError
        If ``positions`` are no points, or the file is of another format, has something of that name or can't have it.
    """
    points = _on_host(positions)
    if not isinstance(dataset, str):
        raise TypeError(f"dataset: expected text, got {type(dataset).__name__}")
    if not dataset.strip("/") or "\0" in dataset:
        raise ValueError(f"dataset: expected the name of a dataset, got {dataset!r}")
    if Path(path).exists() and not h5py.is_hdf5(path):
        raise ValueError(f"{path}: expected an HDF5 file, to put a dataset into")
    with h5py.File(path, "a") as file:
        if dataset in file:
            raise ValueError(f"dataset: {path} has {dataset!r} already; choose another name")
        try:
            file.create_dataset(dataset, data=points)
        except (TypeError, ValueError) as error:  # such as a name inside of a dataset
            raise ValueError(f"dataset: {path} can't have {dataset!r} ({error})") from error


def to_atoms(positions: Array, *, symbols: Any = None, charges: Array | None = None) -> Any:
    """Points as an ``ase.Atoms``, taken as Å; up to three dimensions, the missing ones 0.

    Parameters
    ----------
    positions : array, shape (count, m), m ≤ 3
        The points.
    symbols : str or sequence of str, optional
        What ASE takes for them; 'X', an atom of no element, each if it is left out.
    charges : array, shape (count,), optional
        Initial charges.

    Returns
    -------
    ase.Atoms
        The atoms, without a cell.

    Raises
    ------
    ImportError
        If ASE is not installed or can't be imported.
    TypeError, ValueError
        If an argument does not fit.
    """
    if trouble := trouble_with("ase", "pip install ase"):
        raise ImportError(f"to_atoms needs ASE: {trouble}")
    from ase import Atoms

    points = _on_host(positions)
    if points.shape[1] > 3:
        raise ValueError(f"positions: expected at most 3 dimensions for ase.Atoms, got {points.shape[1]}")
    padded = np.zeros((len(points), 3))
    padded[:, : points.shape[1]] = points
    symbols = ["X"] * len(points) if symbols is None else symbols
    return Atoms(symbols, positions=padded, charges=None if charges is None else to_numpy(charges))


def _from_object(source: Any) -> Array:
    if array_api_compat.is_array_api_obj(source) and not isinstance(source, np.generic):
        return source
    if hasattr(source, "get_positions"):  # ase.Atoms
        return np.asarray(source.get_positions())
    if hasattr(source, "__dlpack__"):
        return np.from_dlpack(source)
    if isinstance(source, list | tuple):
        try:
            return _table(source)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"source: expected a table of numbers ({error})") from error
    raise TypeError(f"source: expected an array, a path, ase.Atoms or a sequence, got {type(source).__name__}")


def _table(source: Sequence[Any]) -> np.ndarray:
    """Nested sequences as an array, whose type says what they were made of."""
    table = np.asarray(source)
    if table.dtype.kind == "O":  # integers beyond 64 bits, fractions, decimals: but not None, which would be NaN
        for cell in table.flat:
            if not is_real(cell) and not isinstance(cell, decimal.Decimal):
                raise ValueError(f"got {cell!r}")
        return table.astype(float)
    if table.dtype.kind in "SU":
        raise ValueError("got text")
    return table


def _select(xp: Any, points: Array, columns: Sequence[int | str]) -> Array:
    if points.ndim == 1:
        points = points[:, None]
    return xp.stack([points[:, i] for i in find_columns(columns, None, points.shape[1])], axis=1)


def _named(xp: Any, dtype: Any) -> Any:
    text = "float64" if dtype is float else str(dtype)
    for name in ("float32", "float64"):
        if name in text:
            return getattr(xp, name)
    raise TypeError(f"dtype: expected float32 or float64, got {dtype}")


def _checked_names(names: Sequence[str], count: int) -> list[str]:
    """Names of columns, unless their row would be read as points or can't be written."""
    found: list[str] = entries("names", names, "names, one a column,", count)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"names: expected text, got {type(name).__name__}")
        if is_number(name) or not name.isprintable():
            raise ValueError(f"names: expected printable text that is no number, got {name!r}")
    return found


def _on_host(positions: Array) -> np.ndarray:
    backend(positions=positions)
    check_points("positions", positions)
    return to_numpy(positions)
