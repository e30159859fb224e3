r"""Sums over the pairs closer than r_c on CuPy: cells sorted on the device, and one CUDA kernel for all neighbours.

A point's cell is a number, by which CuPy sorts the points, the order of those in one cell being kept; where each cell
begins is looked up in what is sorted. The charges are then copied into that order, place and weight together. What the
host does hangs on the number of points alone: it looks at none of these numbers.

**A thread for each target, in the order of the cells** (``cells.cu``). For each row of cells within r_c it goes through
the range of sorted charges there. A warp's 32 targets lie in a few cells side by side, five or so where a cell has six
charges: most of its loads are of the same charge, or of as many as there are cells, and ranges of nearly one length.

- By the machine code for m = 3, potential and field and compute capability 9.0, a pair takes about 15 instructions, and
  within r_c 55 more in float32, 75 in float64, with 12 terms of the smooth part's polynomial, or 115 and 155 with 33.
  The polynomial's coefficients are arguments of the kernel, in constant memory.
- A charge takes 16 bytes in float32 and one load, in float64 16 or 32 bytes and one load or two. With five addresses a
  warp, the level 1 cache has a load ready in about five cycles, in which a multiprocessor issues 20 instructions: no
  more than a pair takes. So the instructions bound the sums, and a tile in shared memory would save nothing: it would
  hold the neighbourhood of all cells of a block, most of which is beyond r_c of any one target.
- The branch around pairs beyond r_c is worth its while where all targets of a warp agree, as they mostly do, being
  close together; about half of the pairs that are looked at are beyond.
- A warp takes as long as the longest range of its cells: with 40 charges in each, about a fifth longer than the mean.
- With few targets, fewer than some 10,000, part of a large card has nothing to do.

Nothing of this is measured. With 40 to 115 registers a thread and no spills, a multiprocessor holds 512 to 1536 threads
(``tests/cuda/resources.py`` prints what each kernel takes).

Memory: 16 to 32 bytes a charge, 24 bytes a target or charge, 8 bytes a cell, and the results in float64.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ...arrays import Array, cuda_module, gpu_attributes, module_of
from ..costs import Costs, table
from ..pairs import cuda
from ..pairs.cuda import THREADS
from .neighbour_cells import Grid, row_reaches

INSTRUCTIONS_A_NEIGHBOUR = 60  # in the mean of all pairs that are looked at, and with what warps wait for
INSTRUCTIONS_A_POINT = 30_000  # mostly of spreading and gathering in the transforms
BYTES_A_GRID_POINT = 200  # that a transform reads and writes
USUAL_BANDWIDTH = 5e11  # [bytes/s], where a driver does not tell


def costs(like: Array) -> Costs:
    """The table of costs for the GPU of an array, by the speeds that its driver tells; nothing of it is measured."""
    attributes, rate = gpu_attributes(like), cuda.instruction_rate(like)
    # Memory moves its bus's width at both edges of its clock, which is told in kHz.
    bandwidth = 2e3 * attributes.get("MemoryClockRate", 0) * attributes.get("GlobalMemoryBusWidth", 0) / 8
    return dataclasses.replace(
        table(),
        split_neighbour=INSTRUCTIONS_A_NEIGHBOUR / rate,
        split_point=INSTRUCTIONS_A_POINT / rate,
        split_grid_point=BYTES_A_GRID_POINT / (bandwidth or USUAL_BANDWIDTH),
    )


def short_sums(
    targets: Array,
    positions: Array,
    weights: Array,
    split: Any,
    grid: Grid,
    exclude_self: bool,
    potential: bool,
    field: bool,
) -> tuple[Array | None, Array | None]:
    """As :func:`.neighbour_cells.short_sums`, for CuPy arrays."""
    xp, dtype, (count, dimension) = module_of(targets), targets.dtype, targets.shape
    terms, profile = len(split.coefficients), split.profile
    definitions = options(dtype, dimension, profile, terms, potential=potential, field=field)
    find, gather, add = _functions(source(profile), definitions)
    number, cells = positions.shape[0], _as_struct(grid)

    def sort(points: Array) -> tuple[Array, Array]:
        """Row numbers in the order of their cells, and the cells in that order."""
        found = xp.empty(points.shape[0], np.int32)
        find(_blocks(points), (THREADS,), (points, points.shape[0], cells, found))
        order = xp.argsort(found, kind="stable")
        return order, found[order]

    with targets.device:
        given, weights = xp.ascontiguousarray(positions), xp.ascontiguousarray(weights)
        order, sorted_cells = sort(given)
        charges, places = xp.empty((number, _bytes_a_charge(dimension, dtype)), np.uint8), xp.empty(number, np.int64)
        gather(_blocks(given), (THREADS,), (given, weights, order, number, charges, places))
        starts = xp.searchsorted(sorted_cells, xp.arange(math.prod(grid.shape) + 1, dtype=np.int32))
        if targets is not positions:
            given = xp.ascontiguousarray(targets)
            order, sorted_cells = sort(given)
        near = row_reaches(math.sqrt(split.cutoff), grid.side)
        reaches, width = xp.asarray(near.astype(np.int32)), len(near) - 1
        values, slopes = xp.empty(count * potential), xp.empty((count * field, dimension))
        remainder = cuda.packed(profile, dtype, split.cutoff, 2 / split.cutoff, *split.coefficients, *split.slopes)
        add(
            _blocks(given),
            (THREADS,),
            (
                given, order, sorted_cells, count, charges, starts, places, exclude_self, reaches, width, cells,
                remainder, values, slopes,
            ),
        )  # fmt: skip
    return values if potential else None, slopes if field else None


def source(profile: Any) -> str:
    """The CUDA text of the sums with a profile."""
    return cuda.joined(profile, cuda.read("charges.cu"), cuda.read("cells.cu", __package__))


def options(dtype: Any, dimension: int, profile: Any, terms: int, *, potential: bool, field: bool) -> tuple[str, ...]:
    """Definitions that turn the text into the code for one type of sums, with polynomials of so many terms."""
    return *cuda.options(dtype, dimension, profile, potential=potential, field=field), f"-DTERMS={terms}"


def _bytes_a_charge(dimension: int, dtype: Any) -> int:
    """Size of the struct, which is aligned to 16 bytes."""
    return -(-(dimension + 1) * dtype.itemsize // 16) * 16


def _as_struct(grid: Grid) -> np.ndarray:
    """A grid as the struct of its name."""
    fields = [("low", np.float64, grid.low.shape), ("inverse_side", np.float64), ("shape", np.int64, (3,))]
    return np.array((grid.low, 1 / grid.side, grid.shape), fields)


def _blocks(points: Array) -> tuple[int]:
    return (-(-points.shape[0] // THREADS),)


@functools.cache
def _functions(text: str, definitions: tuple[str, ...]) -> tuple[Any, Any, Any]:
    module = cuda_module(text, definitions)
    return tuple(module.get_function(name) for name in ("find_cells", "gather_charges", "sum_neighbours"))
