"""The processes that train a run together: who they are, what the first says for all, and whose the folder is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from coulombfield.arrays import Device

from .. import UserError
from ..config import Setup
from ..ranks.alone import Ranks
from ..ranks.world import world
from .folder import RunFolder

Say = Callable[[str], None]


def of(setup: Setup, say: Say) -> tuple[Ranks, Say]:
    """The processes that train together, and what is said by the first of them only.

    Raises
    ------
    UserError
        If there are several, and the experiment is one for one process.
    """
    ranks = world()
    if ranks.size > 1 and not getattr(setup.module, "OVER_RANKS", False):
        raise UserError(f"{setup.name}: expected one process, since it is not divided over ranks, got {ranks.size}")
    return ranks, say if ranks.first else _silent


def _silent(_: str) -> None:
    """What the other ranks have to say."""


def introduce(ranks: Ranks, setup: Setup, device: Device, say: Say) -> None:
    """Say how the work is divided."""
    if ranks.size > 1:
        say(ranks.describe(setup.config.training.batch, device))


@contextlib.contextmanager
def locked(ranks: Ranks, folder: RunFolder) -> Iterator[None]:
    """The first rank keeps others from training in a folder."""
    with contextlib.ExitStack() as stack:
        ranks.on_first(lambda: stack.enter_context(folder.locked()))
        yield
