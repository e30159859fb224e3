"""What sums cost this machine: the one table from which engines estimate their time, and ``auto`` chooses.

The built-in numbers were measured on two cores of servers with AVX-512. ``python -m validation speed sums --calibrate``
measures a machine's own and writes them to :func:`file`, where every process finds them; ``--forget`` removes them. An
engine's own planning, such as where Ewald's sum splits the kernel, goes by the table too: results then differ in
rounding, or within ``rtol``, from those by another table.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..profiles import Work

VARIABLE = "COULOMBFIELD_COSTS"
"""Environment variable that names another file than the usual one; empty, none is read."""
FORMAT = 2
"""Of the file; raised whenever a number of the table comes to stand for something else."""

LEAST, MOST = 1e-30, 1e30
"""Of a number in a file: with others, estimates of time would overflow or vanish."""

_logger = logging.getLogger("coulombfield")


def _cost(built_in: float, unit: str, what: str) -> Any:
    return dataclasses.field(default=built_in, metadata={"unit": unit, "what": what})


_second = functools.partial(_cost, unit="s")
_operations = functools.partial(_cost, unit="operations")


@dataclasses.dataclass(frozen=True)
class Costs:
    """The table. Each number has its unit and what was measured in its field's metadata."""

    operation_float32: float = _second(1.6e-11, what="one operation on vectors, for a pair on one core")
    operation_float64: float = _second(3.8e-11, what="one operation on vectors, for a pair on one core")
    root: float = _operations(10.0, what="a root and a division: 1 / √x")
    further_root: float = _operations(4.0, what="a root of such a root")
    quick_power: float = _operations(33.0, what="a power of a number from 1 on, in simd's own formula")
    power_float32: float = _operations(70.0, what="a power of any number")
    power_float64: float = _operations(130.0, what="a power of any number")
    exponential_float32: float = _operations(36.0, what="an exponential")
    exponential_float64: float = _operations(48.0, what="an exponential")
    call: float = _operations(200.0, what="a call of a user's function of a few operations and a root")
    simd_call: float = _second(1e-5, what="simd: a sum over no pairs")
    gram_call: float = _second(1e-4, what="gram: a sum over no pairs")
    gram_pair: float = _second(1e-9, what="gram: a pair beside its axes and its kernel, float32, all cores")
    gram_axis: float = _second(1.05e-11, what="gram: an axis of a pair in a matrix product, float32, all cores")
    gram_near_axis: float = _second(1.5e-10, what="gram: an axis of a pair too near for the product, in addition")
    gram_near_pair: float = _second(7e-9, what="gram: a pair too near for the product, beside its axes, in addition")
    gram_coordinate: float = _second(1e-9, what="gram: a coordinate of a point, float32, all cores")
    sparse_call: float = _second(5e-4, what="gathers: finding out which points are sparse")
    sparse_pair: float = _second(5e-9, what="gathers: a pair beside its gathers, on one core")
    sparse_gather: float = _second(1.2e-9, what="gathers: a nonzero coordinate of a pair, on one core")
    sparse_axis: float = _second(1.3e-11, what="gathers: an axis of a pair in the product they save, float32, one core")
    sparse_coordinate: float = _second(3e-10, what="gathers: a coordinate of a dense point, for its length")
    sparse_copy: float = _second(2e-9, what="gathers: a coordinate of a point that has to be copied")
    direct_call: float = _second(1e-4, what="direct: a sum over no pairs")
    direct_pair: float = _second(1e-8, what="direct: a pair beside its axes, float64, NumPy")
    direct_axis: float = _second(3e-9, what="direct: an axis of a pair, float64, NumPy")
    cuda_launch: float = _second(1e-5, what="cuda: a launch")
    nufft_call: float = _second(0.006, what="nufft: samples and plans")
    nufft_coordinate: float = _second(3.5e-9, what="nufft: a coordinate of a point, beside the transforms")
    nufft_mode: float = _second(1.9e-8, what="nufft: a mode of the series, beside the transforms")
    transform_point_1: float = _second(7e-9, what="transforms: a point in 1 dimension, on one core")
    transform_point_2: float = _second(2.2e-8, what="transforms: a point in 2 dimensions, on one core")
    transform_point_3: float = _second(5.6e-8, what="transforms: a point in 3 dimensions, on one core")
    spread_single_1: float = _second(6.8e-10, what="transforms: a grid point that a point spreads to, m = 1, float32")
    spread_single_2: float = _second(8.9e-10, what="the same for m = 2")
    spread_single_3: float = _second(5e-11, what="the same for m = 3")
    spread_double_1: float = _second(3.8e-9, what="the same for m = 1, float64")
    spread_double_2: float = _second(8.2e-10, what="the same for m = 2")
    spread_double_3: float = _second(2.1e-10, what="the same for m = 3")
    grid_single: float = _second(0.8e-9, what="transforms: a grid point, for each binary order of their number, single")
    grid_double: float = _second(1.5e-9, what="the same in float64")
    split_call: float = _second(0.022, what="split: samples and plans")
    split_neighbour: float = _second(1.6e-9, what="split: a pair of neighbouring cells, float64, all cores")
    split_point: float = _second(8.1e-8, what="split: a point, all cores")
    split_grid_point: float = _second(2e-8, what="split: a point of the transforms' grid, for each transform")
    tree_call: float = _second(0.002, what="tree: samples and plans")
    tree_point: float = _second(4.8e-8, what="tree: sorting a point, all cores")
    tree_cell: float = _second(3.2e-6, what="tree: a cell")
    tree_proxy: float = _second(5.4e-10, what="tree: a point at a proxy, float64, all cores")
    tree_product: float = _second(8.7e-11, what="tree: a product in the kernel's matrix by proxies, float64, all cores")
    tree_pair: float = _second(6.1e-10, what="tree: a pair of near cells, float64, all cores")
    worth_a_plan: float = _second(0.015, what="exact summation below which looking for a fast engine costs too much")

    def operation(self, itemsize: int) -> float:
        """Time of an operation on numbers of so many bytes [s]."""
        return self.operation_float32 if itemsize == 4 else self.operation_float64

    def operations(self, work: Work, itemsize: int) -> float:
        """What a profile's work comes to, in operations."""
        power, exponential = (
            (self.power_float32, self.exponential_float32)
            if itemsize == 4
            else (self.power_float64, self.exponential_float64)
        )
        each = 1.0, self.root, self.further_root, power, self.quick_power, exponential, self.call
        return sum(count * cost for count, cost in zip(work, each, strict=True))

    def least(self, engine: str) -> float:
        """Time that a sum by the named engine takes at least, however few its points [s]; 0 if it has none here."""
        return getattr(self, f"{engine}_call", 0.0)

    def transform_point(self, dimension: int) -> float:
        """Time of a point of a transform [s]."""
        return (self.transform_point_1, self.transform_point_2, self.transform_point_3)[dimension - 1]

    def spread(self, dimension: int, dtype: str) -> float:
        """Time of a grid point that a point spreads to [s]."""
        single = self.spread_single_1, self.spread_single_2, self.spread_single_3
        double = self.spread_double_1, self.spread_double_2, self.spread_double_3
        return (single if dtype == "complex64" else double)[dimension - 1]

    def grid_point(self, dtype: str) -> float:
        """Time of a grid point of a transform, for each binary order of their number [s]."""
        return self.grid_single if dtype == "complex64" else self.grid_double


