"""The convolutional Coulomb GAN: layers, players and whole updates against eager PyTorch, in one process.

The rate of every product counts the operations of the textbook's direct convolution: a method that needs fewer has a
higher effective rate, which may be above that of the machine's matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numba
import numpy as np

from coulombfield.arrays import Device

from ..card import Card, Shares
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
from ..timing import CPU, Spread, sgemm_rate, timer_of
from ..turns import take_turns
from . import memory
from .cases import Columns, Pass, columns, passes_of_layers, passes_of_player, update_operations
from .update import coulomb_gan, same_bits

SIZES = (64, 32)
TIMED = (
    "im2col",
    "discriminator-layers",
    "generator-layers",
    "discriminator",
    "generator",
    *(f"update-{size}" for size in SIZES),
)
NAMES = (*TIMED, "bits", "memory", "agreement")
BASE, QUICK_BASE = 128, 16
BATCHES, QUICK_BATCHES = (16, 128), (4,)
QUICK_SECONDS = 0.03
COUNTED, COUNTED_BYTES = "direct convolution's operations, a product and a sum", "bytes in and out, each once"
HEADER = f"  {'':<62}{'ours: min / median / max [ms]':>32}{'GFLOP/s':>9}{'of sgemm':>10}   best of PyTorch [ms]"


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
        Time to spend on each side of a row [s]; at least three calls are timed.
    only : sequence of str
        Which of ``NAMES``; all timings and bits if empty.
    batch : sequence of int
        Sizes of minibatches.
    quick : bool
        Narrow networks and small minibatches, for a look at whether all works.
    agreement, memory : bool
        Also compare all networks with PyTorch in float64, and measure peak memory.
    device : Device
        Where to compute.
    compiled : bool
        On a GPU, also time compiled PyTorch.
    """
    base = QUICK_BASE if quick else BASE
    batches = tuple(batch) or (QUICK_BATCHES if quick else BATCHES)
    names = {*(only or (*TIMED, "bits"))}
    names |= {name for name, asked in (("agreement", agreement), ("memory", memory)) if asked}
    seconds = min(seconds, QUICK_SECONDS) if quick else seconds
    card = None if device.xp is np else Card(device, quick=quick)
    bench = _Bench(seconds, base, batches, has_torch(device), device, card, compiled)
    for name in NAMES:
        if name in names:
            bench.measure(name)
    return [row._asdict() for row in bench.rows]


