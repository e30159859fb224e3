"""Integers that Numba compiles into a loop."""

from __future__ import annotations


def static_size(size: int) -> tuple[int, ...]:
    """An integer as what compiled code knows of an argument before it runs: the length of a tuple, part of its type.

    Inside, ``len`` gives the integer back as a constant, so that loops over it are unrolled and tuples of lanes have
    their types; a function is compiled for each size once. The elements count for nothing.

    Parameters
    ----------
    size : int
        Not negative: dimensions, rows of a tile, an exponent.

    Returns
    -------
    tuple
        Of this length.
    """
    return (0,) * size


ONE = static_size(1)
