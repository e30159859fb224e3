"""Ways in which arrays come from rank to rank: MPI for those of the host, NCCL or MPI for those of GPUs."""

from __future__ import annotations

import platform
from typing import Any, Protocol

import numpy as np

from coulombfield import arrays
from coulombfield.arrays import Array, library, module_of, to_numpy


class Transport(Protocol):
    """Two collective operations on contiguous arrays; ``received`` is written to."""

    def all_to_all(self, sent: Array, received: Array) -> None:
        """Row q of what this rank sends is row p of what rank q receives, if this is rank p."""

    def all_gather(self, sent: Array, received: Array) -> None:
        """Row q of what each rank receives is what rank q sends."""


class ByMPI:
    """MPI reads and writes the arrays' own memory: that of the host, or of a GPU where MPI is aware of CUDA."""

    def __init__(self, comm: Any):
        self._comm = comm

    def all_to_all(self, sent: Array, received: Array) -> None:
        """See :class:`Transport`."""
        _finish(sent)
        self._comm.Alltoall(sent, received)

    def all_gather(self, sent: Array, received: Array) -> None:
        """See :class:`Transport`."""
        _finish(sent)
        self._comm.Allgather(sent, received)


class ByHost:
    """Arrays of a GPU that MPI can't read are copied to the host and back."""

    def __init__(self, comm: Any):
        self._mpi = ByMPI(comm)

    def all_to_all(self, sent: Array, received: Array) -> None:
        """See :class:`Transport`."""
        here = np.empty(received.shape, received.dtype)
        self._mpi.all_to_all(to_numpy(sent), here)  # the copy waits for the stream
        received.set(here)

    def all_gather(self, sent: Array, received: Array) -> None:
        """See :class:`Transport`."""
        here = np.empty(received.shape, received.dtype)
        self._mpi.all_gather(to_numpy(sent), here)
        received.set(here)


class ByNCCL:
    """NCCL copies from GPU to GPU, in the order of the current stream."""

    def __init__(self, size: int, rank: int):
        self._nccl = arrays.nccl_communicator(size, rank)

    def all_to_all(self, sent: Array, received: Array) -> None:
        """See :class:`Transport`."""
        self._nccl.all_to_all(sent, received)

    def all_gather(self, sent: Array, received: Array) -> None:
        """See :class:`Transport`."""
        self._nccl.all_gather(sent, received, sent.size)


def of_gpus(comm: Any) -> tuple[Transport, str]:
    """How arrays of the ranks' GPUs travel, and that in words; all ranks have to call this."""
    version = arrays.nccl_version()
    gpus = comm.allgather((platform.node(), arrays.current_gpu()))
    versions = comm.allgather(version)
    if all(versions) and len(set(gpus)) == comm.size:
        return ByNCCL(comm.size, comm.rank), f"NCCL {version}"
    why = "two ranks share a GPU" if all(versions) else "NCCL is not there"
    if all(comm.allgather("cuda" in _kinds(comm))):
        return ByMPI(comm), f"MPI from GPU to GPU, since {why}"
    return ByHost(comm), f"MPI by way of the host, since {why}"


def _kinds(comm: Any) -> str:
    """Kinds of memory that MPI says it can read (MPI 4.1, section 12.4.3)."""
    return str(comm.Get_info().get("mpi_memory_alloc_kinds") or "")


def _finish(array: Array) -> None:
    """Wait for what is still to be done on an array of a GPU: MPI knows nothing of streams."""
    if library(type(array)) == "cupy":
        module_of(array).cuda.get_current_stream().synchronize()