class _Bench:
    """What was asked for, and the rows so far."""

    def __init__(
        self,
        seconds: float,
        base: int,
        batches: Sequence[int],
        peer: bool,
        device: Device = CPU,
        card: Card | None = None,
        compiled: bool = False,
    ):
        self.seconds, self.base, self.batches, self.peer = seconds, base, batches, peer
        self.device, self.card, self.compiled = device, card, compiled
        self.rows: list[Row] = []

    @functools.cached_property
    def rate(self) -> float | None:
        """Operations a second of NumPy's float32 matrix product; None on a GPU, whose own products are measured."""
        if self.card is not None:
            print("shares of what this card can do: of cuBLAS' product of as many operations of direct convolution,")
            print("of its multiply-adds, of its bandwidth")
            return None
        rate = sgemm_rate()
        print(f"sgemm: {rate / 1e9:.0f} GFLOP/s; rates below count direct convolution's operations (effective)")
        print(HEADER)
        return rate

    def measure(self, name: str) -> None:
        """All rows of one name."""
        if name == "agreement":
            self._compare()
            return
        for batch in self.batches:
            if name == "bits":
                self._check_bits(batch)
            elif name == "memory":
                for size in SIZES:
                    self._weigh(size, batch)
            elif name.startswith("update-"):
                self._time_update(int(name.removeprefix("update-")), batch)
            else:
                self._time_passes(name, batch)

    def _time_passes(self, name: str, batch: int) -> None:
        cases: Iterable[Pass | Columns]
        if name == "im2col":
            table, cases = "layers", columns(SIZES[0], self.base, batch)
        elif name.endswith("-layers"):
            table, cases = "layers", passes_of_layers(name.removesuffix("-layers"), SIZES[0], self.base, batch)
        else:
            table, cases = "players", passes_of_player(name, SIZES[0], self.base, batch)
        for case in cases:
            peers: Mapping[str, Callable[[], object]] = {}
            if self.peer:
                from .torch_calls import calls_of, calls_on

                where = torch_device(self.device)
                peers = calls_of(case) if self.card is None else calls_on(where, case, compiled=self.compiled)
            row = Row(table, case.name, case.quantity, batch, case.operations or None)
            self._time(row, case.ours(self.device), peers, case.moved if isinstance(case, Columns) else None)

    def _time_update(self, size: int, batch: int) -> None:
        peers: Mapping[str, Callable[[], object]] = {}
        if self.peer:
            from .torch_calls import updates, updates_on_gpu

            where, numbers = torch_device(self.device), (size, self.base, batch)
            on_cpu = self.card is None
            peers = updates(*numbers) if on_cpu else updates_on_gpu(where, *numbers, compiled=self.compiled)
        row = Row("updates", f"update {size}", "", batch, batch * update_operations(size, self.base))
        self._time(row, coulomb_gan(size, self.base, batch, device=self.device).step, peers)

    def _time(
        self, row: Row, ours: Callable[[], object], peers: Mapping[str, Callable[[], object]], moved: int | None = None
    ) -> None:
        rate = self.rate
        rivals = tuple(peers) if self.card is None else ()
        spreads = take_turns({OURS: ours, **peers}, self.seconds, rivals, timer_of(self.device))
        row = timed(row._replace(device=self.device.name), spreads)
        own = spreads.pop(OURS)
        if self.card is not None and (row.operations or moved):
            count = row.operations
            shares = self.card.shares(own.median, products=count, operations=count, moved=moved)
            row = row._replace(**shares._asdict(), counted=COUNTED_BYTES if moved else COUNTED)
        if row.operations is not None:
            effective = row.operations / own.median
            row = row._replace(effective_flops=effective, of_sgemm=None if rate is None else effective / rate)
        self._add(row, _line(row, own, spreads))

    def _check_bits(self, batch: int) -> None:
        threads = "twice" if self.card else f"one thread and {numba.get_num_threads()}"
        same = same_bits(SIZES[1], self.base, batch, device=self.device)
        note = "same bits" if same else "DIFFERENT BITS"
        row = Row("bits", f"update {SIZES[1]}, {threads}", "two updates", batch, note=note, device=self.device.name)
        self._add(row, f"  {_title(row):<62}{row.note}")

    def _weigh(self, size: int, batch: int) -> None:
        def measure(who: str) -> Peak:
            return memory.measure(who, size, self.base, batch, self.device)

        row = Row("memory", f"update {size}", "peak", batch, device=self.device.name)
        row, text = weighed(row, measure, FORMATS if self.peer else ())
        self._add(row, f"  {_title(row):<62}{text}")

    def _compare(self) -> None:
        if self.card is not None:
            print(f"agreement: {ELSEWHERE}; it is compared on the host, and gradients --device cuda holds ours")
        if not self.peer or self.card is not None:
            return
        from .torch_agreement import differences

        print("largest relative difference from PyTorch, float64:")
        self.rows.extend(compared(differences()))

    def _add(self, row: Row, text: str) -> None:
        print(text, flush=True)
        self.rows.append(row)


def _title(row: Row) -> str:
    batch = "" if row.batch is None else f"N = {row.batch}"
    return f"{row.name:<41}{row.quantity:<13}{batch}"


def _line(row: Row, own: Spread, peers: Mapping[str, Spread]) -> str:
    rate = of_sgemm = ""
    if row.effective_flops is not None and row.of_sgemm is not None:
        rate, of_sgemm = f"{row.effective_flops / 1e9:.0f}", f"{row.of_sgemm:.0%}"
    shares = Shares(row.share_of_product, row.share_of_rate, row.share_of_bandwidth)
    text = f"  {_title(row):<62}{milliseconds(own):>32}{rate:>9}{of_sgemm:>10}   "
    if str(shares):
        text = f"{text.rstrip()}   {shares}   "
    if not peers:
        return text.rstrip()
    best = best_of(peers)
    return f"{text}{milliseconds(peers[best])} {best}, ours is {row.ratio:.2f}x as fast"
