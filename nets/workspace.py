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
    overwrites the cache of the last one, a backward pass the gradients of the last one, also for a batch of another
    size. Networks may share a workspace, which saves memory. Without one every pass returns arrays of its own.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

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


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """New uninitialised array of this shape with the dtype and library of ``like``."""
    return module_of(like).empty(shape, like.dtype)


def allocate(workspace: Workspace | None, owner: object, purpose: str, shape: tuple[int, ...], like: Array) -> Array:
    """Array for one purpose of one owner: from the workspace, or a new one where there is none."""
    if workspace is None:
        return empty(shape, like)
    return workspace.rows((owner, purpose), shape, like)


def scratch(workspace: Workspace | None, purpose: str, shape: tuple[int, ...], like: Array) -> Array:
    """Array for a purpose within one call: from what all layers of the workspace share, or a new one."""
    if workspace is None:
        return empty(shape, like)
    return workspace.rows(purpose, (math.prod(shape),), like).reshape(shape)


def gradient_memory(workspace: Workspace | None, shape: tuple[int, ...], dy: Array) -> Array:
    """Array for dx, which is computed from dy and is dead when the layer below has computed its own.

    All layers share two: the one that does not hold dy is given out. Who keeps a gradient while other layers compute
    theirs has it in memory of its own.
    """
    first = scratch(workspace, "dx", shape, dy)
    if workspace is None or not module_of(dy).may_share_memory(first, dy):
        return first
    return scratch(workspace, "dx of dx", shape, dy)
