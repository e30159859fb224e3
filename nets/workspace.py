"""Memory that one training step leaves to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

from coulombfield.arrays import Array
from nets.primitives.inplace import module_of


class Workspace:
    """Arrays that are allocated once and handed out again on every later request for the same key.

    What a network writes into a workspace is valid until the same network writes there again: a forward pass
    overwrites the cache of the last one, a backward pass the gradients of the last one. Without a workspace
    every pass returns arrays of its own.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for this key, made now if it is new."""
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = make()
        return kept

    def scratch(self, purpose: str, size: int, like: Array) -> Array:
        """Array of at least this size that all layers share, shape (size or more,): for what no call leaves behind.

        It is replaced by a larger one where the size is new.
        """
        key = "scratch", purpose, like.dtype
        kept = self._kept.get(key)
        if kept is None or kept.size < size:
            self._kept[key] = None  # the old one goes before the new one comes
            kept = self._kept[key] = empty((size,), like)
        return kept


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """New uninitialised array of this shape with the dtype and library of ``like``."""
    return module_of(like).empty(shape, like.dtype)


def allocate(workspace: Workspace | None, owner: object, purpose: str, shape: tuple[int, ...], like: Array) -> Array:
    """Array for one purpose of one owner: from the workspace, or a new one where there is none."""
    if workspace is None:
        return empty(shape, like)
    return workspace.get((owner, purpose, shape, like.dtype), lambda: empty(shape, like))


def scratch(workspace: Workspace | None, purpose: str, shape: tuple[int, ...], like: Array) -> Array:
    """Array for a purpose within one call: from what all layers of the workspace share, or a new one."""
    if workspace is None:
        return empty(shape, like)
    size = math.prod(shape)
    return workspace.scratch(purpose, size, like)[:size].reshape(shape)
