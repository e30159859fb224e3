"""Whole updates of every GAN on images against eager PyTorch, in one process, and whether all gradients agree.

The settings are the presets whose names end in ``-images``; nothing is listed here. An update is one of the preset's
minibatch with all of its moves, such as five of a critic and one of the generator, on 64 x 64 images of noise.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from coulombfield.arrays import Device
from experiments import registry

from ..process_memory import Peak
from ..rows import (
    ELSEWHERE,
    FORMATS,
    OURS,
    Row,
    best_of,
    compared,
    has_torch,
    milliseconds,
    timed,
    torch_device,
    weighed,
)
from ..timing import CPU, timer_of
from ..turns import take_turns
from .settings import QUICK, WHOLE, Setting, image_presets, kind_of_preset

QUICK_BATCH = 4
QUICK_SECONDS = 0.03
AGREEMENT, MEMORY = "agreement", "memory"
HEADER = f"  {'':<36}{'ours: min / median / max [ms]':>32}   best of PyTorch [ms]"


def names() -> tuple[str, ...]:
    """What ``--only`` takes: settings, kinds of GANs, and the other tables."""
    return (*image_presets(), *registry.kinds("gans"), MEMORY, AGREEMENT)


def run(
    seconds: float,
    *,
    only: Sequence[str] = (),
    batch: Sequence[int] = (),
    quick: bool = False,
    agreement: bool = False,
    memory: bool = False,
    device: Device = CPU,
    compiled: bool = False,
) -> list[dict[str, Any]]:
    """Time, print, and return one row for each timing.

    Parameters
    ----------
    seconds : float
        Time to spend on each side of a row [s]; at least three updates are timed.
    only : sequence of str
        Which of :func:`names`. A kind means all settings of that GAN, and its gradients; a table that is named comes
        without the times.
    batch : sequence of int
        Sizes of minibatches, in place of the presets'.
    quick : bool
        Narrow networks and small minibatches, for a look at whether all works.
    agreement, memory : bool
        Also compare all gradients with PyTorch's in float64, and measure peak memory.
    device : Device
        Where to compute.
    compiled : bool
        On a GPU, also time compiled PyTorch.
    """
    tables = {name for name, asked in ((AGREEMENT, agreement), (MEMORY, memory)) if asked or name in only}
    wanted = {*only} - {AGREEMENT, MEMORY}
    chosen = [name for name in image_presets() if not wanted or {name, kind_of_preset(name)} & wanted]
    bench = _Bench(min(seconds, QUICK_SECONDS) if quick else seconds, has_torch(device), device, compiled)
    settings = [
        Setting(name, size, QUICK if quick else WHOLE, device)
        for name in chosen
        for size in batch or ((QUICK_BATCH,) if quick else (None,))
    ]
    if wanted == {*only}:
        bench.time(settings)
    if MEMORY in tables:
        bench.weigh(settings)
    if AGREEMENT in tables:
        kinds = [kind for kind in registry.kinds("gans") if not wanted or {kind, *_presets_of(kind, chosen)} & wanted]
        bench.compare(kinds)
    return [row._asdict() for row in bench.rows]


def _presets_of(kind: str, presets: Sequence[str]) -> list[str]:
    return [name for name in presets if kind_of_preset(name) == kind]


class _Bench:
    """The rows so far."""

    def __init__(self, seconds: float, peer: bool, device: Device = CPU, compiled: bool = False):
        self.seconds, self.peer, self.device, self.compiled = seconds, peer, device, compiled
        self.rows: list[Row] = []

    def time(self, settings: Sequence[Setting]) -> None:
        """One update of each setting."""
        print(HEADER)
        for setting in settings:
            rivals = tuple(FORMATS) if self.peer and self.device.xp is np else ()
            try:
                calls: dict[str, Callable[[], object]] = {OURS: setting.ours()}
                if self.peer:
                    calls |= self._peers(setting)
                spreads = take_turns(calls, self.seconds, rivals, timer_of(self.device))
            except NotImplementedError as error:  # by a stand-in for a GPU, of what it lacks
                row = _row("updates", setting)._replace(note=f"{ELSEWHERE}: {error}")
                self._add(row, f"  {_title(row):<36}{row.note}")
                continue
            calls.clear()
            gc.collect()  # a network refers to itself by way of its workspace: give room to the next
            row = timed(_row("updates", setting), spreads)
            own = spreads.pop(OURS)
            text = f"  {_title(row):<36}{milliseconds(own):>32}"
            if spreads:
                best = best_of(spreads)
                text += f"   {milliseconds(spreads[best])} {best}, ours is {row.ratio:.2f}x as fast"
            self._add(row, text)

    def _peers(self, setting: Setting) -> dict[str, Callable[[], object]]:
        from .torch_peer import updates, updates_of

        if self.device.xp is np:
            return updates(setting)
        return updates_of(setting, torch_device(self.device), self.compiled)

    def weigh(self, settings: Sequence[Setting]) -> None:
        """Peak memory of two updates of each setting."""
        from . import memory  # what runs as a program of its own is not imported by its package

        print("peak memory of two updates in a fresh process, beyond that with all packages:")
        for setting in settings:
            measure: Callable[[str], Peak] = functools.partial(memory.measure, setting=setting)
            row, text = weighed(_row("memory", setting), measure, FORMATS if self.peer else ())
            self._add(row, f"  {_title(row):<36}{text}")

    def compare(self, kinds: Sequence[str]) -> None:
        """Gradients of every GAN of these kinds; one whose losses nobody has written in PyTorch is missing."""
        if self.device.xp is not np:
            print(f"agreement: {ELSEWHERE}; it is compared on the host, and gradients --device cuda holds ours")
        if not self.peer or self.device.xp is not np:
            return
        from .torch_agreement import differences, has_losses

        print("largest relative difference from PyTorch in any loss, gradient, or what follows a move, float64:")
        self.rows.extend(compared(differences([kind for kind in kinds if has_losses(kind)]), briefly=True))
        for kind in kinds:
            if not has_losses(kind):
                row = Row("agreement", kind, note=f"missing: validation/speed/gans/torch_losses/{kind}.py")
                self._add(row, f"  {kind:<55}{row.note}")

    def _add(self, row: Row, text: str) -> None:
        print(text.rstrip(), flush=True)
        self.rows.append(row)


def _row(table: str, setting: Setting) -> Row:
    return Row(
        table, setting.preset, "peak" if table == "memory" else "update", setting.size, device=setting.device.name
    )


def _title(row: Row) -> str:
    return f"{row.name:<28}N = {row.batch}"
