"""Sums over moving particles that mechanics speaks of, in float64 on the host."""

from __future__ import annotations

import itertools

import numpy as np

from ..arguments import finite_number
from ..arrays import Array, backend, floating, to_numpy
from ..charges import check_like, check_points


def kinetic_energy(velocities: Array, masses: Array) -> float:
    r"""K = ½ Σ m v² [mass · length² / time²], of velocities of shape (N, m) and masses of shape (N,)."""
    v, m = _checked(velocities=velocities, masses=masses)
    return 0.5 * float(m @ np.sum(v * v, axis=1))


def momentum(velocities: Array, masses: Array) -> np.ndarray:
    """Σ m v, shape (m,) [mass · length / time]."""
    v, m = _checked(velocities=velocities, masses=masses)
    return m @ v


def centre_of_mass(positions: Array, masses: Array) -> np.ndarray:
    """Σ m x / Σ m, shape (m,) [length].

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array, or the masses add up to nothing.
    """
    x, m = _checked(positions=positions, masses=masses)
    total = m.sum()
    if not total > 0:
        raise ValueError(f"masses: expected a positive sum, got {total:g}")
    return m @ x / total


def angular_momentum(positions: Array, velocities: Array, masses: Array) -> np.ndarray:
    r"""Σ m x × v about the origin [mass · length² / time].

    In three dimensions the vector, shape (3,); in others all :math:`\sum m (x_a v_b - x_b v_a)` with a < b, of which
    the plane has one and a line none.
    """
    x, v, m = _checked(positions=positions, velocities=velocities, masses=masses)
    if x.shape[1] == 3:
        return m @ np.cross(x, v)
    pairs = itertools.combinations(range(x.shape[1]), 2)
    return np.array([float(m @ (x[:, a] * v[:, b] - x[:, b] * v[:, a])) for a, b in pairs])


def virial(positions: Array, forces: Array) -> float:
    r"""Clausius' virial W = Σ x · f [energy].

    Forces that add up to zero, as those of pairs, make it independent of the origin. Of a kernel :math:`r^{-d}` without
    softening it is d times the potential energy: that energy itself for gravity.
    """
    x, f = _checked(positions=positions, forces=forces)
    return float(np.sum(x * f))


def virial_ratio(positions: Array, velocities: Array, masses: Array, forces: Array) -> float:
    r"""2K/\|W\|, 1 for a system in equilibrium by the virial theorem; velocities are those about the centre of mass.

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array.

    Notes
    -----
    W is the :func:`virial`; for softened gravity the theorem holds with it, and not with the potential energy. Infinite
    without forces. R. Clausius, Annalen der Physik 217, 1870; J. Binney, S. Tremaine, *Galactic Dynamics*, 2008,
    section 7.2.1.
    """
    x, v, m = _checked(positions=positions, velocities=velocities, masses=masses)
    (f,) = _checked(forces=forces)
    v, x = v - m @ v / m.sum(), x - m @ x / m.sum()
    size = abs(virial(x, f))
    return 2 * kinetic_energy(v, m) / size if size else np.inf


def virial_pressure(positions: Array, velocities: Array, masses: Array, forces: Array, volume: float) -> float:
    r"""Pressure of particles in a volume by the virial [energy / volume].

    .. math:: P = \frac{2 K + W}{m V}

    with W of the forces that particles exert on each other, without those of walls; m is the dimension. In a periodic
    box Σ x · f is no virial: :func:`coulombfield.periodic.pressure` has the pressure there.

    Parameters
    ----------
    positions, velocities, forces : array, shape (N, m)
        [length], [length / time] and [energy / length].
    masses : array, shape (N,)
        [mass].
    volume : float
        V [length^m].

    Raises
    ------
    TypeError, ValueError
        If an argument is no such array, or the volume is not positive.

    Notes
    -----
    M. P. Allen, D. J. Tildesley, *Computer Simulation of Liquids*, 2017, section 2.4.
    """
    volume = finite_number("volume", volume, "positive")
    twice = 2 * kinetic_energy(velocities, masses) + virial(positions, forces)
    return twice / (int(np.shape(positions)[1]) * volume)


def _checked(**given: Array) -> list[np.ndarray]:
    """Points, and masses if they are last, in float64 on the host; raises unless they fit each other."""
    names = list(given)
    arrays = dict(zip(names, floating(**given), strict=True))
    backend(**arrays)
    first = names[0]
    count = None
    for name, array in arrays.items():
        if name == "masses":
            if tuple(array.shape) != (count,):
                raise ValueError(f"masses: expected shape ({count},) like {first}, got {tuple(array.shape)}")
            continue
        check_points(name, array)
        check_like(name, array, first, arrays[first])
        count = array.shape[0] if count is None else count
        if array.shape[0] != count:
            raise ValueError(f"{name}: expected {count} rows like {first}, got {array.shape[0]}")
    return [to_numpy(array).astype(float) for array in arrays.values()]
