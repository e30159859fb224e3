r"""Gram tiles on CuPy: a product by cuBLAS, one CUDA kernel for all that follows, and for a field another product.

The kernel (``tile.cu``) makes of a tile's products the squared distances, tells near pairs, adds up the terms of the
others, and writes W = −2 q f′(s) in the products' place. A block has one target. Near pairs, and terms of charges with
themselves, go by differences in the same launch, all threads taking some axes of one pair; the host need not know how
many they are. As plain array code, all this would be more than sixty launches, most of which go over the tile's memory.

A pair is read once, 4 bytes in float32, and for a field written once; it takes some 25 to 40 instructions, as many as
some tens of axes in the product: of images, the products take nearly all. A near pair of m axes reads 8 m bytes, mostly
from the level 2 cache, and takes a sum over the block of seven steps. Nothing of this is measured.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...arrays import Array, cuda_module, library, module_of
from ..pairs import cuda
from ..request import Request, Result
from . import array_tiles
from .near_pairs import nearness

THREADS = 128


def serves(like: Array, profile: Any) -> bool:
    """Whether the kernel takes such arrays and such a profile."""
    return library(type(like)) == "cupy" and not cuda.without_code(profile)


def sums(request: Request) -> Result:
    """The sums, for at least one charge and one target."""
    targets, positions, weights, profile = request[:4]
    xp, dtype, (count, dimension), charges = module_of(targets), targets.dtype, targets.shape, positions.shape[0]
    same = targets is positions
    own_terms = 1 if request.exclude_self else 2 if same else 0
    criterion = nearness(dimension, float(xp.finfo(dtype).eps), request.field)
    limits = criterion.proximity, criterion.step, criterion.change, max(criterion.coincident, criterion.close)
    numbers = np.array(limits, [(f"limit{i}", dtype) for i in range(len(limits))]), cuda.packed(profile, dtype)
    function = _function(source(profile), options(dtype, profile, field=request.field))
    with targets.device:
        positions, weights = xp.ascontiguousarray(positions), xp.ascontiguousarray(weights)
        targets = positions if same else xp.ascontiguousarray(targets)
        a, a_norms, b, b_norms = array_tiles.centred(xp, targets, positions)
        potential, pulls = xp.empty(count, dtype), xp.empty(count, dtype)
        field = xp.empty((count if request.field else 0, dimension), dtype)
        for i in range(0, count, array_tiles.TILE_ROWS):
            rows = slice(i, min(i + array_tiles.TILE_ROWS, count))
            for j in range(0, charges, array_tiles.TILE_COLUMNS):
                columns = slice(j, min(j + array_tiles.TILE_COLUMNS, charges))
                products = a[rows] @ b[columns].T
                tile = products, a_norms[rows], b_norms[columns], columns.stop - j, dimension
                points = targets[rows], positions[columns], weights[columns]
                found = potential[rows], pulls[rows], field[rows]
                function((rows.stop - i,), (THREADS,), (*tile, *points, i - j, own_terms, j == 0, *numbers, *found))
                if request.field:
                    # E = (Σ W) a − W b beside that of near pairs
                    field[rows] += pulls[rows, None] * a[rows] - products @ b[columns]
    return Result(potential if request.potential else None, field if request.field else None)


def source(profile: Any) -> str:
    """The CUDA text for a profile."""
    return cuda.joined(profile, cuda.read("tile.cu", __package__))


def options(dtype: Any, profile: Any, *, field: bool) -> tuple[str, ...]:
    """Definitions that turn the text into the code for one type of sums."""
    real = {"float32": "float", "float64": "double"}[str(dtype)]
    return f"-DREAL={real}", f"-DPROFILE={cuda.type_of(profile)}", f"-DFIELD={int(field)}", f"-DTHREADS={THREADS}"


@functools.cache
def _function(text: str, definitions: tuple[str, ...]) -> Any:
    return cuda_module(text, definitions).get_function("add_tile")
