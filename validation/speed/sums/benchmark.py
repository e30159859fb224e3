"""Field sums: every engine, and with ``--peers`` what else a user could pick, with times, errors and peak memory.

Engines and peers that sum the same charges are timed in turns in one process. Three tables are made: all cases over
sizes, dtypes and outputs; the cases at one size over tolerances; and the works whose speed the package aims at.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from threadpoolctl import threadpool_info

import coulombfield
from coulombfield.arrays import Device
from coulombfield.sums.request import Request
from coulombfield.sums.selection import EXACT, FAST

from ..card import Card, Shares
from ..rows import ELSEWHERE
from ..timing import CPU, timer_of
from . import auto, calibration, memory
from .aims import AIMS, Aim
from .cases import CASES, COUNTED, COUNTED_PRODUCTS, DTYPES, Case, Problem
from .gpu_peers import TRANSFORMS, bare_products_on, gpu_peers
from .oracle import Oracle, errors, oracle
from .peers import BARE_PRODUCTS, LOW, PEERS, Peer
from .rounds import Spread, in_turns

OUTPUTS = ("potential", "potential + field")
NO_SUMS = ("bare GEMMs", TRANSFORMS)
"""What is timed beside the sums and gives none."""
AIMS_NAME, AUTO_NAME = "aims", "auto"
RTOLS = (1e-3, 1e-6, 1e-9, 1e-12)
RTOL_SIZE = 100_000
AIM_TIMES = 10  # as long as others are timed, so that a call of some seconds has a spread too
MEMORY_SIZE = 1_000_000


class Limits(NamedTuple):
    """What is left out because it takes too long: seconds a call, estimated before it is made."""

    case: float
    aim: float
    peer: float


STANDARD, QUICK = Limits(3.0, 30.0, 4.0), Limits(0.05, 2.0, 0.3)
QUICK_SECONDS = 0.03  # most time to spend on each timing
QUICK_SIZES = (1_000, 3_000)
QUICK_NUMBERS = 2**19  # N m in high dimension


class Row(NamedTuple):
    """One line of the benchmark; None where something does not apply or was not measured."""

    table: str
    """'cases', 'tolerances', 'aims', 'auto' or 'memory'; 'peers' for a peer that is not installed."""
    case: str
    engine: str
    """Engine or peer; 'auto' is the package's own choice."""
    peer: bool
    dtype: str
    output: str
    dimension: int | None
    n: int | None
    rtol: float | None
    """What was asked for; None of what is as exact as its dtype."""
    min_s: float | None = None
    median_s: float | None = None
    max_s: float | None = None
    interactions_per_s: float | None = None
    """N² / median_s."""
    ratio: float | None = None
    """median_s over that of 'auto' in the same turns."""
    error_potential: float | None = None
    """Error of the potential, relative as rtol is defined."""
    error_field: float | None = None
    l2_potential: float | None = None
    """Plain relative error."""
    l2_field: float | None = None
    picked: str = ""
    """The engine that 'auto' chose."""
    aim: str = ""
    peak_mb: float | None = None
    """Highest memory of a process that did only this."""
    extra_mb: float | None = None
    """What the sum added to it."""
    note: str = ""
    device: str = "cpu"
    """Where it was timed; the following are of a GPU."""
    share_of_product: float | None = None
    """Of the rate of cuBLAS, for a product of as many operations."""
    share_of_rate: float | None = None
    """Of the card's rate of multiply-adds."""
    share_of_bandwidth: float | None = None
    """Of the rate of a large copy."""
    counted: str = ""
    """How operations are counted."""


class Contender(NamedTuple):
    """An engine or a peer, ready to sum."""

    row: Row
    call: Callable[[], tuple[Any, Any]]
    exact: Callable[[], Oracle | None]
    """What its sums should be."""
    problem: Problem | None = None
    """What is summed."""


