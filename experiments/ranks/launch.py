"""How this process was started: alone, or as one of several by ``mpiexec``. Imports neither NumPy nor, alone, mpi4py.

MPICH, Open MPI and ``srun`` tell a process by its environment that it is one of several. Who is who is asked of MPI;
the environment says no more than that there is somebody to ask for.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from .. import UserError

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""Variables that say how many processes there are: of Open MPI, of MPICH, Intel MPI and srun, and of MVAPICH."""
NUMBERS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK")
"""Variables that say which of them this one is; ``srun`` with PMIx has no other."""
THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")
"""Variables that limit a process's threads: OpenBLAS and MKL heed OpenMP's where they have none of their own."""
PATIENCE = 3.0
"""Seconds that a process which can't go on waits for the others to say the same, before it ends them."""
STDERR = 2
LONGEST = 4000
"""Bytes of a last line that the others see."""


def launched(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes the environment speaks of: 1 for one that is alone, 0 for several of unknown number."""
    for name in SIZES:
        if environment.get(name, "").isdecimal():
            return max(1, int(environment[name]))
    return 0 if any(name in environment for name in NUMBERS) else 1


@functools.cache
def communicator() -> Any:
    """MPI's communicator of all processes; None for one that is alone.

    Raises
    ------
    UserError
        If there are several, and mpi4py is not there, or finds another MPI than the one that started them.
    """
    loaded = sys.modules.get("mpi4py.MPI")
    if loaded is None and launched() == 1:
        return None
    count = f"{launched()} processes" if launched() else "several processes"
    try:
        from mpi4py import MPI
    except ModuleNotFoundError as error:
        raise UserError(f'{count} were started, but mpi4py is not installed: pip install -e ".[mpi]"') from error
    except Exception as error:  # RuntimeError where mpi4py finds no library of MPI
        reason = " ".join(str(error).split())
        raise UserError(f"{count} were started, but mpi4py can't be imported ({reason})") from error
    if MPI.COMM_WORLD.size == 1 and launched() > 1:
        library = MPI.Get_library_version().partition("\n")[0].strip(" ,\0")
        raise UserError(
            f"{count} were started, but mpi4py finds one: its MPI ({library}) is not that of the mpiexec that started "
            "them"
        )
    return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None


def begin() -> None:
    """Join the others, if there are any, and take no more threads than this process's part of its machine."""
    comm = communicator()
    if comm is None:
        return
    _last_words()  # all together, while nothing can have gone wrong yet
    for name in THREADS:
        os.environ.setdefault(name, str(own_threads()))


def first() -> bool:
    """Whether this process is the one that prints, as far as can be told where MPI can't be asked."""
    if "mpi4py.MPI" in sys.modules and sys.modules["mpi4py.MPI"].COMM_WORLD.size > 1:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.rank == 0
    return next((os.environ[name] for name in NUMBERS if name in os.environ), "0") == "0"


def size() -> int:
    """How many processes there are."""
    comm = communicator()
    return 1 if comm is None else comm.size


@functools.cache
def on_node() -> Any:
    """Communicator of the processes that share this one's memory."""
    from mpi4py import MPI

    return communicator().Split_type(MPI.COMM_TYPE_SHARED)


@functools.cache
def own_threads() -> int:
    """Threads for this process: the processors that it may use, over the processes that may use the same ones.

    ``mpiexec`` may have bound each process to processors of its own; then it has all of them.
    """
    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return max(1, len(own) // on_node().allgather(own).count(own))


def leave(line: str, status: int, *, each: bool = False) -> int:
    """Say why this process can't go on, and have all end.

    Where all say the same, one of them prints it, or each of them if ``each``. Who is alone in having to end waits
    for :data:`PATIENCE` seconds and ends the others, since these may wait for it forever.

    Returns
    -------
    int
        The exit status of this process.
    """
    if (comm := communicator()) is None:
        _tell(line)
        return status
    width = LONGEST + 1
    own = f"{status:03d}{line}".encode(errors="backslashreplace")[:LONGEST]
    everyone = bytearray(width * comm.size)
    request = _last_words().Iallgather(own.ljust(width, b"\0"), everyone)
    deadline = time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > deadline:
            _tell(f"rank {comm.rank}: {line}")
            _abort(comm, status)
        time.sleep(0.01)
    lines = [bytes(everyone[i * width : (i + 1) * width]).rstrip(b"\0") for i in range(comm.size)]
    if lines.count(own) == comm.size and not each:
        if comm.rank == 0:
            _tell(line)
    elif each or lines.index(own) == comm.rank:  # of those that say the same, the first
        _tell(f"rank {comm.rank}: {line}")
    return status


def fail() -> None:
    """End all processes for an exception that nobody expected, after its traceback; return if this one is alone.

    Without it, the others would wait for this one forever: ``python -m mpi4py`` does it, plain ``python`` does not.
    """
    comm = sys.modules["mpi4py.MPI"].COMM_WORLD if "mpi4py.MPI" in sys.modules else None
    if comm is None or comm.size == 1:
        return
    _tell(f"rank {comm.rank}: {traceback.format_exc()}")
    _abort(comm, 1)


def _tell(line: str) -> None:
    """Print a line to stderr in one piece, if anybody reads it: mpiexec mixes the pieces that processes write."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or it is closed
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _abort(comm: Any, status: int) -> None:
    """End all processes, this one too: with some libraries Abort returns before the end has come.

    MPICH's mpiexec throws away what it has not read from a process by then (``findings/mpich_abort_loses_output.sh``),
    so that this one waits, if not for long, until what it said has been taken.
    """
    deadline = time.monotonic() + PATIENCE
    while _unread(STDERR) and time.monotonic() < deadline:
        time.sleep(0.001)
    comm.Abort(status)
    os._exit(status)


def _unread(file: int) -> int:
    """Bytes in a pipe that nobody has read yet; 0 for what is no pipe, and where the system can't tell."""
    try:
        import fcntl
        import termios

        if not stat.S_ISFIFO(os.fstat(file).st_mode):
            return 0
        return int.from_bytes(fcntl.ioctl(file, termios.FIONREAD, bytes(4)), sys.byteorder)
    except (ImportError, OSError):
        return 0


@functools.cache
def _last_words() -> Any:
    """Communicator of :func:`leave`, on which nothing else can be under way."""
    return communicator().Dup()
