"""Updates of GANs of text against eager PyTorch, in one process: Coulomb GAN, and the critic's step of WGAN-GP."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from coulombfield import Charges, Plummer, potential
from coulombfield.arrays import Device

from ...process_memory import Peak
from ...rows import OURS, Row, best_of, compared, has_torch, milliseconds, timed, torch_device, weighed
from ...timing import CPU, Spread, few_turns, timer_of
from .settings import MOVES, VOCABULARIES, Setting

PEER = "contiguous"
TABLES = ("updates", "memory", "agreement")
QUICK: dict[str, Any] = {"minibatch": 4, "width": 32, "blocks": 1}
SMALL: dict[str, Any] = {"minibatch": 3, "width": 32, "blocks": 2, "dtype": "float64"}
"""For the agreement: wide and long enough that lines are filtered."""


def settings(*, quick: bool = False, device: Device = CPU) -> list[Setting]:
    """Both GANs with each vocabulary."""
    rest = {**(QUICK if quick else {}), "device": device}
    return [Setting(kind, size, **rest) for kind in MOVES for size in VOCABULARIES]


def updates(seconds: float, *, quick: bool = False, device: Device = CPU, compiled: bool = False) -> Iterator[Row]:
    """Time an update of each setting, ours and PyTorch's in turns, and what the potential is of it.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; at least three updates are timed.
    quick : bool
        Narrow networks and small minibatches, for a look at whether all works.
    device : Device
        Where to compute.
    compiled : bool
        On a GPU, also time compiled PyTorch.
    """
    peer = has_torch(device)
    for setting in settings(quick=quick, device=device):
        calls: dict[str, Callable[[], object]] = {OURS: setting.ours()}
        if peer:
            calls |= _peers(setting, compiled)
        for call in calls.values():
            call()  # compiles, allocates and warms the caches
        if setting.kind == "coulomb":
            calls["potential"] = _potential(setting)
        spreads = few_turns(calls, seconds, timer=timer_of(device))
        calls.clear()
        gc.collect()
        of_potential = spreads.pop("potential", None)
        row = Row("text updates", setting.name, MOVES[setting.kind], setting.minibatch, device=device.name)
        row = timed(row, spreads)
        text = f"  {row.name:<20}{row.quantity:<16}{milliseconds(spreads[OURS]):>26} ms"
        if row.ratio is not None:
            best = best_of({name: spread for name, spread in spreads.items() if name != OURS})
            name = "eager PyTorch" if best == PEER else best
            text += f"   {milliseconds(spreads[best])} ms {name}, ours is {row.ratio:.2f}x as fast"
        print(text, flush=True)
        yield row
        if of_potential:
            yield _share(setting, of_potential, spreads[OURS])


def _peers(setting: Setting, compiled: bool) -> dict[str, Callable[[], object]]:
    from .torch_peer import update, updates_of

    if setting.device.xp is np:
        return {PEER: update(setting)}
    return updates_of(setting, torch_device(setting.device), compiled)


def peaks(*, quick: bool = False, device: Device = CPU) -> Iterator[Row]:
    """Measure peak memory of two updates of each setting."""
    from . import memory  # what runs as a program of its own is not imported by its package

    peers = (PEER,) if has_torch(device) else ()
    for setting in settings(quick=quick, device=device):
        measure: Callable[[str], Peak] = functools.partial(memory.measure, setting=setting)
        row, text = weighed(Row("memory", setting.name, "peak", setting.minibatch, device=device.name), measure, peers)
        print(f"  {row.name:<20}{text}", flush=True)
        yield row


def agreement() -> Iterator[Row]:
    """Compare losses and gradients with PyTorch's, in float64."""
    if has_torch():
        from .torch_peer import differences

        for kind in MOVES:
            yield from compared(differences(Setting(kind, 32, **SMALL)))


def run(
    seconds: float,
    *,
    only: Sequence[str] = (),
    quick: bool = False,
    device: Device = CPU,
    compiled: bool = False,
) -> list[dict[str, Any]]:
    """All rows of :data:`TABLES`, or of some."""
    made: tuple[Callable[[], Iterator[Row]], ...] = (
        functools.partial(updates, seconds, quick=quick, device=device, compiled=compiled),
        functools.partial(peaks, quick=quick, device=device),
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
    points, weights = setting.device.put(points), setting.device.put(signs / setting.minibatch)
    charges, kernel = Charges(points, weights), Plummer(1.0, 1.0)
    return lambda: potential(points, charges, kernel)


def _share(setting: Setting, potential: Spread, update: Spread) -> Row:
    share = potential.median / update.median
    print(
        f"  {setting.name:<20}{'potential':<16}{milliseconds(potential):>26} ms   {share:.1%} of the update", flush=True
    )
    row = Row("text updates", setting.name, "potential", setting.minibatch, device=setting.device.name)
    row = timed(row, {OURS: potential})
    return row._replace(note=f"{share:.4f} of the update")
