"""Fast engines over ranks: Fourier sums, alone or with a part of short range."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..scattered.fourier import Modes, facts_of, plan_of, series_of, write_sums
from ..scattered.measuring import draw, measure, told_error
from ..scattered.points import Held, Points
from ..scattered.survey import Survey, box_of, survey
from ..sums.engines import EXACT
from ..sums.ewald import planning
from ..sums.fourier import nufft
from ..sums.fourier.periodic import Coefficients, Series
from ..sums.request import OutOfReachError, Request, Result
from ..sums.tolerance import tightened
from .canonical import canonical
from .neighbours import short_part
from .ranks import Ranks


class Scene(NamedTuple):
    """Charges and targets of all ranks, as far as plans look at them."""

    request: Request
    """This rank's."""
    targets: Survey
    charges: Survey
    same: bool
    """Whether on every rank the targets are the charges' own places."""
    deterministic: bool

    @classmethod
    def of(cls, ranks: Ranks, request: Request, deterministic: bool) -> Scene:
        """That of a request."""
        same = all(ranks.told(request.targets is request.positions))
        charges = survey(ranks, Held(request.positions, request.weights))
        # Even the same places are sampled anew: their hashes are without charges.
        return cls(request, survey(ranks, Held(request.targets)), charges, same, deterministic)

    @property
    def nothing(self) -> bool:
        """Whether there is nothing that errors could be relative to."""
        return self.charges.largest == 0 or self.targets.points == 0


def within_tolerance(ranks: Ranks, scene: Scene, method: str, exact: str) -> tuple[Result, float]:
    """Sums within ``rtol`` over all ranks, and their measured error.

    Raises
    ------
    OutOfReachError
        On every rank, if no attempt reached it.
    """
    request = scene.request
    assert request.rtol is not None
    held = Held(request.positions, request.weights)
    ordered: list[Points] = []
    approximate = {"nufft": _fourier, "split": _split}[method]

    def charges() -> Points:
        """Charges of this rank, if that is wanted in blocks of the common order."""
        if not scene.deterministic:
            return held
        if not ordered:
            ordered.append(canonical(ranks, request.positions, request.weights, scene.charges.points).charges)
        return ordered[0]

    def error_of(result: Result) -> float:
        targets = Held(request.targets)
        sample = draw(ranks, targets, scene.charges, result)
        measured = measure(ranks, request, sample, held, EXACT[exact])
        return told_error(ranks, measured, sample.found(ranks, result))

    return tightened(request.rtol, lambda tolerance: approximate(ranks, scene, charges, tolerance), error_of)


def split_scene(ranks: Ranks, scene: Scene) -> planning.Scene | None:
    """What the engine of that name has to know."""
    request, charges, targets = scene.request, scene.charges, scene.targets
    if not planning.can_be_told(request, *box_of(targets, charges), charges.largest):
        return None
    exclude = request.exclude_self or scene.same
    facts = facts_of(targets, charges, exclude)
    low = facts.centre - facts.extents / 2
    drawn = [each.drawn(planning.CENSUS, "cells")[0] - low for each in (targets, charges)]
    return planning.scene_of(request, facts, scene.same, (drawn[0], drawn[1]))


def _fourier(ranks: Ranks, scene: Scene, charges: Any, tolerance: float) -> Result:
    series = series_of(ranks, scene.request, scene.targets, scene.charges, tolerance)
    result = _empty(scene.request)
    _write(ranks, scene, charges, series, result)
    return result


def _split(ranks: Ranks, scene: Scene, charges: Any, tolerance: float) -> Result:
    request = scene.request

    def make() -> planning.Plan:
        found = split_scene(ranks, scene)
        if found is None:
            raise OutOfReachError("can't tell the size of the sums")
        return planning.planned(request, found, tolerance)

    plan = ranks.decided(make)
    near = short_part(ranks, request, plan.split, plan.grid)
    series = Series(
        Coefficients.of(plan.radial, plan.layout),
        plan.layout,
        plan.budget,
        scene.charges.largest,
        request.potential,
        request.field,
    )
    far = _empty(request)
    _write(ranks, scene, charges, series, far)
    for one, other in zip(near, far, strict=True):
        if other is not None:
            other[...] = one + plan.peak * other.astype(np.float64)
    return far


def _write(ranks: Ranks, scene: Scene, charges: Any, series: Series, result: Result) -> None:
    """Write the Fourier sums of the charges of all ranks at this rank's targets."""
    waves = None
    if series.plan.axes and not series.vanishes:
        modes = Modes(series, scene.deterministic, scene.charges.sizes)
        for block in charges().blocks():
            assert block.weights is not None
            modes.add(block.positions, block.weights)
        waves = modes.waves(ranks)
    own = scene.request.exclude_self
    targets = Held(scene.request.targets, scene.request.weights if own else None)
    write_sums(series, waves, scene.charges.total, targets, own, result)


def _empty(request: Request) -> Result:
    potential, field = np.empty(len(request.targets), request.targets.dtype), np.empty_like(request.targets)
    return Result(potential if request.potential else None, field if request.field else None)


def seconds(ranks: Ranks, scene: Scene, method: str) -> float:
    """Time that one thread of one process would about take."""
    request, coordinates = scene.request, (scene.targets.points + scene.charges.points) * scene.request.targets.shape[1]
    assert request.rtol is not None
    if method == "split":
        found = split_scene(ranks, scene)
        return math.inf if found is None else planning.best_reach(request, found, request.rtol / 4)[1]
    try:
        plan = plan_of(request, scene.targets, scene.charges, request.rtol / 4)
    except OutOfReachError:
        return math.inf
    return nufft.seconds_of(plan, coordinates, 1)
