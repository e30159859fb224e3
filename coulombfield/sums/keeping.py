"""Sums that are asked for again and again while the points move: an engine and its plan are kept while they fit.

The first sums are those of the public functions. The second are planned for many, in a box with some room, and from
then on the plan is kept until

- the points leave its box, or fill much less of it;
- the kernel's length becomes shorter, or much longer; or
- the error, which is measured at sampled targets every time, does not keep ``rtol``.

Whether a plan is kept, and what it gives, hangs on nothing but the plan's numbers and the points: sums that go on from
those numbers have the bits of sums that were never interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .engines import EXACT, FAST
from .fourier.periodic import box_of
from .request import OutOfReachError, Request, Result
from .selection import chosen, evaluate, few, keeps_plans, measuring, sums_by
from .tolerance import first_tolerance, holds, measured_error

FACTS = ("targets", "charges", "bytes", "unit", "rtol")
ROOM = 1.1  # of a plan's box, in that of the points
EMPTY = 0.6  # of a side of a plan's box: points that fill less of it get another
SHORTER, LONGER = 0.95, 1.3  # in which a kernel's length may change: by its measure errors grow, or modes are too many
_KEY = re.compile(r"(.+) by (\w+): (.+)")
_ONCE = "once"
"""Stands for an engine where sums were made once, which may have been the last time."""


class Kept(NamedTuple):
    """What sums of one kind are made with from one time to the next."""

    method: str
    """The engine's name, or that they were made once only."""
    facts: Mapping[str, float]
    """What the sums must have in common: numbers of points, ``rtol``, unit of length and bytes of a number."""
    low: np.ndarray
    """Lowest corner of the box that may hold points, shape (m,) [length]."""
    high: np.ndarray
    length: float | None
    """The kernel's [length]; None if it has none."""
    tolerance: float
    """That a fast engine is asked for."""
    profile: Any = None
    """What the plan is for; None where it is not known yet."""
    plan: Any = None
    """A fast engine's, if it keeps plans; or the numbers of one."""

    def fits(self, request: Request, method: str, unit: float) -> bool:
        """Whether sums asked for now may be made with it."""
        if method not in ("auto", self.method) or self.facts != _facts(request, unit):
            return False
        length = request.profile.length
        if length is not None and (self.length is None or not SHORTER <= length / self.length <= LONGER):
            return False
        low, high = _box(request)
        inside = np.all(low >= self.low) and np.all(high <= self.high)
        return bool(inside and np.all(high - low >= EMPTY * (self.high - self.low)))

    def sums(self, request: Request) -> tuple[Result, Kept] | None:
        """Sums that fit, and what made them; None if their error is too large."""
        if self.method in EXACT:
            return EXACT[self.method].evaluate(request), self
        engine, kept = FAST[self.method], self
        if self.plan is not None and request.profile != self.profile:
            plan = engine.restored(self._plan_numbers, request)  # type: ignore[attr-defined]
            if plan is None:
                return None
            kept = self._replace(plan=plan, profile=request.profile)
        try:
            result = engine.approximate(request, self.tolerance, kept.plan)
        except OutOfReachError:
            return None
        assert request.rtol is not None
        return (
            (result, kept) if holds(measured_error(request, EXACT[measuring(request)], result), request.rtol) else None
        )

    def numbers(self) -> dict[str, float]:
        """It as numbers by names."""
        found = dict(self.facts) | {"tolerance": self.tolerance}
        for axis, ends in enumerate(zip(self.low, self.high, strict=True)):
            found |= {f"from {axis}": float(ends[0]), f"to {axis}": float(ends[1])}
        if self.length is not None:
            found["length"] = self.length
        return {**found, **self._plan_numbers}

    @property
    def _plan_numbers(self) -> Mapping[str, float]:
        if self.plan is None or isinstance(self.plan, Mapping):
            return self.plan or {}
        return FAST[self.method].numbers(self.plan)  # type: ignore[attr-defined]

    @classmethod
    def of(cls, method: str, numbers: Mapping[str, float]) -> Kept | None:
        """What :meth:`numbers` made numbers of; None if some are missing."""
        rest = dict(numbers)
        try:
            facts = {name: rest.pop(name) for name in FACTS}
            tolerance, length = rest.pop("tolerance"), rest.pop("length", None)
            axes = range(sum(name.startswith("from ") for name in rest))
            low, high = ([rest.pop(f"{end} {axis}") for axis in axes] for end in ("from", "to"))
        except KeyError:
            return None
        keeps = method in FAST and keeps_plans(FAST[method])
        return cls(method, facts, np.array(low), np.array(high), length, tolerance, plan=rest if keeps else None)


def to_numbers(kept: Mapping[str, Kept]) -> dict[str, float]:
    """What sums of some kinds keep, by their names, as numbers by names."""
    return {f"{k} by {x.method}: {name}": number for k, x in kept.items() for name, number in x.numbers().items()}


def of_numbers(numbers: Mapping[str, float]) -> tuple[dict[str, Kept], dict[str, float]]:
    """What :func:`to_numbers` made numbers of, and the numbers that are of something else."""
    groups: dict[tuple[str, str], dict[str, float]] = {}
    others = {}
    for key, number in numbers.items():
        parts = _KEY.fullmatch(key)
        if parts is not None and parts[2] in (_ONCE, *EXACT, *FAST):
            groups.setdefault((parts[1], parts[2]), {})[parts[3]] = number
        else:
            others[key] = number
    found = {kind: Kept.of(method, group) for (kind, method), group in groups.items()}
    return {kind: kept for kind, kept in found.items() if kept is not None}, others


def kept_sums(request: Request, method: str, unit: float, kept: Kept | None) -> tuple[Result, Kept | None]:
    """The sums of a request in a unit of length, by what is kept if it fits; and what to keep."""
    if request.rtol is None or method in EXACT or few(request) or _never_fast(request):
        return evaluate(request, method, explain=False)[0], None
    if kept is None:
        result, _ = evaluate(request, method, explain=False)
        return result, _kept(_ONCE, request, unit)
    if kept.method != _ONCE and kept.fits(request, method, unit) and (found := kept.sums(request)) is not None:
        return found
    choice = chosen(request, method, ROOM)
    result, explanation, made = sums_by(request, method, choice, ROOM)
    after = _kept(explanation.method, request, unit)
    return result, after if made is None else after._replace(tolerance=made.tolerance, plan=made.plan)


def _never_fast(request: Request) -> bool:
    return all(engine.refusal(request) or engine.needless(request) for engine in FAST.values())


def _kept(method: str, request: Request, unit: float) -> Kept:
    low, high = _box(request)
    more = (ROOM - 1) / 2 * (high - low)
    if not np.isfinite(more).all():
        low = high = more = np.zeros_like(more)
    facts, profile = _facts(request, unit), request.profile
    assert request.rtol is not None
    return Kept(method, facts, low - more, high + more, profile.length, first_tolerance(request.rtol), profile)


def _facts(request: Request, unit: float) -> dict[str, float]:
    targets, charges = request.targets.shape[0], request.positions.shape[0]
    numbers = targets, charges, request.targets.dtype.itemsize, unit, request.rtol or 0.0
    return dict(zip(FACTS, map(float, numbers), strict=True))


def _box(request: Request) -> tuple[np.ndarray, np.ndarray]:
    centre, extents = box_of(request.targets, request.positions)
    return centre - extents / 2, centre + extents / 2