def run(
    seconds: float,
    *,
    peers: bool = False,
    figures: Path | None = None,
    quick: bool = False,
    only: Sequence[str] = (),
    largest: int = 1_000_000,
    calibrate: bool = False,
    forget: bool = False,
    device: Device = CPU,
) -> list[dict[str, Any]]:
    """Time, print, draw, and return one row for each timing.

    Parameters
    ----------
    seconds : float
        Time to spend on each timing [s]; a call that takes longer is timed once.
    peers : bool
        Also time what else is installed.
    figures : Path, optional
        Folder for figures.
    quick : bool
        Smaller sizes, for a look at whether all works.
    only : sequence of str
        Names of cases, 'aims', or 'auto'; all but the last if empty.
    largest : int
        Most charges.
    calibrate : bool
        Measure this machine's costs and write its table, and nothing else.
    forget : bool
        Remove that table, and nothing else.
    device : Device
        Where to compute.
    """
    if forget:
        calibration.forget()
        return []
    if calibrate and device.xp is not np:
        print(f"calibration: {ELSEWHERE}; what a GPU takes is estimated from what its driver tells")
        return []
    if calibrate:
        _print_machine()
        return calibration.run()
    _print_machine()
    card = None if device.xp is np else Card(device, quick=quick)
    others = {} if not peers else PEERS if card is None else gpu_peers(device)
    limits = QUICK if quick else STANDARD
    bench = _Bench(min(seconds, QUICK_SECONDS) if quick else seconds, others, limits, device, card)
    bench.list_missing()
    names = [*only] or [*CASES, AIMS_NAME]
    cases = [CASES[name] for name in names if name in CASES]
    for case in cases:
        bench.time_case(case, sizes(case, largest, quick))
    for case in cases:
        if case.dimension <= 3:
            count = min(RTOL_SIZE, sizes(case, largest, quick)[-1])
            bench.time_tolerances(case, count, RTOLS[::2] if quick else RTOLS)
    if AIMS_NAME in names:
        bench.time_aims(min(largest, QUICK_SIZES[-1]) if quick else largest)
    if AUTO_NAME in names:
        bench.time_auto(quick)
    rows = [row._asdict() for row in bench.rows]
    if figures is not None:
        from .figures import draw

        for path in draw(rows, figures):
            print(f"figure: {path}")
    return rows


