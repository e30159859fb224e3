"""Ranks that are about to compute something together say what, and all raise the same error unless they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..packages import own_version
from ..scattered.team import Team

T = TypeVar("T")


def agreed(team: Team, check: Callable[[], tuple[T, Mapping[str, Any]]]) -> tuple[T, list[Mapping[str, Any]]]:
    """What a check of the arguments gives, if no rank's arguments are refused and all say the same.

    Parameters
    ----------
    check : callable
        Checks this rank's arguments; gives something, and what has to be the same on all ranks by its name. Names
        that begin with an underscore may differ: they are for the others to know.

    Returns
    -------
    T
        What the check gave here.
    list
        What each rank's check said.

    Raises
    ------
    TypeError, ValueError
        The same on every rank: one line that names what is wrong, and the rank.
    """
    value, said, trouble = None, {"version": own_version()}, None
    try:
        value, more = check()
        said |= more
    except (TypeError, ValueError) as error:
        trouble = error
    answers = team.told((said, type(trouble) if trouble else None, str(trouble)))
    for rank, (_, kind, text) in enumerate(answers):
        if kind is not None:
            error_type = TypeError if issubclass(kind, TypeError) else ValueError
            raise error_type(text if team.size == 1 else f"rank {rank}: {text}")
    for name in (name for name in said if not name.startswith("_")):
        said_by = [repr(each.get(name)) for each, *_ in answers]
        # What most say is expected, and of as many rank 0.
        (usual, _), *others = Counter(said_by).most_common()
        if others:
            rank = next(rank for rank, text in enumerate(said_by) if text != usual)
            raise ValueError(
                f"{name}: expected the same on every rank, got {said_by[rank]} on rank {rank}, not {usual}"
            )
    assert value is not None
    return value, [each for each, *_ in answers]
