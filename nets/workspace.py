"""Memory that one training step leaves to the next."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from coulombfield.arrays import Array, module_of

BLOCK = 2**26
"""Bytes of the smallest block. An operating system gives no memory to those that nobody writes to, and takes back that
of so large a block, where small ones leave holes."""

ALIGNMENT = 64
"""Alignment of arrays in a block [bytes]: a line of the cache."""


class Workspace:
    """Arrays that are allocated once and handed out again on every later request for the same key.

    What a network writes into a workspace is valid until the same network writes there again: a forward pass
    overwrites the cache of the last one, a backward pass the gradients of the last one, also for a batch of another
    size. Networks may share a workspace, which saves memory. Without one every pass returns arrays of its own.

    Passes that are over may also leave their memory to those of other networks, by :meth:`mark` and :meth:`release`.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}
        self._stack = Stack()

    def mark(self) -> int:
        """What passes hold until now, for :meth:`release`; 0 stands for the beginning."""
        return len(self._stack)

    def release(self, mark: int) -> None:
        """Leave to other passes what has been written since the mark: outputs, caches and gradients by x."""
        self._stack.release(mark)

    def of_passes(self, key: Hashable, shape: tuple[int, ...], like: Array) -> Array:
        """Like :meth:`rows`, until :meth:`release`."""
        return self._stack.rows((key, shape[1:], like.dtype), shape, like)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for this key, made now if it is new."""
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = make()
        return kept

    def rows(self, key: Hashable, shape: tuple[int, ...], like: Array) -> Array:
        """Array of this shape: the first rows of the longest that was asked for under this key."""
        key = key, shape[1:], like.dtype
        kept = self._kept.get(key)
        if kept is None or len(kept) < shape[0]:
            self._kept[key] = None  # the old one goes before the new one comes
            kept = self._kept[key] = empty(shape, like)
        return kept if len(kept) == shape[0] else kept[: shape[0]]

    def beside(self, key: Hashable, shape: tuple[int, ...], other: Array) -> Array:
        """Array of this shape and of the dtype of another one, which may lie in the same memory: at its other end."""
        key, size = (key, other.dtype), math.prod(shape)
        memory = self._kept.get(key)
        if memory is not None and memory.size >= size:
            for part in (memory[:size], memory[memory.size - size :]):
                if not module_of(other).may_share_memory(part, other):
                    return part.reshape(shape)
        self._kept[key] = empty((max(size + other.size, BLOCK // other.dtype.itemsize),), other)
        return self._kept[key][:size].reshape(shape)


class Row(NamedTuple):
    """An array in a stack, the block that it lies in and where it ends there [bytes]."""

    array: Array
    block: int
    end: int


class Stack:
    """Arrays in blocks of bytes that stay; a new block is at least as long as all before it together, and as BLOCK."""

    def __init__(self) -> None:
        self._blocks: list[Array] = []
        self._ends: list[int] = []  # of what is taken in each
        self._rows: dict[Hashable, Row] = {}  # in the order in which they were asked for

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, key: Hashable, shape: tuple[int, ...], like: Array) -> Array:
        """Array of this shape: what lies there under this key, if that is long enough, or a new one on top."""
        row = self._rows.get(key)
        if row is None or len(row.array) < shape[0]:
            self._rows.pop(key, None)  # what is longer takes its place in the order too
            size = math.prod(shape) * like.dtype.itemsize
            block = self._with_room(size, like)
            start = self._ends[block]
            self._ends[block] = start + size + -size % ALIGNMENT
            array = self._blocks[block][start : start + size].view(like.dtype).reshape(shape)
            row = self._rows[key] = Row(array, block, self._ends[block])
        return row.array if len(row.array) == shape[0] else row.array[: shape[0]]

    def release(self, length: int) -> None:
        """Forget all but the first so many arrays."""
        self._rows = dict(itertools.islice(self._rows.items(), length))
        self._ends = [0] * len(self._blocks)
        for row in self._rows.values():
            self._ends[row.block] = max(self._ends[row.block], row.end)

    def _with_room(self, size: int, like: Array) -> int:
        """The first block with room for so many bytes."""
        for place, (block, end) in enumerate(zip(self._blocks, self._ends, strict=True)):
            if end + size <= block.size:
                return place
        size = max(size + -size % ALIGNMENT, BLOCK, sum(block.size for block in self._blocks))
        self._blocks.append(module_of(like).empty(size, "u1"))
        self._ends.append(0)
        return len(self._ends) - 1


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """New uninitialised array of this shape with the dtype and library of ``like``."""
    return module_of(like).empty(shape, like.dtype)


def allocate(workspace: Workspace | None, owner: object, purpose: str, shape: tuple[int, ...], like: Array) -> Array:
    """Array for one purpose of one owner: from the workspace, or a new one where there is none."""
    if workspace is None:
        return empty(shape, like)
    return workspace.of_passes((owner, purpose), shape, like)


def scratch(workspace: Workspace | None, purpose: Hashable, shape: tuple[int, ...], like: Array) -> Array:
    """Array for a purpose within one call: from what all layers of the workspace share, or a new one."""
    if workspace is None:
        return empty(shape, like)
    return workspace.rows(purpose, (math.prod(shape),), like).reshape(shape)


def gradient_memory(workspace: Workspace | None, shape: tuple[int, ...], dy: Array) -> Array:
    """Array for dx, which is computed from dy and is dead when the layer below has computed its own.

    All layers share one memory, at whose ends dy and dx take turns. Who keeps a gradient while other layers compute
    theirs has it in memory of its own.
    """
    return empty(shape, dy) if workspace is None else workspace.beside("dx", shape, dy)
