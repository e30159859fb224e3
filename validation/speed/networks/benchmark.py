"""The convolutional Coulomb GAN: layers, players and whole updates against eager PyTorch, in one process.

The rate of every product counts the operations of the textbook's direct convolution: a method that needs fewer has a
higher effective rate, which may be above that of the machine's matrix product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numba

from ..process_memory import Peak
from ..rows import FORMATS, OURS, Row, compared, has_torch, milliseconds, timed, weighed
from ..timing import Spread, sgemm_rate
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
HEADER = f"  {'':<62}{'ours: min / median / max [ms]':>32}{'GFLOP/s':>9}{'of sgemm':>10}   best of PyTorch [ms]"


def run(
    seconds: float,
    *,
    only: Sequence[str] = (),
    batch: Sequence[int] = (),
    quick: bool = False,
    agreement: bool = False,
    memory: bool = False,
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
    """
    base = QUICK_BASE if quick else BASE
    batches = tuple(batch) or (QUICK_BATCHES if quick else BATCHES)
    names = {*(only or (*TIMED, "bits"))}
    names |= {name for name, asked in (("agreement", agreement), ("memory", memory)) if asked}
    bench = _Bench(min(seconds, QUICK_SECONDS) if quick else seconds, base, batches, has_torch())
    for name in NAMES:
        if name in names:
            bench.measure(name)
    return [row._asdict() for row in bench.rows]


class _Bench:
    """What was asked for, and the rows so far."""

    def __init__(self, seconds: float, base: int, batches: Sequence[int], peer: bool):
        self.seconds, self.base, self.batches, self.peer = seconds, base, batches, peer
        self.rows: list[Row] = []

    @functools.cached_property
    def rate(self) -> float:
        """Operations a second of NumPy's float32 matrix product."""
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
                from .torch_calls import calls_of

                peers = calls_of(case)
            row = Row(table, case.name, case.quantity, batch, case.operations or None)
            self._time(row, case.ours(), peers)

    def _time_update(self, size: int, batch: int) -> None:
        peers: Mapping[str, Callable[[], object]] = {}
        if self.peer:
            from .torch_calls import updates

            peers = updates(size, self.base, batch)
        row = Row("updates", f"update {size}", "", batch, batch * update_operations(size, self.base))
        self._time(row, coulomb_gan(size, self.base, batch).step, peers)

    def _time(self, row: Row, ours: Callable[[], object], peers: Mapping[str, Callable[[], object]]) -> None:
        rate = self.rate
        spreads = take_turns({OURS: ours, **peers}, self.seconds, tuple(peers))
        row = timed(row, spreads)
        own = spreads.pop(OURS)
        if row.operations is not None:
            effective = row.operations / own.median
            row = row._replace(effective_flops=effective, of_sgemm=effective / rate)
        self._add(row, _line(row, own, spreads))

    def _check_bits(self, batch: int) -> None:
        name = f"update {SIZES[1]}, one thread and {numba.get_num_threads()}"
        same = same_bits(SIZES[1], self.base, batch)
        row = Row("bits", name, "two updates", batch, note="same bits" if same else "DIFFERENT BITS")
        self._add(row, f"  {_title(row):<62}{row.note}")

    def _weigh(self, size: int, batch: int) -> None:
        def measure(who: str) -> Peak:
            return memory.measure(who, size, self.base, batch)

        row, text = weighed(Row("memory", f"update {size}", "peak", batch), measure, FORMATS if self.peer else ())
        self._add(row, f"  {_title(row):<62}{text}")

    def _compare(self) -> None:
        if not self.peer:
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
    text = f"  {_title(row):<62}{milliseconds(own):>32}{rate:>9}{of_sgemm:>10}   "
    if not peers:
        return text.rstrip()
    best = min(peers, key=lambda name: peers[name].median)
    return f"{text}{milliseconds(peers[best])} {best}, ours is {row.ratio:.2f}x as fast"
