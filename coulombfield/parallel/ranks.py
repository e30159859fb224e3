"""MPI as the sums use it, by mpi4py: a communicator as a team, and rows that move from rank to rank."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from ..packages import trouble_with

T = TypeVar("T")


class Ranks:
    """The ranks of a communicator.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm, optional
        All ranks of the program without it.

    Raises
    ------
    ModuleNotFoundError
        If mpi4py can't be used; the message says why, and what to do.
    TypeError
        If ``comm`` is no communicator of one group.
    """

    def __init__(self, comm: Any = None):
        if trouble := trouble_with("mpi4py", "pip install 'coulombfield[mpi]'"):
            raise ModuleNotFoundError(trouble)
        from mpi4py import MPI

        if comm is None:
            comm = MPI.COMM_WORLD
        if not isinstance(comm, MPI.Intracomm) or comm == MPI.COMM_NULL:
            raise TypeError(f"comm: expected an mpi4py.MPI.Intracomm such as MPI.COMM_WORLD, got {comm!r}")
        self._mpi, self.comm = MPI, comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def told(self, value: T) -> list[T]:
        """What each rank says."""
        return self.comm.allgather(value)

    def decided(self, make: Callable[[], T]) -> T:
        """What rank 0 makes; if it raises, all do."""
        answer: tuple[Any, Exception | None] = (None, None)
        if self.rank == 0:
            try:
                answer = make(), None
            except Exception as error:
                answer = None, error
        value, trouble = self.comm.bcast(answer)
        if trouble is not None:
            raise trouble
        return value

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum of the ranks' arrays: added up once and told to all, so that all have the same bits."""
        if self.size == 1:
            return array
        found = np.ascontiguousarray(array)
        send = found if self.rank else self._mpi.IN_PLACE
        if self.rank == 0:
            found = found.copy()
            self.comm.Reduce(send, found)
        else:
            self.comm.Reduce(send, None)
            found = np.empty_like(found)
        self.comm.Bcast(found)
        return found

    def exchanged(self, rows: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows from all ranks, in their order.

        Parameters
        ----------
        rows : array, shape (n, k)
            Those for rank 0 first, and so on.
        counts : array of int, shape (size,)
            How many are for each rank.

        Returns
        -------
        array, shape (n', k)
            What came.
        array of int, shape (size,)
            How many came from each rank.
        """
        coming = np.empty(self.size, np.int64)
        self.comm.Alltoall(np.ascontiguousarray(counts, np.int64), coming)
        width = rows.shape[1]
        found = np.empty((int(coming.sum()), width), rows.dtype)
        send, receive = (np.ascontiguousarray(each * width) for each in (np.asarray(counts, np.int64), coming))
        self.comm.Alltoallv([np.ascontiguousarray(rows), send], [found, receive])
        return found, coming

    def ring(self, own: np.ndarray, sizes: list[int]) -> Iterator[tuple[int, np.ndarray, Callable[[], object]]]:
        """Each rank's array in turn, its own first; ``sizes`` are the arrays' lengths.

        Beside the rank and its array comes a function to be called now and then while that is worked on: MPI moves a
        large message only while the program is inside one of its functions.
        """
        before, after = (self.rank - 1) % self.size, (self.rank + 1) % self.size
        current = own
        for turn in range(self.size):
            owner = (self.rank - turn) % self.size
            requests = []
            if turn + 1 < self.size:
                coming = np.empty(sizes[(owner - 1) % self.size], own.dtype)
                requests = [self.comm.Irecv(coming, before, tag=turn), self.comm.Isend(current, after, tag=turn)]
            yield owner, current, functools.partial(self._mpi.Request.Testall, requests)
            if requests:
                self._mpi.Request.Waitall(requests)
                current = coming

    def one_by_one(self, own: np.ndarray, sizes: list[int]) -> Iterator[tuple[int, np.ndarray, Callable[[], object]]]:
        """Each rank's array in turn, rank 0's first, for all ranks at the same time."""
        arrays: dict[int, tuple[np.ndarray, list[Any]]] = {}

        def begin(owner: int) -> None:
            array = own if owner == self.rank else np.empty(sizes[owner], own.dtype)
            arrays[owner] = array, [self.comm.Ibcast(array, owner)]

        begin(0)
        for owner in range(self.size):
            array, requests = arrays.pop(owner)
            self._mpi.Request.Waitall(requests)
            if owner + 1 < self.size:
                begin(owner + 1)
            coming = arrays[owner + 1][1] if owner + 1 < self.size else []
            yield owner, array, functools.partial(self._mpi.Request.Testall, coming)
