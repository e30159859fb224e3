"""Particles spread evenly in a ball."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import finite_number
from ..flow import Group
from .making import Put, check, directions, group


def uniform_ball(
    count: int,
    rng: np.random.Generator,
    *,
    radius: float = 1.0,
    dimension: int = 3,
    dtype: Any = "float64",
    put: Put = np.asarray,
) -> Group:
    r"""Particles at rest, uniformly distributed in a ball: the start of a cold collapse.

    Parameters
    ----------
    count : int
        Number N of particles, 1 or more.
    rng : numpy.random.Generator
        What they are drawn by.
    radius : float
        R of the ball around the origin [length].
    dimension : int
        m, 1 or more.
    dtype : dtype
        float32 or float64.
    put : callable
        What puts an array where the run computes, such as ``cupy.asarray``.

    Returns
    -------
    Group
        Positions, without velocities, and charges and masses of 1/N.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or out of range.

    Notes
    -----
    In three dimensions, with G = M = 1 and no softening, the potential energy is −3/5 / R, and pressureless collapse
    takes the time :math:`\pi \sqrt{R^3 / 8}`.
    """
    check(count, rng, dtype, dimension=dimension)
    radius = finite_number("radius", radius, "positive")
    distances = radius * rng.random(count) ** (1 / dimension)
    return group(put, dtype, distances[:, None] * directions(count, dimension, rng))