def sizes(case: Case, largest: int, quick: bool) -> list[int]:
    """Numbers of charges that a case is timed with: its own up to the largest, or the largest alone."""
    low = case.dimension <= 3
    if quick:
        largest = min(largest, QUICK_SIZES[-1] if low else QUICK_NUMBERS // case.dimension)
    return [size for size in (QUICK_SIZES if quick and low else case.sizes) if size <= largest] or [largest]


class _Bench:
    """The rows so far, and how fast each contender was in them."""

    def __init__(
        self,
        seconds: float,
        peers: Mapping[str, Peer],
        limits: Limits,
        device: Device = CPU,
        card: Card | None = None,
    ):
        self.rows: list[Row] = []
        self._device, self._card = device, card
        self._seconds, self._limits = seconds, limits
        self._peers = {name: peer for name, peer in peers.items() if not peer.missing()}
        self._missing = {name: peer.missing() for name, peer in peers.items() if peer.missing()}
        self._seen: dict[tuple[str, ...], tuple[int, float]] = {}

    def list_missing(self) -> None:
        """One row for each peer that is not installed."""
        for name, reason in self._missing.items():
            self._add(Row("peers", "", name, True, "", "", None, None, None, note=reason))

    def time_case(self, case: Case, counts: Sequence[int]) -> None:
        """All engines and peers over sizes, dtypes and outputs."""
        for count in counts:
            for dtype in DTYPES:
                problem, rtol = case.problem(count, dtype), case.rtol[dtype]
                exact = _oracles(problem)
                for output in OUTPUTS:
                    print(f"\n{case.name}: {case.title}, N = {count:,}, {dtype}, {output}", flush=True)
                    like = self._like("cases", problem, output, rtol)
                    self._compete(
                        [*self._engines(problem, like, exact, self._limits.case), *self._rivals(problem, like, exact)]
                    )

    def time_tolerances(self, case: Case, count: int, rtols: Sequence[float]) -> None:
        """The engines that work to a tolerance, and beside them the exact ones, by tolerance."""
        problem = case.problem(count, "float64")
        exact = _oracles(problem)
        for rtol in rtols:
            print(f"\n{case.name}: {case.title}, N = {count:,}, float64, {OUTPUTS[1]}, rtol {rtol:g}", flush=True)
            like = self._like("tolerances", problem, OUTPUTS[1], rtol)
            contenders = self._engines(problem, like, exact, self._limits.case)
            self._compete([each for each in contenders if each.row.rtol or rtol == rtols[0]])

    def time_aims(self, largest: int) -> None:
        """The works whose speed the package aims at, at their sizes or the largest."""
        for aim in AIMS:
            count = min(aim.n, largest)
            problem = CASES[aim.case].problem(count, aim.dtype)
            exact = _oracles(problem)
            there = "" if count == aim.n else f" at N = {aim.n:,}"
            text = aim.text if self._card is None else f"of two processors {aim.text}"
            print(f"\naim{there}: {text}", end="; ")
            print(f"{problem.case.title}, N = {count:,}, {aim.dtype}, {aim.output}", flush=True)
            like = self._like("aims", problem, aim.output, aim.rtol)._replace(aim=text + there)
            engines = self._engines(problem, like, exact, self._limits.aim, only_auto=True)
            self._compete([*engines, *self._rivals(problem, like, exact)], AIM_TIMES * self._seconds)
            if count >= MEMORY_SIZE and any(row.median_s for row in self.rows if row.aim == like.aim):
                self._measure_memory(aim, like)

    def time_auto(self, quick: bool) -> None:
        """The package's own choice beside every engine that serves, over many kinds of sums."""
        print("\nauto beside the engines that serve, by medians", flush=True)
        for verdict in auto.run(self._seconds, quick=quick, device=self._device):
            kind, own = verdict.kind, verdict.spreads["auto"].median
            for name, spread in verdict.spreads.items():
                self.rows.append(
                    Row(
                        "auto", str(kind), name, False, kind.dtype, OUTPUTS[1], kind.dimension, kind.charges,
                        None if name in EXACT else kind.rtol, *spread, ratio=spread.median / own,
                        picked=verdict.picked if name == "auto" else "", device=self._device.name,
                    )
                )  # fmt: skip

    def _measure_memory(self, aim: Aim, like: Row) -> None:
        for count in (MEMORY_SIZE // 4, MEMORY_SIZE):  # two sizes tell whether it is linear
            row = like._replace(table="memory", engine="auto", n=count, aim="≤ 1500 MB at N = 1,000,000, linear in N")
            try:
                peak = memory.measure(aim.case, count, aim.dtype, aim.output, aim.rtol, self._device)
                row = row._replace(peak_mb=peak.after, extra_mb=peak.after - peak.before)
            except RuntimeError as error:
                row = row._replace(note=f"failed: {error}")
            self._add(row)

    @staticmethod
    def _like(table: str, problem: Problem, output: str, rtol: float | None) -> Row:
        count, dimension = problem.points.shape
        return Row(table, problem.case.name, "", False, str(problem.points.dtype), output, dimension, count, rtol)

    def _engines(
        self, problem: Problem, like: Row, exact: Callable[..., Oracle], limit: float, *, only_auto: bool = False
    ) -> Iterator[Contender]:
        """The package's engines that don't refuse, and its own choice; those that take too long become rows at once."""
        there = problem.on(self._device)
        request = Request(
            there.points, there.points, there.weights, problem.case.kernel.profile,
            False, True, like.output == OUTPUTS[1], like.rtol,
        )  # fmt: skip
        engines: dict[str, Any] = {**EXACT, **(FAST if like.rtol else {})}
        estimates = {name: each.seconds(request) for name, each in engines.items() if not each.refusal(request)}
        for name, estimate in {"auto": min(estimates.values()), **estimates}.items():
            row = like._replace(engine=name, rtol=None if name in EXACT else like.rtol)
            if only_auto and name != "auto":
                continue
            if estimate <= limit:
                call = functools.partial(_sum, there, row)
                yield Contender(row, call, exact, problem)
            elif math.isfinite(estimate):
                self._add(row._replace(note=f"skipped: about {estimate:.2g} s a call"))
            else:
                self._add(row._replace(note="skipped: it can't serve these values"))

    def _rivals(self, problem: Problem, like: Row, exact: Callable[..., Oracle]) -> Iterator[Contender]:
        """Peers that can sum the problem in time."""
        field = like.output == OUTPUTS[1]
        bare = BARE_PRODUCTS if self._card is None else bare_products_on(self._device)
        products = {"bare GEMMs": bare} if problem.points.shape[1] > LOW else {}
        for name, peer in {**products, **self._peers}.items():
            row = like._replace(engine=name, peer=True, rtol=like.rtol if peer.takes_rtol else None)
            row = row._replace(note=peer.note_for(problem))
            if peer.refusal(problem, field):
                continue
            estimate = self._predict(row, peer)
            # Without the bare products an aim in high dimension would have nothing to be compared with.
            if estimate > (self._limits.aim if peer is bare and like.aim else self._limits.peer):
                self._add(_noted(row, f"skipped: about {estimate:.2g} s a call by its rate"))
                continue
            try:
                call = peer.prepare(problem, field, like.rtol or float(np.finfo(like.dtype).eps))
            except Exception as error:  # of whatever class the peer may have
                self._add(_noted(row, _failure(error)))
                continue
            right = functools.partial(exact, bare=peer.bare) if peer is not bare else lambda: None
            yield Contender(row, call, right, problem)

    def _predict(self, row: Row, peer: Peer) -> float:
        """Seconds a call by the last size that was timed; 0 if none was."""
        count, seconds = self._seen.get(_kind(row), (1, 0.0))
        assert row.n is not None
        return seconds * (row.n / count) ** peer.growth

    def _compete(self, contenders: Sequence[Contender], seconds: float | None = None) -> None:
        """Call each once, measure its error, time all in turns and add their rows."""
        ready: dict[str, Contender] = {}
        first: dict[str, float] = {}
        for contender in contenders:
            start = time.perf_counter()
            try:
                result = contender.call()
            except Exception as error:  # a peer's, or that an engine can't keep its promise
                self._add(_noted(contender.row, _failure(error)))
                continue
            name = contender.row.engine
            first[name] = time.perf_counter() - start
            ready[name] = contender._replace(row=_with_errors(contender.row, result, contender.exact()))
        # A first call may have compiled something, unless a smaller size was summed before, by the same loops: what has
        # a tolerance may take others for more charges.
        known = {
            name: first[name]
            for name, contender in ready.items()
            if contender.row.rtol is None and _kind(contender.row) in self._seen
        }
        spreads = in_turns(
            {name: ready[name].call for name in ready}, seconds or self._seconds, known, timer_of(self._device)
        )
        ours = spreads["auto"].median if "auto" in spreads else None
        for name, spread in spreads.items():
            row = ready[name].row
            assert row.n is not None
            self._seen[_kind(row)] = row.n, spread.median
            rate = None if name in NO_SUMS else row.n**2 / spread.median
            self._add(
                row._replace(
                    **self._shares(row, ready[name].problem, spread.median),
                    min_s=spread.minimum, median_s=spread.median, max_s=spread.maximum,
                    interactions_per_s=rate, ratio=spread.median / ours if ours else None,
                )
            )  # fmt: skip

    def _shares(self, row: Row, problem: Problem | None, seconds: float) -> dict[str, Any]:
        """What an exact sum's time is of the card; the operations of fast ones are not counted."""
        if self._card is None or problem is None or row.engine == TRANSFORMS:
            return {}
        field = row.output == OUTPUTS[1]
        if row.dimension is not None and row.dimension > LOW:
            shares = self._card.shares(seconds, products=problem.products(field), dtype=row.dtype)
            return {**shares._asdict(), "counted": COUNTED_PRODUCTS}
        if row.rtol is not None and row.picked not in EXACT:
            return {}
        return {
            **self._card.shares(seconds, operations=problem.operations(field), dtype=row.dtype)._asdict(),
            "counted": COUNTED,
        }

    def _add(self, row: Row) -> None:
        row = row._replace(device=self._device.name)
        self.rows.append(row)
        print(f"  {describe(row)}", flush=True)


def describe(row: Row) -> str:
    """One line for a reader."""
    parts = [f"{row.engine:<16}"]
    if row.median_s is not None:
        parts.append(f"{Spread(row.min_s or 0.0, row.median_s, row.max_s or 0.0)!s:<34}")
    if row.interactions_per_s is not None:
        parts.append(f"{row.interactions_per_s:.1e}/s")
    if row.ratio is not None and row.engine != "auto":
        parts.append(f"{row.ratio:.2f}x auto's time")
    found = [error for error in (row.error_potential, row.error_field) if error is not None]
    if found:
        parts.append("error " + ", ".join(f"{error:.1e}" for error in found))
    if row.rtol is not None and row.table != "memory":
        parts.append(f"of rtol {row.rtol:g}")
    if shares := str(Shares(row.share_of_product, row.share_of_rate, row.share_of_bandwidth)):
        parts.append(shares)
    if row.picked:
        parts.append(f"picked {row.picked}")
    if row.peak_mb is not None:
        parts.append(f"N = {row.n:,}: {row.peak_mb:.0f} MB at most, {row.extra_mb:.0f} MB of it by the sum")
    return "  ".join([*parts, f"({row.note})"] if row.note else parts)


def _sum(problem: Problem, row: Row) -> tuple[Any, ...]:
    """Potential and field by an engine through the public functions, and the explanation."""
    arguments = problem.points, problem.charges, problem.case.kernel
    if row.output == OUTPUTS[1]:
        (potential, field), explanation = coulombfield.explain(
            coulombfield.potential_and_field, *arguments, rtol=row.rtol, method=row.engine
        )
        return potential, field, explanation
    potential, explanation = coulombfield.explain(coulombfield.potential, *arguments, rtol=row.rtol, method=row.engine)
    return potential, None, explanation


def _with_errors(row: Row, result: tuple[Any, ...], exact: Oracle | None) -> Row:
    """The row with the result's errors and what chose it."""
    potential, field, *explanation = result
    if exact is not None:
        measured: dict[str, Any] = errors(potential, field, exact)._asdict()
        finite: dict[str, Any] = {name: _finite(error) for name, error in measured.items()}
        row = row._replace(**finite)
        if any(error is not None and not math.isfinite(error) for error in measured.values()):
            row = _noted(row, "not finite")
    return row._replace(picked=explanation[0].method) if explanation and row.engine == "auto" else row


def _finite(number: float | None) -> float | None:
    """The number, or None, which JSON can hold, for NaN and inf."""
    return number if number is not None and math.isfinite(number) else None


def _noted(row: Row, note: str) -> Row:
    return row._replace(note=f"{row.note}; {note}" if row.note else note)


def _failure(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, NotImplementedError):  # by a stand-in for a GPU, of what it lacks
        return f"{ELSEWHERE}: {lines[0]}"
    return f"failed: {type(error).__name__}: {lines[0]}"


def _kind(row: Row) -> tuple[str, ...]:
    """What a contender's time may be compared by when only N changes."""
    return row.case, row.engine, row.dtype, row.output


def _oracles(problem: Problem) -> Callable[..., Oracle]:
    """The problem's oracle with the kernel's softening or bare, computed when it is first asked for."""

    @functools.cache
    def exact(bare: bool = False) -> Oracle:
        return oracle(problem, softening=0.0, exclude_self=True) if bare else oracle(problem)

    return exact


def _print_machine() -> None:
    blas = {info["internal_api"]: info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    threads = ", ".join(f"{name} {count}" for name, count in blas.items())
    print(f"{os.cpu_count()} processors; threads: Numba {numba.get_num_threads()}, {threads}; NumPy {np.__version__}")
    print("times are min / median / max; errors of potential and field are measured as rtol is defined")
