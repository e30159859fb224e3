"""CUDA kernels of this folder: from their text to a launch."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from coulombfield.arrays import Array, cuda_module

THREADS = 256
"""Threads of a block, where a kernel does not say otherwise; the texts know it by this name."""


def launch(like: Array, text: str, name: str, blocks: int, arguments: tuple[Any, ...], threads: int = THREADS) -> None:
    """Run one kernel on the device of an array, in the array's dtype; nothing where there are no blocks.

    Parameters
    ----------
    like : array
        A CuPy array of float32 or float64: the texts call its type ``REAL``.
    text : str
        Name of the file in this folder, such as ``normalization.cu``.
    name : str
        Of an ``extern "C" __global__`` function in it.
    blocks, threads : int
        Size of the grid and of a block; both have one direction only.
    arguments : tuple
        Arrays as pointers to their first number, which says nothing of strides; an int arrives as ``long long``, a
        float as ``double``, a bool as ``bool``.
    """
    if blocks > 0:
        with like.device:
            _function(text, name, str(like.dtype))((blocks,), (threads,), arguments)


def source(text: str) -> str:
    """CUDA C++ in the named file of this folder."""
    return resources.files(__package__).joinpath(text).read_text()


def texts() -> list[str]:
    """Names of all files with kernels."""
    names = (entry.name for entry in resources.files(__package__).iterdir())
    return sorted(name for name in names if name.endswith(".cu"))


def options(dtype: Any) -> tuple[str, ...]:
    """Definitions that turn a text into the code for one dtype."""
    real = {"float32": "float", "float64": "double"}[str(dtype)]
    return f"-DREAL={real}", f"-DTHREADS={THREADS}"


@functools.cache
def _function(text: str, name: str, dtype: str) -> Any:
    return _module(text, dtype).get_function(name)


@functools.cache
def _module(text: str, dtype: str) -> Any:
    return cuda_module(source(text), options(dtype))
