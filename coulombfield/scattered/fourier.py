"""Fourier sums of scattered points: modes of each block of charges, their sum, and from that the sums at targets.

With sums in a fixed order, modes are added up as integers, in units of a part of the largest sum that they can be: by
no order of blocks then changes a bit.
"""

from __future__ import annotations

import math

import numpy as np

from ..sums.fourier.error_scale import CHARGES, TARGETS, paired
from ..sums.fourier.periodic import Budget, Coefficients, Layout, Series, Waves
from ..sums.fourier.planning import Facts, Plan, in_reach, planned
from ..sums.request import OutOfReachError, Request, Result
from .points import Points
from .survey import Survey, box_of
from .team import Team

BITS = 61  # of an integer that a mode is turned into: one more for its sign, and one for rounding


def facts_of(targets: Survey, charges: Survey, exclude_self: bool) -> Facts:
    """What a plan has to know, of finite points and charges that are not all 0."""
    centre, extents = box_of(targets, charges)
    largest = charges.largest or 1.0
    ends, _ = targets.drawn(TARGETS, "targets of sizes")
    places, weights = charges.drawn(CHARGES, "charges of sizes")
    table = np.broadcast_to(weights / largest, (len(ends), len(places)))
    if exclude_self:
        table = np.where((ends[:, None, :] == places[None, :, :]).all(axis=-1), 0.0, table)
    pairs = paired(ends, places, table, charges.points / len(places))
    own, total = math.sqrt(charges.squares / charges.points) / largest, charges.sizes / largest
    return Facts(targets.points, charges.points, centre, extents, charges.largest, own, total, pairs)


def plan_of(wanted: Request, targets: Survey, charges: Survey, tolerance: float) -> Plan:
    """The plan of Fourier sums; of ``wanted`` the kernel and what is wanted are looked at, not the arrays.

    Raises
    ------
    OutOfReachError
        If there is none.
    """
    length = wanted.profile.smooth_length
    assert length is not None, "refused before"
    _, extents = box_of(targets, charges)
    if not targets.finite or not charges.finite:
        raise OutOfReachError("takes finite numbers only")
    if not in_reach(extents, charges.largest, length):
        raise OutOfReachError("would take too many modes")
    found = planned(facts_of(targets, charges, wanted.exclude_self), wanted, length, tolerance)
    if found is None:
        raise OutOfReachError("would take too many modes")
    return found


def series_of(team: Team, wanted: Request, targets: Survey, charges: Survey, tolerance: float) -> Series:
    """The series that process 0 plans, for all; raises as :func:`plan_of`."""

    def make() -> tuple[Layout, Budget]:
        found = plan_of(wanted, targets, charges, tolerance)
        return found.layout, found.budget

    def radial(s: np.ndarray) -> np.ndarray:
        return wanted.profile.value(np, s)

    layout, budget = team.decided(make)
    return Series(Coefficients.of(radial, layout), layout, budget, charges.largest, wanted.potential, wanted.field)


class Modes:
    """The modes ρ of charges, added up block by block.

    Parameters
    ----------
    series : Series
        What they are modes of; neither at one place nor without charges.
    ordered : bool
        Whether the order of blocks, and what process they are of, may not change a bit.
    sizes : float
        Σ |q| of all charges.
    """

    def __init__(self, series: Series, ordered: bool, sizes: float):
        self._series = series
        self.total: np.ndarray = np.zeros(series.plan.shape, np.complex128)
        self._unit = 0.0
        if ordered:
            self.total = np.zeros((*series.plan.shape, 2), np.int64)
            self._unit = 2.0 ** (math.frexp(sizes / series.largest)[1] - BITS)

    def add(self, positions: np.ndarray, weights: np.ndarray) -> None:
        """Those of some more charges."""
        self.total += self._counted(self._series.modes_of(positions, weights))

    def _counted(self, rho: np.ndarray) -> np.ndarray:
        if not self._unit:
            return rho
        parts = np.ascontiguousarray(rho, np.complex128).view(np.float64).reshape(self.total.shape)
        return np.rint(parts / self._unit).astype(np.int64)

    def waves(self, team: Team) -> Waves:
        """What is summed at targets, from the modes of all processes."""
        total = team.total(self.total)
        if self._unit:
            total = (total.astype(np.float64) * self._unit).view(np.complex128)[..., 0]
        return self._series.waves(np.array(total))


def write_sums(series: Series, waves: Waves | None, total: float, targets: Points, own: bool, result: Result) -> None:
    """Write the sums at a process's targets into the result for them.

    Parameters
    ----------
    waves : Waves or None
        None where all sums are 0, or all points in one place.
    total : float
        Σ q.
    targets : Points
        With their charges where ``own`` terms are left out.
    """
    for block in targets.blocks():
        part = Result(*(None if x is None else x[block.rows] for x in result))
        write_block(series, waves, total, block.positions, block.weights if own else None, part)


def write_block(
    series: Series, waves: Waves | None, total: float, targets: np.ndarray, own: np.ndarray | None, result: Result
) -> None:
    """The same for one block, where ``own`` are its charges if their own terms are left out."""
    if result.field is not None:
        result.field[...] = 0  # along axes on which all points are one
    if series.vanishes:
        if result.potential is not None:
            result.potential[...] = 0
    elif waves is None:
        series.write_at_one_place(total, own, result)
    else:
        series.write(targets, waves, own, result)
