"""Which engine serves a request: the fastest by the engines' own estimates of their time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..arrays import to_numpy
from .costs import table
from .engines import EXACT, FAST
from .request import ExactEngine, OutOfReachError, Plan, Request, Result, Tangent
from .tolerance import SAMPLE, first_tolerance, within_tolerance

OF_FEW = next(iter(EXACT))
FEW_PAIRS = 2**20  # up to which that engine is the fastest where it serves, and asking others costs a tenth of its time

WORTH_ASKING = 0.45  # of the shortest time so far, that a fast engine's least is below if it is asked


class Candidate(NamedTuple):
    """What was known of an engine before one was chosen."""

    method: str
    refusal: str
    """Why it can't serve, or exact engines serve better; empty if neither is so."""
    seconds: float
    """Its estimate of its time from then on [s]; inf if it can't serve the request, or sees that it can't serve these
    values."""


class Explanation(NamedTuple):
    """Why a sum was computed as it was."""

    method: str
    """The engine that gave the result."""
    candidates: tuple[Candidate, ...]
    """The engines that were asked: fast ones that could have been faster than those before."""
    error: float | None = None
    """Error measured at sampled targets, as ``rtol`` is defined; None for an exact engine."""
    gave_up: str = ""
    """Name of a fast engine that was tried first and did not reach ``rtol``."""

    def __repr__(self) -> str:
        told = [repr(self.method)]
        if self.error is not None:
            told.append(f"error={self.error:.1e}")
        if self.gave_up:
            told.append(f"gave_up={self.gave_up!r}")
        return f"Explanation({', '.join(told)})"

    def __str__(self) -> str:
        lines = [f"{self.method}" + (f", measured error {self.error:.1e}" if self.error is not None else "")]
        if self.gave_up:
            lines.append(f"  {self.gave_up} was tried first and did not reach rtol")
        for method, refusal, seconds in self.candidates:
            lines.append(f"  {method}: " + (refusal or f"{seconds:.2g} s estimated"))
        return "\n".join(lines)


class Choice(NamedTuple):
    """An engine, and what was found out on the way to it."""

    method: str
    candidates: list[Candidate]
    plan: Plan | None = None
    """The plan that a fast engine answered by."""


class Made(NamedTuple):
    """What a fast engine's sums were made with."""

    tolerance: float
    plan: Plan | None


def evaluate(request: Request, method: str, *, explain: bool = True) -> tuple[Result, Explanation | None]:
    """The sums by the named engine, or by the fastest for ``auto``; None may stand for an explanation not asked for."""
    if not explain and method == "auto" and few(request):
        return EXACT[OF_FEW].evaluate(request), None
    return sums_by(request, method, chosen(request, method))[:2]


def sums_by(
    request: Request, method: str, choice: Choice, room: float | None = None
) -> tuple[Result, Explanation, Made | None]:
    """The sums by an engine that was chosen, for a method that was asked for.

    With ``room``, whatever the engine's sums are made with has a plan in a box so much larger, if it keeps plans.
    """
    name, candidates, _ = choice
    if name in EXACT:
        return EXACT[name].evaluate(request), Explanation(name, tuple(candidates)), None
    exact, engine = measuring(request), FAST[name]
    made: list[Made] = []

    def plan_for(tolerance: float) -> Plan | None:
        plan = None if made else choice.plan
        if plan is None and room is not None and keeps_plans(engine):
            plan = engine.plan(request, tolerance, room)
        made.append(Made(tolerance, plan))
        return plan

    try:
        result, error = within_tolerance(request, engine, EXACT[exact], plan_for)
    except OutOfReachError as reason:
        if method != "auto":
            raise ArithmeticError(f"method: {method} {reason}") from None
        return EXACT[exact].evaluate(request), Explanation(exact, tuple(candidates), gave_up=name), None
    return result, Explanation(name, tuple(candidates), error), made[-1]


def measuring(request: Request) -> str:
    """The exact engine that a fast one is measured by."""
    return _shortest(_asked(EXACT, request)).method


