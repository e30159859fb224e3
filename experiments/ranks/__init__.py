"""Several processes that train one GAN together, started by ``mpiexec``; each has a number, its rank.

:mod:`.launch` finds out whether there are several, before NumPy is imported; :class:`~.alone.Ranks` is what one process
does by itself, :class:`~.mpi.MPIRanks` what several do together, and :func:`~.world.world` which of the two it is.
"""
