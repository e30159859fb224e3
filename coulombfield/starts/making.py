"""What all starts share: their arguments, directions in space, and the group at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import check_count
from ..arrays import Array
from ..flow import Group

Put = Callable[[np.ndarray], Array]


def check(count: int, rng: Any, dtype: Any, *, dimension: int | None = None) -> None:
    """Raise unless the arguments of a random start fit.

    Raises
    ------
    TypeError, ValueError
        If ``count`` or ``dimension`` is no integer from 1 on, ``rng`` no generator, or the dtype neither float32 nor
        float64.
    """
    check_count("count", count, least=1)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: expected a generator such as numpy.random.default_rng(0), got {type(rng).__name__}")
    check_dtype(dtype)
    if dimension is not None:
        check_count("dimension", dimension, least=1)


def check_dtype(dtype: Any) -> None:
    """Raise unless a dtype is float32 or float64."""
    try:
        known = np.dtype(dtype) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise TypeError(f"dtype: expected float32 or float64, got {dtype!r}")


def directions(count: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors of uniformly distributed directions, shape (count, dimension)."""
    vectors = rng.standard_normal((count, dimension))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def group(
    put: Put, dtype: Any, positions: np.ndarray, velocities: np.ndarray | None = None, charges: Any = None
) -> Group:
    """A group of host arrays, put where the run computes."""
    arrays = (positions, velocities, charges)
    x, v, q = (None if a is None else put(np.asarray(a).astype(dtype)) for a in arrays)
    return Group(x, v, q)
