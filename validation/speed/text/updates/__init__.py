"""Updates of GANs of text against eager PyTorch, in one process: Coulomb GAN, and the critic's step of WGAN-GP."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from coulombfield import Charges, Plummer, potential

from ...process_memory import Peak
from ...rows import OURS, Row, compared, has_torch, milliseconds, timed, weighed
from ...timing import Spread, few_turns
from .settings import MOVES, VOCABULARIES, Setting

PEER = "contiguous"
TABLES = ("updates", "memory", "agreement")
QUICK: dict[str, Any] = {"minibatch": 4, "width": 32, "blocks": 1}
SMALL: dict[str, Any] = {"minibatch": 3, "width": 32, "blocks": 2, "dtype": "float64"}
"""For the agreement: wide and long enough that lines are filtered."""


def settings(*, quick: bool = False) -> list[Setting]:
    """Both GANs with each vocabulary."""
    return [Setting(kind, size, **(QUICK if quick else {})) for kind in MOVES for size in VOCABULARIES]


def updates(seconds: float, *, quick: bool = False) -> Iterator[Row]:
    """Time an update of each setting, ours and PyTorch's in turns, and what the potential is of it.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; at least three updates are timed.
    quick : bool
        Narrow networks and small minibatches, for a look at whether all works.
    """
    peer = has_torch()
    for setting in settings(quick=quick):
        calls: dict[str, Callable[[], object]] = {OURS: setting.ours()}
        if peer:
            from .torch_peer import update

            calls[PEER] = update(setting)
        for call in calls.values():
            call()  # compiles, allocates and warms the caches
        if setting.kind == "coulomb":
            calls["potential"] = _potential(setting)
        spreads = few_turns(calls, seconds)
        calls.clear()
        gc.collect()
        of_potential = spreads.pop("potential", None)
        row = timed(Row("text updates", setting.name, MOVES[setting.kind], setting.minibatch), spreads)
        text = f"  {row.name:<20}{row.quantity:<16}{milliseconds(spreads[OURS]):>26} ms"
        if peer:
            text += f"   {milliseconds(spreads[PEER])} ms eager PyTorch, ours is {row.ratio:.2f}x as fast"
        print(text, flush=True)
        yield row
        if of_potential:
            yield _share(setting, of_potential, spreads[OURS])


def peaks(*, quick: bool = False) -> Iterator[Row]:
    """Measure peak memory of two updates of each setting."""
    from . import memory  # what runs as a program of its own is not imported by its package

    peers = (PEER,) if has_torch() else ()
    for setting in settings(quick=quick):
        measure: Callable[[str], Peak] = functools.partial(memory.measure, setting=setting)
        row, text = weighed(Row("memory", setting.name, "peak", setting.minibatch), measure, peers)
        print(f"  {row.name:<20}{text}", flush=True)
        yield row


def agreement() -> Iterator[Row]:
    """Compare losses and gradients with PyTorch's, in float64."""
    if has_torch():
        from .torch_peer import differences

        for kind in MOVES:
            yield from compared(differences(Setting(kind, 32, **SMALL)))


def run(seconds: float, *, only: Sequence[str] = (), quick: bool = False) -> list[dict[str, Any]]:
    """All rows of :data:`TABLES`, or of some."""
    made: tuple[Callable[[], Iterator[Row]], ...] = (
        functools.partial(updates, seconds, quick=quick),
        functools.partial(peaks, quick=quick),
        agreement,
    )
    tables = zip(TABLES, made, strict=True)
    return [row._asdict() for name, table in tables if not only or name in only for row in table()]


def _potential(setting: Setting) -> Callable[[], object]:
    """The potential of a minibatch at its own points."""
    count = 2 * setting.minibatch
    points = setting.data[:count].reshape(count, -1)
    signs = points[:, 0] * 0 + 1
    signs[: setting.minibatch] = -1
    charges, kernel = Charges(points, signs / setting.minibatch), Plummer(1.0, 1.0)
    return lambda: potential(points, charges, kernel)


def _share(setting: Setting, potential: Spread, update: Spread) -> Row:
    share = potential.median / update.median
    print(
        f"  {setting.name:<20}{'potential':<16}{milliseconds(potential):>26} ms   {share:.1%} of the update", flush=True
    )
    row = timed(Row("text updates", setting.name, "potential", setting.minibatch), {OURS: potential})
    return row._replace(note=f"{share:.4f} of the update")
