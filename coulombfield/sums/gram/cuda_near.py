"""Terms of near pairs on CuPy: one CUDA kernel for all of a tile's, whose number the host need not know.

A block has a target and takes one of its near pairs after the other, all threads some axes of it; where there are none,
it has read a byte a charge. A pair of m axes takes 8 m bytes in float32, mostly from the level 2 cache, and a sum over
the block of seven steps. Nothing of this is measured.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from ...arrays import Array, cuda_module, library, module_of
from ..pairs import cuda

THREADS = 128


def serves(like: Array, profile: Any) -> bool:
    """Whether the kernel takes such arrays and such a profile."""
    return library(type(like)) == "cupy" and not cuda.without_code(profile)


def add(
    near: Array, targets: Array, positions: Array, weights: Array, profile: Any, potential: Array, field: Array | None
) -> None:
    """Add the terms of a tile's near pairs to its sums, in place.

    Parameters
    ----------
    near : array of bool, shape (t, s)
        Which pairs.
    targets, positions, weights : array, shapes (t, m), (s, m), (s,)
        The tile's points.
    profile : profile
        Of the kernel.
    potential, field : array, shapes (t,) and (t, m)
        The sums, contiguous; no field if it is not wanted.
    """
    (rows, columns), dimension = near.shape, targets.shape[1]
    given = [module_of(array).ascontiguousarray(array) for array in (near, targets, positions, weights)]
    function = _function(source(profile), options(targets.dtype, profile, field=field is not None))
    with targets.device:
        numbers = cuda.packed(profile, targets.dtype)
        sums = potential, potential if field is None else field
        function((rows,), (THREADS,), (given[0], columns, dimension, *given[1:], numbers, *sums))


def source(profile: Any) -> str:
    """The CUDA text for a profile."""
    return cuda.joined(profile, resources.files(__package__).joinpath("near.cu").read_text())


def options(dtype: Any, profile: Any, *, field: bool) -> tuple[str, ...]:
    """Definitions that turn the text into the code for one type of sums."""
    real = {"float32": "float", "float64": "double"}[str(dtype)]
    return f"-DREAL={real}", f"-DPROFILE={cuda.type_of(profile)}", f"-DFIELD={int(field)}", f"-DTHREADS={THREADS}"


@functools.cache
def _function(text: str, definitions: tuple[str, ...]) -> Any:
    return cuda_module(text, definitions).get_function("add_near")