BUILT_IN = Costs()
UNITS = {field.name: field.metadata["unit"] for field in dataclasses.fields(Costs)}
NAMES = tuple(UNITS)

_found: Costs | None = None


def table() -> Costs:
    """The machine's own table where there is one, or else the built-in one; looked for once in a process."""
    global _found
    if _found is None:
        _found = _read()
    return _found


@contextlib.contextmanager
def using(costs: Costs) -> Iterator[None]:
    """Have all threads of this process go by another table."""
    global _found
    before, _found = _found, costs
    try:
        yield
    finally:
        _found = before


def file() -> Path | None:
    """Where the machine's own table is, or would be; None if none is to be read."""
    if (named := os.environ.get(VARIABLE)) is not None:
        return Path(named).expanduser() if named else None
    if cache := os.environ.get("XDG_CACHE_HOME"):
        folder = Path(cache)
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        folder = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return folder / "coulombfield" / "costs.json"


def write(costs: Costs) -> Path:
    """Write a table for all processes to come.

    Raises
    ------
    OSError
        If the file can't be written.
    ValueError
        If the environment says that there is to be none.
    """
    if (path := file()) is None:
        raise ValueError(f"{VARIABLE}: expected a file to write to, got nothing")
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"format": FORMAT, "costs": dataclasses.asdict(costs)}, indent=1) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".json", delete=False, encoding="utf-8") as new:
        new.write(content)
    os.replace(new.name, path)  # a process that reads meanwhile sees the old table or the new one
    return path


def forget() -> Path | None:
    """Remove the machine's own table; its file, or None if there was none."""
    path = file()
    if path is None or not path.exists():
        return None
    path.unlink()
    return path


def _read() -> Costs:
    try:
        path = file()
        text = path.read_text(encoding="utf-8") if path is not None else ""
    except FileNotFoundError:
        return BUILT_IN
    except (OSError, RuntimeError, UnicodeDecodeError) as error:  # also of no home folder
        return _built_in_instead(str(error))
    if path is None:
        return BUILT_IN
    try:
        return parsed(text)
    except ValueError as error:
        return _built_in_instead(f"{path}: {error}")


def parsed(text: str) -> Costs:
    """The table that a file's text holds.

    Raises
    ------
    ValueError
        If it is another text, of another version, or a number is missing, unknown or out of range.
    """
    try:
        content = json.loads(text)
        form, numbers = content["format"], content["costs"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("expected a table of costs as JSON") from None
    if form != FORMAT:
        raise ValueError(f"expected a table of version {FORMAT}, got {form!r}")
    if not isinstance(numbers, dict) or set(numbers) != set(NAMES):
        raise ValueError("expected the costs of this version")
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not LEAST <= number <= MOST:
            raise ValueError(f"{name}: expected a number from {LEAST:g} to {MOST:g}, got {str(number)[:20]}")
    return Costs(**{name: float(number) for name, number in numbers.items()})


def _built_in_instead(reason: str) -> Costs:
    _logger.warning("%s; sums are chosen by the built-in costs (python -m validation speed sums --calibrate)", reason)
    return BUILT_IN
