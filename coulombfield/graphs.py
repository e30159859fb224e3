"""CUDA graphs: what a call launches on a GPU, recorded once, and launched again as one.

A small network's update is some forty kernels of a few microseconds each, which take Python longer to launch than a
GPU to run. A graph of them is one launch. It holds what the host knew when it was recorded: the kernels, where their
arrays lie, and each number among their arguments. So a call can be recorded whose numbers are all in arrays that stay
where they are. What the host decides anew each time, such as a softening length that falls, goes
:meth:`~Recorded.aside`: it is called between two graphs.

CuPy 14 refuses to record calls of cuBLAS, cuSOLVER and cuRAND, of which :exc:`NotImplementedError` tells.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Generic, TypeVar

from .arrays import Array

T = TypeVar("T")


class Recorded(Generic[T]):
    """A call on a GPU, made once and from then on launched.

    Parameters
    ----------
    xp : module
        CuPy.
    call : callable
        Is given this object, for :meth:`aside`, and launches work on the current device. It has been called before, so
        that its kernels are compiled; it may not wait for the GPU, nor copy from or to the host.
    memory : cupy.cuda.MemoryPool
        Where the call's arrays are made. Calls that share one use the same memory in turns: what one leaves behind,
        beside its result, is overwritten by the next.

    Attributes
    ----------
    result
        What the call returned. Its arrays get their numbers anew with each launch.

    Raises
    ------
    Exception
        What the call raises, or CUDA does of what can't be recorded. Nothing of it has run then, but for what is before
        the last call :meth:`aside`.
    """

    def __init__(self, xp: ModuleType, call: Callable[[Recorded[T]], T], memory: Any):
        self._xp, self._memory = xp, memory
        self._parts: list[Callable[[], None]] = []
        self._outside = xp.cuda.get_current_stream(), xp.cuda.get_allocator()
        self._stream = xp.cuda.Stream(non_blocking=True)
        with xp.cuda.using_allocator(memory.malloc), self._stream:
            self._begin()
            try:
                self.result = call(self)
            except BaseException:
                with contextlib.suppress(Exception):  # what has gone wrong may have ended the recording
                    self._stream.end_capture()
                raise
            self._end()

    def __call__(self) -> None:
        """Launch all again, in its order, on the current stream."""
        for part in self._parts:
            part()

    def aside(self, call: Callable[[], Any]) -> Any:
        """Call something that isn't recorded, now and each time between what was before and what comes behind it.

        Parameters
        ----------
        call : callable
            Gives an array, or a tuple of arrays and of whatever else stays the same.

        Returns
        -------
        array or tuple
            What it gives now. Its arrays get their numbers anew each time.
        """
        self._end()
        stream, allocator = self._outside
        with self._xp.cuda.using_allocator(allocator), stream:
            kept = call()
        self._parts.append(functools.partial(self._renew, kept, call))
        self._begin()
        return kept

    def _renew(self, kept: Any, call: Callable[[], Any]) -> None:
        for old, new in zip(self._arrays(kept), self._arrays(call()), strict=True):
            self._xp.copyto(old, new)

    def _arrays(self, value: Any) -> Iterator[Array]:
        values = value if isinstance(value, tuple) else (value,)
        return (each for each in values if isinstance(each, self._xp.ndarray))

    def _begin(self) -> None:
        # Relaxed, so that memory may be asked for: by this call where its pool has none, and by other threads.
        self._stream.begin_capture(self._xp.cuda.runtime.streamCaptureModeRelaxed)

    def _end(self) -> None:
        """Launch what has been recorded since the last part."""
        graph = self._stream.end_capture()
        self._parts.append(graph.launch)
        graph.launch(self._outside[0])


@functools.cache
def refusal(xp: ModuleType) -> str:
    """Why a GPU, or what stands for one, can't record, or an empty string if it can: tried once, with two additions."""
    number = xp.ones(1)
    number += 1
    try:
        Recorded(xp, lambda _: xp.add(number, 1, out=number), xp.cuda.MemoryPool())()
        found = float(number[0])
    except Exception as error:  # CuPy's and CUDA's have classes of their own
        return f"{type(error).__name__}: {error}"
    return "" if found == 4 else f"an addition recorded and launched again gave {found:g} instead of 4"
