"""A cloud of normally distributed particles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import check_count, entries, finite_number
from ..flow import Group
from .making import Put, check, group


def gaussian_cloud(
    count: int,
    rng: np.random.Generator,
    *,
    width: float | Sequence[float] = 1.0,
    speed: float = 0.0,
    dimension: int = 3,
    dtype: Any = "float64",
    put: Put = np.asarray,
) -> Group:
    r"""Particles around the origin, normal in space and, if they move, in velocities: a Maxwell distribution.

    Parameters
    ----------
    count : int
        Number N of particles, 1 or more.
    rng : numpy.random.Generator
        What they are drawn by.
    width : float or sequence of float
        Standard deviation along all axes, or along each [length].
    speed : float
        Standard deviation σ of a velocity along an axis [length / time]; of particles of mass m at a temperature T it
        is √(T/m). 0 for particles at rest.
    dimension : int
        m, 1 or more.
    dtype : dtype
        float32 or float64.
    put : callable
        What puts an array where the run computes, such as ``cupy.asarray``.

    Returns
    -------
    Group
        Positions, velocities if ``speed`` is not 0, and charges and masses of 1/N.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or out of range.
    """
    check(count, rng, dtype)
    check_count("dimension", dimension, least=1)
    if isinstance(width, Sequence | np.ndarray) and not isinstance(width, str):
        widths = [finite_number("width", each, "positive") for each in entries("width", width, "numbers", dimension)]
    else:
        widths = [finite_number("width", width, "positive")] * dimension
    speed = finite_number("speed", speed, "non-negative")
    x = np.asarray(widths) * rng.standard_normal((count, dimension))
    return group(put, dtype, x, speed * rng.standard_normal((count, dimension)) if speed else None)
