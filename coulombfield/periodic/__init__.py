"""Charges in a box that repeats: sums over all their images, or the nearest; energies, pressure.

Examples
--------
>>> import numpy as np
>>> import coulombfield as cf
>>> from coulombfield import periodic
>>> ions = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
>>> salt = cf.Charges(ions, np.array([1.0, -1, -1, 1, -1, 1, 1, -1]))
>>> round(periodic.energy(salt, cf.Coulomb(1), periodic.Box((2.0, 2.0, 2.0)), rtol=1e-9) / 4, 6)  # of a pair of ions
-1.747565
"""

from .box import Box
from .nearest import (
    minimum_image_energy,
    minimum_image_field,
    minimum_image_potential,
    minimum_image_potential_and_field,
)
from .sums import energy, field, potential, potential_and_field, pressure, virial

__all__ = [
    "Box",
    "energy",
    "field",
    "minimum_image_energy",
    "minimum_image_field",
    "minimum_image_potential",
    "minimum_image_potential_and_field",
    "potential",
    "potential_and_field",
    "pressure",
    "virial",
]
