"""Two bodies on a Kepler orbit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import entries, finite_number
from ..flow import Group
from .making import Put, check_dtype, group


def two_bodies(
    *,
    semi_major_axis: float = 1.0,
    eccentricity: float = 0.0,
    inclination: float = 0.0,
    node: float = 0.0,
    pericentre: float = 0.0,
    anomaly: float = 0.0,
    masses: Sequence[float] = (0.5, 0.5),
    constant: float = 1.0,
    dtype: Any = "float64",
    put: Put = np.asarray,
) -> Group:
    r"""Two bodies on an ellipse around each other, by its Kepler elements.

    .. math:: r = \frac{a (1 - e^2)}{1 + e \cos\nu}, \qquad
        v = \sqrt{\frac{G M}{a (1 - e^2)}}\, \bigl(-\sin\nu,\; e + \cos\nu\bigr)

    is the way from the first body to the second, and its change, in the plane of the orbit with the pericentre along
    the first axis.

    Parameters
    ----------
    semi_major_axis : float
        a > 0 of their distance [length].
    eccentricity : float
        0 ≤ e < 1.
    inclination, node, pericentre : float
        i, Ω and ω [rad].
    anomaly : float
        True anomaly ν, 0 at the pericentre and π at the apocentre [rad].
    masses : sequence of float
        Of the first and the second body [mass].
    constant : float
        G > 0, by which the system's ``coupling`` is −G.
    dtype : dtype
        float32 or float64.
    put : callable
        What puts an array where the run computes, such as ``cupy.asarray``.

    Returns
    -------
    Group
        Two particles in three dimensions, with charges that are their masses; their centre of mass is at rest at the
        origin.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or out of range.

    Notes
    -----
    They stay on this orbit, of period :math:`2 \pi \sqrt{a^3 / (G M)}`, under ``Coulomb(1)`` with
    ``exclude_self=True``; a softened kernel makes it turn. C. D. Murray, S. F. Dermott, *Solar System Dynamics*, 1999,
    section 2.8.
    """
    check_dtype(dtype)
    a = finite_number("semi_major_axis", semi_major_axis, "positive")
    gravity = finite_number("constant", constant, "positive")
    e = finite_number("eccentricity", eccentricity, "non-negative")
    if e >= 1:
        raise ValueError(f"eccentricity: expected a number less than 1, got {e:g}")
    angles = {"inclination": inclination, "node": node, "pericentre": pericentre, "anomaly": anomaly}
    i, turn, along, nu = (finite_number(name, value) for name, value in angles.items())
    first, second = (finite_number("masses", mass, "positive") for mass in entries("masses", masses, "numbers", 2))
    total = first + second
    parameter = a * (1 - e * e)
    distance = parameter / (1 + e * math.cos(nu))
    speed = math.sqrt(gravity * total / parameter)
    in_plane = np.array(
        [
            [distance * math.cos(nu), distance * math.sin(nu), 0.0],
            [-speed * math.sin(nu), speed * (e + math.cos(nu)), 0.0],
        ]
    )
    x, v = in_plane @ (_about(2, turn) @ _about(0, i) @ _about(2, along)).T
    shares = np.array([[-second / total], [first / total]])
    return group(put, dtype, shares * x, shares * v, np.array([first, second]))


def _about(axis: int, angle: float) -> np.ndarray:
    """Rotation about an axis of space, right-handed."""
    c, s = math.cos(angle), math.sin(angle)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[j, j, k, k], [j, k, j, k]] = c, -s, s, c
    return matrix
