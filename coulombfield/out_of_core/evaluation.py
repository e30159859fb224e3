"""Sums over stored charges: passes over the charges, block by block, and then over the targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ..scattered.fourier import Modes, plan_of, series_of, write_block
from ..scattered.measuring import ExactSums, draw, result_of, sizes_at
from ..scattered.points import Block
from ..scattered.survey import Survey, surveyed
from ..scattered.team import Alone
from ..sums.costs import table
from ..sums.engines import EXACT
from ..sums.fourier import nufft
from ..sums.fourier.periodic import Series, Waves
from ..sums.pairs.simd import MAX_DIMENSION
from ..sums.request import OutOfReachError, Request, Result
from ..sums.selection import Candidate, Explanation
from ..sums.tolerance import FIRST_SIZES, MARGIN, Measure, tightened
from ..sums.unit_of_length import in_old_unit, rescaled
from .results import Sink
from .saved import Saved
from .stored import Stored

REFUSED = {
    "split": "it needs the neighbours of each target, and so all charges, in memory",
    "tree": "its boxes are made of all points together",
    "cuda": "it takes CuPy arrays only",
}
FAST = "nufft"
HERE = Alone()
Progress = Callable[[str, int, int], object]


class Evaluation:
    """One evaluation.

    Parameters
    ----------
    wanted : Request
        The kernel, what is wanted, and ``rtol``; its arrays are empty, and say the dtype and the dimension.
    targets, charges : Stored
        The points.
    method : str
        Checked.
    sink : Sink
        Where sums go.
    saved : Saved
        What an earlier evaluation has left, and this one leaves.
    memory : int
        Most bytes that modes and their grids may take.
    progress : callable or None
        Is called with the name of a stage, and how much of how much is done.
    """

    def __init__(
        self,
        wanted: Request,
        targets: Stored,
        charges: Stored,
        method: str,
        sink: Sink,
        saved: Saved,
        memory: int,
        progress: Progress | None,
    ):
        self.wanted, self.targets, self.charges = wanted, targets, charges
        self.method, self.sink, self.saved, self.memory = method, sink, saved, memory
        self._progress = progress
        self._stage, self.factor = "", 1.0

    def _told(self, done: int, total: int) -> None:
        """Tell how much of the stage is done."""
        if self._progress is not None:
            self._progress(self._stage, done, total)

    def _begin(self, stage: str, points: Stored | None = None) -> None:
        """Begin a stage, whose progress is that of the blocks of points or is told apart."""
        self._stage = stage
        self.targets.told = self.charges.told = lambda done: None
        if points is not None:
            points.told = lambda done: self._told(done, points.count)

    def run(self, derivatives: int) -> Explanation:
        """Write all sums; ``derivatives`` are those of the kernel that they need."""
        charges = self._survey("charges", self.charges)
        targets = self._survey("targets", self.targets)
        pairs = targets.points * charges.points
        exact = "simd" if self.wanted.targets.shape[1] <= MAX_DIMENSION else "gram"
        some = [each for each in (targets, charges) if each.points and each.finite]
        reach = max([0.0, *(float(np.max(np.abs([each.low, each.high]))) for each in some)])
        original = self.wanted
        self.wanted, self.factor = rescaled(original, derivatives, reach)
        if self.wanted.targets.dtype != original.targets.dtype:
            raise ValueError(
                f"dtype: {original.targets.dtype} can't hold these sums' terms, float64 can; give dtype='float64'"
            )
        for points in (self.charges, self.targets):
            points.factor = self.factor
        charges, targets = charges.stretched(self.factor), targets.stretched(self.factor)
        self._old_unit = original
        if not pairs:
            self._zeros()
            return Explanation("none", ())
        seconds = self._seconds(exact, targets, charges)
        candidates = [Candidate(exact, "", seconds)]
        if self.method in EXACT:
            return self._pairs(self.method, ())
        if self.method == FAST and pairs <= nufft.SMALL:
            reason = f"all pairs are faster up to {nufft.SMALL:,}"
            return self._pairs(exact, (Candidate(FAST, reason, math.inf),))
        if self.method == "auto":
            if self.wanted.rtol is None or seconds <= table().worth_a_plan or pairs <= nufft.SMALL:
                return self._pairs(exact, tuple(candidates))
            reason = nufft.refusal(self.wanted)
            fast = math.inf if reason else self._fast_seconds(targets, charges)
            candidates.append(Candidate(FAST, reason, fast))
            if fast >= seconds:
                return self._pairs(exact, tuple(candidates))
        if charges.largest == 0 and charges.finite and targets.finite:
            self._zeros()
            return Explanation(FAST, tuple(candidates), 0.0)
        try:
            error = self._fourier(targets, charges, exact)
        except OutOfReachError as reason:
            if self.method != "auto":
                raise ArithmeticError(f"method: {FAST} {reason}") from None
            return self._pairs(exact, tuple(candidates))._replace(gave_up=FAST)
        return Explanation(FAST, tuple(candidates), error)

    def _survey(self, name: str, points: Stored) -> Survey:
        """What is known of the points, found in a pass or saved by an earlier evaluation."""
        self._begin(f"box of {name}", points)
        prefix = f"survey of {name} "
        states = {key.removeprefix(prefix): x for key, x in self.saved.arrays.items() if key.startswith(prefix)}
        found, state = surveyed(HERE, points, states or None)
        if not states:
            self.saved.save({prefix + key: x for key, x in state.items()}, now=True)
        return found

    def _seconds(self, exact: str, targets: Survey, charges: Survey) -> float:
        """Time of all pairs."""
        if exact != "simd":
            return 0.0
        like = np.zeros(1, self.wanted.targets.dtype)
        every = [np.broadcast_to(like, (each.points, self.wanted.targets.shape[1])) for each in (targets, charges)]
        return EXACT[exact].seconds(self.wanted._replace(targets=every[0], positions=every[1]))

    def _fast_seconds(self, targets: Survey, charges: Survey) -> float:
        assert self.wanted.rtol is not None
        try:
            plan = plan_of(self.wanted, targets, charges, self.wanted.rtol / 4)
        except OutOfReachError:
            return math.inf
        coordinates = (targets.points + charges.points) * self.wanted.targets.shape[1]
        return nufft.seconds_of(plan, coordinates, numba.get_num_threads())

    def _zeros(self) -> None:
        for block in self.targets.blocks():
            potential = np.zeros(len(block.positions), self.targets.dtype) if self.wanted.potential else None
            field = np.zeros_like(block.positions) if self.wanted.field else None
            self.sink.write(block.rows, Result(potential, field))

    def _write(self, rows: slice, part: Result) -> None:
        self.sink.write(rows, in_old_unit(part, self._old_unit, self.factor))

    # Fourier sums: modes of all charges and exact sums at a sample in one pass, then the targets.

    def _fourier(self, targets: Survey, charges: Survey, exact: str) -> float:
        rtol, wanted = self.wanted.rtol, self.wanted
        assert rtol is not None
        self._begin("sample of targets", self.targets)
        sample = draw(HERE, self.targets, charges, None)
        own = self.charges.weights_at(sample.rows) if wanted.exclude_self else None
        sums = ExactSums(wanted, sample, EXACT[exact], HERE.rank)
        known = self.saved.arrays
        last: list[tuple[Series, Waves | None]] = []

        def approximate(tolerance: float) -> Result:
            if (failed := _found(known, "failed", tolerance)) is not None:
                raise _FailedBeforeError(failed)
            series = series_of(HERE, wanted, targets, charges, tolerance)
            self._check_memory(series)
            waves = self._pass(series, charges, tolerance, sums)
            last[:] = [(series, waves)]
            part = self._empty(len(sample.positions))
            write_block(series, waves, charges.total, sample.positions.astype(self.targets.dtype), own, part)
            return part

        def magnitudes(name: str, count: int) -> np.ndarray:
            if count == min(FIRST_SIZES, len(sample.positions)):
                return known[f"sizes of {name}"][:, 0]
            self._begin("magnitudes at the sample", self.charges)
            return sums.table(self.charges, sizes_at(name, count))[:, 0]

        def error_of(result: Result) -> float:
            reference = result_of(known["reference"], wanted)
            return Measure(rtol, sample.counts, reference, magnitudes).error(result)

        _, error = _replayed(rtol, approximate, error_of, self._failed)
        (series, waves), *_ = last
        self._targets(series, waves, charges.total)
        return error

    def _failed(self, tolerance: float, error: float) -> None:
        """Keep that an attempt did not do, and what its error was."""
        earlier = self.saved.arrays.get("failed", np.empty((0, 2)))
        self.saved.drop("modes", "modes of")
        self.saved.save({"failed": np.concatenate([earlier, [[tolerance, error]]])}, now=True)

    def _check_memory(self, series: Series) -> None:
        needed = 16 * series.plan.grid_points * numba.get_num_threads()
        if needed > self.memory:
            raise OutOfReachError(f"would take {needed:,} bytes for its modes' grids, more than memory={self.memory:,}")

    def _pass(self, series: Series, charges: Survey, tolerance: float, sums: ExactSums) -> Waves | None:
        """The modes of all charges; where they are not known yet, the exact sums at the sample too."""
        known, names = self.saved.arrays, [x for x in Result._fields if getattr(self.wanted, x)]
        changes: dict[str, Callable[[Request], Request]] = {"reference": lambda request: request}
        changes |= {f"sizes of {name}": sizes_at(name, FIRST_SIZES) for name in names}
        trivial = series.vanishes or not series.plan.axes
        modes = None if trivial else Modes(series, False, charges.sizes)
        first, tables = 0, {}
        if "modes of" in known and known["modes of"][0] == tolerance:
            first = int(known["modes of"][1])
            if modes is not None:
                modes.total = known["modes"].copy()
            tables = {name: known[name].copy() for name in changes if name in known}
        elif not known.get("sampled", False):
            tables = {name: sums.empty(change) for name, change in changes.items()}
        measured = bool(known.get("sampled", np.asarray(False)))
        self._begin("modes of charges", self.charges)
        for number, block in enumerate(self.charges.blocks(first), first + 1):
            if modes is not None:
                assert block.weights is not None
                modes.add(block.positions, block.weights)
            if not measured:
                for name, table in tables.items():
                    sums.add(block, table, changes[name])
            if self.saved.due:
                self._keep_modes(modes, tolerance, number, tables)
        self._keep_modes(modes, tolerance, len(self.charges.starts), tables)
        self.saved.save({"sampled": True}, now=True)
        return None if modes is None else modes.waves(HERE)

    def _keep_modes(self, modes: Modes | None, tolerance: float, blocks: int, tables: dict[str, np.ndarray]) -> None:
        arrays: dict[str, Any] = {"modes of": np.asarray([tolerance, blocks]), **tables}
        if modes is not None:
            arrays["modes"] = modes.total
        self.saved.save(arrays)

    def _targets(self, series: Series, waves: Waves | None, total: float) -> None:
        self._begin("sums at targets", self.targets)
        first = int(self.saved.arrays.get("targets", 0)) if self.sink.kept else 0
        for number, block in enumerate(self.targets.blocks(first), first + 1):
            part = self._empty(len(block.positions))
            write_block(series, waves, total, block.positions, self._own(block), part)
            self._write(block.rows, part)
            if self.saved.due:
                self.sink.flush()
                self.saved.save({"targets": number})
        self.sink.flush()

    def _own(self, block: Block) -> np.ndarray | None:
        """The charges of a block of targets, where their own terms are left out."""
        return self.charges.read(block.start).weights if self.wanted.exclude_self else None

    def _empty(self, count: int) -> Result:
        dtype, dimension = self.targets.dtype, self.wanted.targets.shape[1]
        return Result(
            np.empty(count, dtype) if self.wanted.potential else None,
            np.empty((count, dimension), dtype) if self.wanted.field else None,
        )

    # All pairs: each block of targets with each of charges.

    def _pairs(self, method: str, candidates: tuple[Candidate, ...]) -> Explanation:
        known, wanted = self.saved.arrays, self.wanted
        self._begin("pairs of blocks")
        first = int(known.get("targets", 0)) if self.sink.kept else 0
        done, total = first * len(self.charges.starts), len(self.targets.starts) * len(self.charges.starts)
        columns = wanted.potential + wanted.field * wanted.targets.shape[1]
        for number, block in enumerate(self.targets.blocks(first), first):
            table, begun = np.zeros((len(block.positions), columns)), 0
            if "partial of" in known and known["partial of"][0] == number:
                table, begun = known["partial"].copy(), int(known["partial of"][1])
            for turn, charges in enumerate(self.charges.blocks(begun), begun + 1):
                own = wanted.exclude_self and charges.start == block.start
                request = wanted._replace(
                    targets=block.positions, positions=charges.positions, weights=charges.weights, exclude_self=own
                )
                parts = [x if x.ndim == 2 else x[:, None] for x in EXACT[method].evaluate(request) if x is not None]
                table += np.concatenate(parts, axis=1)
                done += 1
                self._told(done, total)
                if self.saved.due:
                    self.saved.save({"partial of": np.asarray([number, turn]), "partial": table})
            part = result_of(table, wanted)
            with np.errstate(over="ignore"):
                self._write(block.rows, Result(*(None if x is None else x.astype(self.targets.dtype) for x in part)))
            self.sink.flush()
            self.saved.drop("partial of", "partial")
            self.saved.save({"targets": number + 1})
        return Explanation(method, candidates)


class _FailedBeforeError(Exception):
    """An attempt of an earlier evaluation, and its error."""


def _found(known: dict[str, np.ndarray], name: str, tolerance: float) -> float | None:
    for given, error in known.get(name, np.empty((0, 2))).tolist():
        if given == tolerance:
            return error
    return None


def _replayed(
    rtol: float,
    approximate: Callable[[float], Result],
    error_of: Callable[[Result], float],
    failed: Callable[[float, float], None],
) -> tuple[Result, float]:
    """As :func:`tightened`, but attempts that failed in an earlier evaluation are not made again."""
    now: dict[str, Any] = {}

    def attempt(tolerance: float) -> Result:
        now["tolerance"], now["error"] = tolerance, None
        try:
            return approximate(tolerance)
        except _FailedBeforeError as earlier:
            (now["error"],) = earlier.args
            return Result(None, None)

    def error(result: Result) -> float:
        if now["error"] is not None:
            return now["error"]
        found = error_of(result)
        if not found * MARGIN <= rtol:
            failed(now["tolerance"], found)
        return found

    return tightened(rtol, attempt, error)
