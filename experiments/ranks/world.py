"""The processes that there are."""

from __future__ import annotations

import functools

from . import launch
from .alone import ALONE, Ranks


@functools.cache
def world() -> Ranks:
    """All processes that were started together with this one."""
    comm = launch.communicator()
    if comm is None:
        return ALONE
    from .mpi import MPIRanks  # imports mpi4py

    return MPIRanks(comm)
