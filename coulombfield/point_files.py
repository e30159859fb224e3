"""Tables of numbers in files: text, NumPy's own format, HDF5. Every error begins with the file's path."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .arguments import is_integer
from .files import ids_there, naming, rows_there

SUFFIXES = {"npy": (".npy",), "csv": (".csv", ".txt", ".tsv", ".dat"), "hdf5": (".h5", ".hdf5", ".h5md")}
UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
QUOTED = re.compile('"[^"]*"')


def read_table(path: Path, columns: Sequence[int | str] | None, dataset: str) -> tuple[np.ndarray, Any]:
    """What a file holds, and which columns of it are yet to be taken; arguments as for ``positions_from``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it can't be read, has no such dataset or no such column, or a cell of text that is taken is no number.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in SUFFIXES["csv"]:
        return _from_text(path, columns), None
    if suffix in SUFFIXES["npy"]:
        with naming(path, "a NumPy array of numbers"), open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False), columns
    if suffix in SUFFIXES["hdf5"]:
        return _from_hdf5(path, dataset), columns
    known = ", ".join(suffix for group in SUFFIXES.values() for suffix in group)
    raise ValueError(f"source: expected a file with one of the suffixes {known}, got {path.name}")


def find_columns(columns: Sequence[int | str], header: list[str] | None, width: int) -> list[int]:
    """Numbers of the columns that are asked for by number or by name."""
    if isinstance(columns, str) or not isinstance(columns, Sequence | np.ndarray):
        raise TypeError(f"columns: expected a sequence of numbers or names, got {columns!r}")
    if len(columns) == 0:
        raise ValueError("columns: expected at least one, got none")
    return [_column(name, header, width) for name in columns]


def _column(name: int | str, header: list[str] | None, width: int) -> int:
    if isinstance(name, str):
        if header is None or name not in header:
            raise ValueError(f"columns: no column is named {name!r}; the header is {header}")
        if header.count(name) > 1:
            raise ValueError(f"columns: {header.count(name)} columns are named {name!r}; choose by number")
        return header.index(name)
    if not is_integer(name):
        raise TypeError(f"columns: expected numbers or names of columns, got {name!r}")
    if not -width <= name < width:
        raise ValueError(f"columns: expected numbers from 0 to {width - 1}, got {name}")
    return int(name) % width


def _from_hdf5(path: Path, dataset: str) -> np.ndarray:
    if not isinstance(dataset, str):
        raise TypeError(f"dataset: expected text, got {type(dataset).__name__}")
    table = None
    with naming(path, "HDF5"), h5py.File(path, "r") as file:
        item = file.get(dataset)
        if isinstance(item, h5py.Group) and isinstance(item.get("value"), h5py.Dataset):
            table = _last(item, item.parent.get("id"))
        elif isinstance(item, h5py.Dataset):
            if item.shape is None:
                raise ValueError(f"{path}: dataset {dataset!r} is empty")
            table = item[()]
            rows = rows_there(item, table)
            table = table if rows is None else table[rows]
        there = ", ".join(file) or "none"
    if table is None:
        raise ValueError(f"{path}: has no dataset {dataset!r}; it has {there}")
    return table


def _last(element: h5py.Group, identifiers: Any) -> np.ndarray:
    """Last frame of an H5MD element, without the rows that are no particles by their identifiers or by themselves."""
    if not element["value"].shape or not len(element["value"]):
        raise ValueError(f"{element.file.filename}: {element.name} has no frame")
    table = element["value"][-1]
    rows = rows_there(element["value"], table)
    if rows is None and isinstance(identifiers, h5py.Group) and "value" in identifiers:
        rows = ids_there(identifiers["value"], identifiers["value"][-1])
    return table[rows] if rows is not None and rows.shape == table.shape[:1] else table


def _from_text(path: Path, columns: Sequence[int | str] | None) -> np.ndarray:
    delimiter, lines = _rows(path)
    numbers, rows = [number for number, _ in lines], [row for _, row in lines]
    first, width = [cell.strip() for cell in rows[0]], len(rows[0])
    for number, row in lines:
        if len(row) != width:
            raise ValueError(f"{path}: expected {width} columns in every row, got {len(row)} in row {number}")
    named = isinstance(columns, Sequence | np.ndarray) and any(isinstance(name, str) for name in columns)
    wanted = list(range(width)) if columns is None else find_columns(columns, first if named else None, width)
    # A row of which a cell that is taken is a number has data: what else is in it is a fault, as in any later row.
    if named or not any(is_number(first[i]) for i in wanted):
        numbers, rows = numbers[1:], rows[1:]
    try:
        cells = [[float(row[i]) for i in wanted] for row in rows]
    except ValueError:
        number, i, cell = next(
            (number, i, row[i].strip())
            for number, row in zip(numbers, rows, strict=True)
            for i in wanted
            if not is_number(row[i])
        )
        commas = delimiter in (";", "\t") and is_number(cell.replace(",", "."))
        how = "decimal commas aren't read, write points" if commas else "choose others by columns"
        raise ValueError(f"{path}: expected a number in row {number}, column {i}, got {cell!r}; {how}") from None
    return np.asarray(cells, dtype=float).reshape(len(rows), len(wanted))


def _rows(path: Path) -> tuple[str | None, list[tuple[int, list[str]]]]:
    """The delimiter of a table of text, and of each row the line of the file, from 1, and the cells."""
    with naming(path, "text in UTF-8 or UTF-16"):
        encoding = "utf-16" if path.read_bytes()[:2] in UTF_16 else "utf-8-sig"
        text = path.read_text(encoding=encoding)
    every = enumerate(text.split("\n"), start=1)
    lines = [(number, line) for number, line in every if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError(f"{path}: expected lines of numbers, got none")
    # Without what is quoted, which may go on over several lines.
    bare, _, _ = QUOTED.sub("", "\n".join(line for _, line in lines[:100])).partition("\n")
    # The comma last: where another sign parts the columns, it stands inside of numbers.
    delimiter = next((sign for sign in (";", "\t", ",") if sign in bare), None)
    if delimiter is None:
        return None, [(number, line.split()) for number, line in lines]
    with naming(path, "a table of text"):
        reader = csv.reader((f"{line}\n" for _, line in lines), delimiter=delimiter, strict=True)  # a quote has to end
        return delimiter, [(lines[reader.line_num - 1][0], row) for row in reader]


def is_number(text: str) -> bool:
    """Whether a cell of text is read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
