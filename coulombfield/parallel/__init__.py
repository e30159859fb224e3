"""Sums, energies and flows of charges that are spread over the ranks of an MPI communicator, by mpi4py.

Each rank has charges and targets of its own, as the user has spread them, and gets the sums at its own targets.

Examples
--------
A program for any number of ranks, here one; start it by ``mpiexec -n 2 python -m mpi4py program.py``:

>>> import numpy as np
>>> from mpi4py import MPI
>>> import coulombfield as cf
>>> from coulombfield import parallel
>>> rng = np.random.default_rng(MPI.COMM_WORLD.rank)
>>> charges = cf.Charges(rng.normal(size=(1000, 2)), np.full(1000, 1e-3))
>>> parallel.potential(charges.positions, charges, cf.Plummer(), comm=MPI.COMM_WORLD).shape
(1000,)
"""

from .energies import electrostatic_energy, interaction_energy, self_energy
from .flows import run
from .sums import explain, field, potential, potential_and_field

__all__ = [
    "electrostatic_energy",
    "explain",
    "field",
    "interaction_energy",
    "potential",
    "potential_and_field",
    "run",
    "self_energy",
]