def keeps_plans(engine: Any) -> bool:
    """Whether a fast engine's plans are good for other points too."""
    return hasattr(engine, "numbers")


def energy(request: Request, method: str) -> float:
    """½ Σ_i q_i Φ_i of charges at their own places, over half of the pairs where the engine can do that."""
    choice = Choice(OF_FEW, []) if method == "auto" and few(request) else chosen(request, method)
    by_halves = getattr(EXACT.get(choice.method), "energy", None)
    if by_halves is not None:
        return by_halves(request.positions, request.weights, request.profile, request.exclude_self)
    values = to_numpy(sums_by(request, method, choice)[0].potential)
    return 0.5 * float(np.sum(values.astype(float) * to_numpy(request.weights)))


def differentiate(request: Request, tangent: Tangent, method: str) -> Result:
    """Derivatives along a tangent by the named engine, or by the fastest exact one for ``auto``."""
    if method in FAST:
        raise ValueError(f"method: {_named(request, method)} has no derivatives")
    return EXACT[chosen(request, method).method].jvp(request, tangent)


def chosen(request: Request, method: str, room: float | None = None) -> Choice:
    """The named engine or, where it is needless, an exact one; for ``auto`` the fastest; and all that were asked.

    With ``room`` it is the fastest for many sums, of which only the first has to be planned.
    """
    if method == "auto":
        return _fastest(request, room)
    name = _named(request, method)
    if name not in FAST or not (reason := FAST[name].needless(request)):
        return Choice(name, [])
    candidates = _asked(EXACT, request)
    return Choice(_shortest(candidates).method, [Candidate(name, reason, math.inf), *candidates])


def _named(request: Request, method: str) -> str:
    if not isinstance(method, str) or (method not in EXACT and method not in FAST):
        raise ValueError(f"method: expected auto or one of {', '.join([*EXACT, *FAST])}, got {method!r}")
    engine = EXACT.get(method) or FAST[method]
    if reason := engine.refusal(request):
        raise ValueError(f"method: {method} can't serve this: {reason}")
    if method in FAST and request.rtol is None:
        raise ValueError(f"rtol: method {method} needs one")
    return method


def _fastest(request: Request, room: float | None) -> Choice:
    candidates = _asked({OF_FEW: EXACT[OF_FEW]} if few(request) else EXACT, request)
    exact = _shortest(candidates)
    if request.rtol is None or (room is None and exact.seconds <= table().worth_a_plan):
        return Choice(exact.method, candidates)
    check = exact.seconds * min(1.0, SAMPLE / request.targets.shape[0])
    plans: dict[str, Plan | None] = {}
    for name, engine in FAST.items():
        if reason := engine.refusal(request) or engine.needless(request):
            candidates.append(Candidate(name, reason, math.inf))
            continue
        if room is None and WORTH_ASKING * _shortest(candidates).seconds <= engine.least(request) + check:
            continue  # its answer would take time, and change little or nothing
        plan = plans[name] = engine.plan(request, first_tolerance(request.rtol), room or 1.0)
        seconds = math.inf if plan is None else plan.left if room is None else plan.again
        candidates.append(Candidate(name, "", seconds + check))
    best = _shortest(candidates).method
    return Choice(best, candidates, plans.get(best))


def few(request: Request) -> bool:
    """Whether no other engine than that of few pairs need be asked."""
    return request.pairs <= FEW_PAIRS and not EXACT[OF_FEW].refusal(request)


def _asked(engines: Mapping[str, ExactEngine], request: Request) -> list[Candidate]:
    """What each engine says of a request, but those that can't be the fastest; one that refuses would take for ever."""
    answers: list[Candidate] = []
    for name, engine in engines.items():
        why = engine.refusal(request)
        least = getattr(engine, "least", None)
        if least is not None and not why and answers and least(request) >= _shortest(answers).seconds:
            continue
        answers.append(Candidate(name, why, math.inf if why else engine.seconds(request)))
    return answers


def _shortest(candidates: list[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: candidate.seconds)
