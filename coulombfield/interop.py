"""Points from elsewhere and to elsewhere: array libraries, files, ASE."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import array_api_compat
import h5py
import numpy as np

from .arrays import Array, backend, to_numpy
from .charges import check_points

SUFFIXES = {"npy": (".npy",), "csv": (".csv", ".txt", ".tsv", ".dat"), "hdf5": (".h5", ".hdf5", ".h5md")}


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
        suffix: .npy; .csv, .txt, .tsv and .dat as text with commas, semicolons, tabs or spaces; .h5, .hdf5 and .h5md.
        Of ASE's ``Atoms`` the positions are taken, in Å.
    columns : sequence of int or str, optional
        Which columns are the coordinates, in this order; all if it is left out. Of a text file with a header also by
        name.
    dataset : str
        Path inside an HDF5 file of a dataset of shape (count, m), or of a time-dependent element of H5MD, whose last
        frame is taken.
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
        If the source is nothing that points can come from, or is complex.
    ValueError
        If it does not hold a table of numbers, or a column or a dataset isn't there.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(source, str | Path):
        points = _from_file(Path(source), columns, dataset)
    else:
        points = _select(_from_object(source), columns)
    xp = backend(source=points)
    if points.ndim == 1:
        points = points[:, None]
    if dtype is not None:
        points = xp.astype(points, _named(xp, dtype), copy=False)
    elif points.dtype not in (xp.float32, xp.float64):
        points = xp.astype(points, xp.float64)
    check_points("source", points)
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
        Header: m names; none is written without.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    points = _on_host(positions)
    if names is not None and len(names) != points.shape[1]:
        raise ValueError(f"names: expected {points.shape[1]}, one a column, got {len(names)}")
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
        If ``positions`` are no points, or the file has something of that name.
    """
    points = _on_host(positions)
    with h5py.File(path, "a") as file:
        if dataset in file:
            raise ValueError(f"dataset: {path} has {dataset!r} already; choose another name")
        file.create_dataset(dataset, data=points)


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
        If ASE is not installed.
    TypeError, ValueError
        If an argument does not fit.
    """
    try:
        from ase import Atoms
    except ImportError as error:
        raise ImportError("to_atoms needs ASE: pip install ase") from error
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
            return np.asarray(source, dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"source: expected a table of numbers ({error})") from error
    raise TypeError(f"source: expected an array, a path, ase.Atoms or a sequence, got {type(source).__name__}")


def _from_file(path: Path, columns: Sequence[int | str] | None, dataset: str) -> np.ndarray:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in SUFFIXES["csv"]:
        return _from_text(path, columns)
    if suffix in SUFFIXES["npy"]:
        return _select(np.load(path, allow_pickle=False), columns)
    if suffix in SUFFIXES["hdf5"]:
        with h5py.File(path, "r") as file:
            item = file.get(dataset)
            if isinstance(item, h5py.Group) and "value" in item:
                return _select(item["value"][-1], columns)
            if not isinstance(item, h5py.Dataset):
                raise ValueError(f"dataset: {path} has no dataset {dataset!r}; it has {', '.join(file) or 'none'}")
            return _select(item[()], columns)
    known = ", ".join(suffix for group in SUFFIXES.values() for suffix in group)
    raise ValueError(f"source: expected a file with one of the suffixes {known}, got {path.name}")


def _from_text(path: Path, columns: Sequence[int | str] | None) -> np.ndarray:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError(f"{path}: expected lines of numbers, got none")
    delimiter = next((sign for sign in (",", ";", "\t") if sign in lines[0]), None)
    rows = (
        [line.split(delimiter) for line in lines] if delimiter is None else list(csv.reader(lines, delimiter=delimiter))
    )
    header = None if all(map(_is_number, rows[0])) else [name.strip() for name in rows[0]]
    body = rows if header is None else rows[1:]
    width = len(rows[0])
    for number, row in enumerate(body, start=1 + (header is not None)):
        if len(row) != width:
            raise ValueError(f"{path}: expected {width} columns in every row, got {len(row)} in row {number}")
    wanted = list(range(width)) if columns is None else [_column(name, header, width) for name in columns]
    try:
        return np.asarray([[float(row[i]) for i in wanted] for row in body], dtype=float).reshape(
            len(body), len(wanted)
        )
    except ValueError as error:
        raise ValueError(f"{path}: expected numbers in the columns taken: {error}; choose others by columns") from error


def _column(name: int | str, header: list[str] | None, width: int) -> int:
    if isinstance(name, str):
        if header is None or name not in header:
            raise ValueError(f"columns: no column is named {name!r}; the header is {header}")
        return header.index(name)
    if not -width <= name < width:
        raise ValueError(f"columns: expected numbers from 0 to {width - 1}, got {name}")
    return name % width


def _select(points: Array, columns: Sequence[int | str] | None) -> Array:
    if points.ndim not in (1, 2):
        raise ValueError(f"source: expected shape (count, m) or (count,), got {tuple(points.shape)}")
    if columns is None:
        return points
    xp, device = backend(source=points), array_api_compat.device(points)
    if points.ndim == 1:
        points = points[:, None]
    chosen = [_column(name, None, points.shape[1]) for name in columns]
    return xp.take(points, xp.asarray(chosen, dtype=xp.int64, device=device), axis=1)


def _named(xp: Any, dtype: Any) -> Any:
    text = "float64" if dtype is float else str(dtype)
    for name in ("float32", "float64"):
        if name in text:
            return getattr(xp, name)
    raise TypeError(f"dtype: expected float32 or float64, got {dtype}")


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text)) or text.strip().lower() == "nan"
    except ValueError:
        return False


def _on_host(positions: Array) -> np.ndarray:
    backend(positions=positions)
    check_points("positions", positions)
    return to_numpy(positions)
