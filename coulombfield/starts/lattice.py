"""Crystals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import check_count, entries, finite_number
from ..flow import Group
from .making import Put, check_dtype, group

CORNER, CENTRE = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5)
FACES = ((0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
EDGES = ((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5))
BASES: dict[str, tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]] = {
    "sc": ((CORNER,), (1,)),
    "bcc": ((CORNER, CENTRE), (1, 1)),
    "fcc": ((CORNER, *FACES), (1,) * 4),
    "nacl": ((CORNER, *FACES, CENTRE, *EDGES), (1,) * 4 + (-1,) * 4),
    "cscl": ((CORNER, CENTRE), (1, -1)),
}
"""Of each kind the places in a cell, in its edges, and the charges there."""


def lattice(
    kind: str,
    cells: int | Sequence[int],
    *,
    spacing: float = 1.0,
    charge: float = 1.0,
    dtype: Any = "float64",
    put: Put = np.asarray,
) -> Group:
    """Particles at rest on a cubic lattice.

    Parameters
    ----------
    kind : str
        'sc', 'bcc' or 'fcc', whose particles are alike; or 'nacl' or 'cscl', of two kinds of ions.
    cells : int or sequence of int
        Cells along all three axes, or along each.
    spacing : float
        Edge a of the cubic cell [length]. Next neighbours are at a (sc), a √3/2 (bcc, cscl), a/√2 (fcc) or a/2 (nacl).
    charge : float
        Of each particle, and of those of the second kind with the other sign [charge].
    dtype : dtype
        float32 or float64.
    put : callable
        What puts an array where the run computes, such as ``cupy.asarray``.

    Returns
    -------
    Group
        Cell after cell, from the origin on, in three dimensions: 1, 2, 4, 8 (nacl) or 2 (cscl) particles a cell. Masses
        are ``abs(charge)``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of a wrong type or out of range.
    """
    if kind not in BASES:
        raise ValueError(f"kind: expected one of {', '.join(BASES)}, got {kind!r}")
    counts = entries("cells", cells, "integers", 3) if isinstance(cells, Sequence | np.ndarray) else [cells] * 3
    for count in counts:
        check_count("cells", count, least=1)
    spacing, charge = finite_number("spacing", spacing, "positive"), finite_number("charge", charge)
    check_dtype(dtype)
    basis, signs = BASES[kind]
    corners = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    positions = spacing * (corners + np.asarray(basis)).reshape(-1, 3)
    return group(put, dtype, positions, charges=np.tile(charge * np.asarray(signs, dtype=float), len(corners)))
