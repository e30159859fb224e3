"""Trajectories on disk in H5MD, the HDF5 convention of the field: written while running, readable after a kill.

Beside it extended XYZ, the text that ASE and OVITO read.

Layout, by H5MD 1.1 (de Buyl, Colberg and Höfling, Comput. Phys. Commun. 185, 1546, 2014): the groups of the
state, by their names in ``/particles``, and ``all`` on request, hold position, charge, mass and, where they exist,
velocity, force and potential; ``/observables`` holds energies and what else was asked for;
``/parameters/coulombfield`` what a run needs to go on, bit for bit, and its system, integrator and schedule in words.

Examples
--------
A :class:`Writer` is a callback of :func:`coulombfield.flow.run`::

    with Writer("flow.h5md") as writer:
        run(start, system, Euler(step=0.1), until=Stop(steps=1000), callbacks=[writer], every=10)
    with Trajectory("flow.h5md") as trajectory:
        last = trajectory.state()
"""

from .commits import recover
from .elements import Element
from .observables import MECHANICS, Columns, pressure_in, radii_of
from .reading import Box, Frame, Particles, Trajectory
from .words import Setup
from .writing import Writer
from .xyz_reading import read_xyz
from .xyz_writing import XYZWriter, write_xyz

__all__ = [
    "MECHANICS",
    "Box",
    "Columns",
    "Element",
    "Frame",
    "Particles",
    "Setup",
    "Trajectory",
    "Writer",
    "XYZWriter",
    "pressure_in",
    "radii_of",
    "read_xyz",
    "recover",
    "write_xyz",
]
