"""What the processes of a training do together, by MPI."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from coulombfield.arrays import Array, Device, library, module_of

from .. import UserError
from . import launch, transport
from .alone import Ranks, Shares

T = TypeVar("T")

BLOCK = 2**20
"""Numbers of an array that a rank adds up at a time: 4 MB of float32 from each rank, which caches hold."""
SMALL = 2**14
"""Numbers of all ranks up to which each of them gets all and adds them up itself: one exchange instead of two."""
EXPECTED = (UserError, OSError, MemoryError, ArithmeticError)
"""Errors that a user can mend, or that a run expects: those of one rank are raised on all."""


class MPIRanks(Ranks):
    """Several processes.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        All of them.

    Notes
    -----
    MPI recommends that a reduction add in one order, and leaves it to the library. Here each rank receives one part of
    the array from all ranks, adds these in the order of the ranks, and sends the sum to all: as much traffic as a good
    all-reduce, and bits that depend on the number of ranks alone, also where NCCL does the copying.
    """

    def __init__(self, comm: Any):
        self.rank, self.size, self.local = comm.rank, comm.size, launch.on_node().rank
        self._comm = comm
        self._by_mpi = transport.ByMPI(comm)
        self._flag, self._flags = np.zeros(1, np.int8), np.zeros(1, np.int8)

    def mean_(self, array: Array, shares: Shares) -> Array:
        """See :meth:`.alone.Ranks.mean_`.

        Raises
        ------
        ValueError
            If the array is not contiguous.
        """
        if not array.flags.c_contiguous:
            raise ValueError("array: expected a contiguous one")
        flat, way, xp, size = array.reshape(-1), self._transport(array), module_of(array), self.size
        if flat.size * size <= SMALL:
            flat[...] = _mean(self.gathered(flat), shares)
            return array
        block = min(BLOCK, -(-flat.size // size))
        received = xp.empty((size, block), array.dtype)
        for start in range(0, flat.size, size * block):
            part = flat[start : start + size * block]
            whole = part if part.size == size * block else xp.zeros(size * block, array.dtype)
            whole[: part.size] = part
            way.all_to_all(whole.reshape(size, block), received)
            way.all_gather(_mean(received, shares), whole.reshape(size, block))
            part[...] = whole[: part.size]
        return array

    def gathered(self, array: Array) -> Array:
        """See :meth:`.alone.Ranks.gathered`."""
        xp = module_of(array)
        everyone = xp.empty((self.size, *array.shape), array.dtype)
        self._transport(array).all_gather(xp.ascontiguousarray(array), everyone)
        return everyone

    def rows(self, array: Array, shares: Shares) -> Array:
        """See :meth:`.alone.Ranks.rows`."""
        if shares.even:
            return self.gathered(array).reshape(shares.whole, *array.shape[1:])
        xp, most = module_of(array), max(shares.counts)
        filled = xp.zeros((most, *array.shape[1:]), array.dtype)
        filled[: len(array)] = array
        everyone = self.gathered(filled)
        return xp.concatenate([part[:count] for part, count in zip(everyone, shares.counts, strict=True)])

    def any(self, flag: bool) -> bool:
        """See :meth:`.alone.Ranks.any`."""
        self._flag[0] = flag
        self._comm.Allreduce(self._flag, self._flags, op=MPI.MAX)
        return bool(self._flags[0])

    def objects(self, value: T) -> list[T]:
        """See :meth:`.alone.Ranks.objects`."""
        return self._comm.allgather(value)

    def together(self, work: Callable[[], T]) -> T:
        """See :meth:`.alone.Ranks.together`."""
        result, error = None, None
        try:
            result = work()
        except EXPECTED as raised:
            error = raised
        found = self.objects(None if error is None else (str(error), getattr(error, "exit_code", 1)))
        failed = [(rank, *which) for rank, which in enumerate(found) if which is not None]
        if not failed:
            return result  # type: ignore[return-value]
        rank, message, code = failed[0]
        if error is not None and len(failed) == self.size and len({text for _, text, _ in failed}) == 1:
            raise error
        told = UserError(f"rank {rank}: {message}")
        told.exit_code = code
        raise told from error

    def on_first(self, work: Callable[[], T]) -> T:
        """See :meth:`.alone.Ranks.on_first`."""
        if not self.first:
            return self._from_first()
        try:
            result = work()
        except EXPECTED as error:
            self._to_all(_portable(error))
            raise
        self._to_all(result)
        return result

    def describe(self, batch: int, device: Device) -> str:
        """See :meth:`.alone.Ranks.describe`; all ranks have to call this."""
        machines = sum(self.objects(self.local == 0))
        threads = sorted(set(self.objects(os.environ.get("NUMBA_NUM_THREADS", "?"))))
        counts = self.shares(batch).counts
        parts = f"{counts[0]} a rank" if self.shares(batch).even else f"{counts[0]} or {counts[-1]} a rank"
        way = self._gpus[1] if device.name != "cpu" else "MPI"
        library = MPI.Get_library_version().partition("\n")[0].replace("\t", " ").strip(" ,\0")
        name = " ".join(library.replace("Version:", "").split(",")[0].split())
        return (
            f"ranks: {self.size} on {machines} machine{'s' if machines > 1 else ''}, {' or '.join(threads)} "
            f"thread{'s' if threads != ['1'] else ''} each (NUMBA_NUM_THREADS changes it), a minibatch of {batch} is "
            f"{parts}, gradients by {way} ({name})"
        )

    @cached_property
    def _gpus(self) -> tuple[transport.Transport, str]:
        """How arrays of the ranks' GPUs travel, also in words; all ranks ask for it at once."""
        return transport.of_gpus(self._comm)

    def _transport(self, array: Array) -> transport.Transport:
        return self._gpus[0] if library(type(array)) == "cupy" else self._by_mpi

    def _to_all(self, value: Any) -> None:
        content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        size = np.array([len(content)], np.int64)
        self._comm.Ibcast(size, 0).Wait()
        self._comm.Bcast(bytearray(content), 0)

    def _from_first(self) -> Any:
        size = np.zeros(1, np.int64)
        _wait(self._comm.Ibcast(size, 0))
        content = bytearray(int(size[0]))
        self._comm.Bcast(content, 0)
        value = pickle.loads(content)
        if isinstance(value, BaseException):
            raise value
        return value


def _mean(parts: Array, shares: Shares) -> Array:
    """Mean (...) of the ranks' arrays (size, ...), each with its share, in the order of the ranks; they change."""
    total = parts[0]
    total *= shares.weights[0]
    for part, weight in zip(parts[1:], shares.weights[1:], strict=True):
        part *= weight
        total += part
    return total


def _wait(request: Any) -> None:
    """Wait for rank 0, which may take minutes, without taking a processor from it."""
    since = time.monotonic()
    while not request.Test():
        time.sleep(1e-4 if time.monotonic() - since < 0.1 else 5e-3)


def _portable(error: Exception) -> Exception:
    """The error, or one with the same words where another process could not read it."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:  # an exception's own constructor may want anything
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    told = UserError(str(error))
    told.exit_code = getattr(error, "exit_code", 1)
    return told
