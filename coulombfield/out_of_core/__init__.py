"""Sums over charges that no memory holds: h5py datasets, memory maps and Dask arrays, read in blocks.

Examples
--------
>>> import numpy as np
>>> import coulombfield as cf
>>> from coulombfield import out_of_core
>>> points = np.lib.format.open_memmap("points.npy", "w+", "f4", (5_000, 2))
>>> points[:] = np.random.default_rng(0).uniform(size=points.shape)
>>> charges = out_of_core.StoredCharges(points, np.full(5_000, 2e-4, "f4"))
>>> out_of_core.potential(points, charges, cf.Plummer(3.0, 0.1), rtol=1e-6, dtype="float64").shape
(5000,)
"""

from .stored import StoredCharges
from .sums import explain, field, potential, potential_and_field

__all__ = ["StoredCharges", "explain", "field", "potential", "potential_and_field"]
