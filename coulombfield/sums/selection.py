"""Which engine serves a request: the fastest by the engines' own estimates of their time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..arrays import to_numpy
from .costs import table
from .engines import EXACT, FAST
from .request import Engine, OutOfReachError, Request, Result, Tangent
from .tolerance import SAMPLE, within_tolerance

OF_FEW = next(iter(EXACT))
FEW_PAIRS = 2**20  # up to which that engine is the fastest where it serves, and asking others costs a tenth of its time


class Candidate(NamedTuple):
    """What was known of an engine before one was chosen."""

    method: str
    refusal: str
    """Why it can't serve, or exact engines serve better; empty if neither is so."""
    seconds: float
    """Its estimate of its time [s]; inf if it can't serve the request, or sees that it can't serve these values."""


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


def evaluate(request: Request, method: str, *, explain: bool = True) -> tuple[Result, Explanation | None]:
    """The sums by the named engine, or by the fastest for ``auto``; None may stand for an explanation not asked for."""
    if not explain and method == "auto" and _few(request):
        return EXACT[OF_FEW].evaluate(request), None
    return _sums(request, method, *_chosen(request, method))


def _sums(request: Request, method: str, name: str, candidates: list[Candidate]) -> tuple[Result, Explanation]:
    if name in EXACT:
        return EXACT[name].evaluate(request), Explanation(name, tuple(candidates))
    exact = _shortest(_asked(EXACT, request)).method
    try:
        result, error = within_tolerance(request, FAST[name], EXACT[exact])
    except OutOfReachError as reason:
        if method != "auto":
            raise ArithmeticError(f"method: {method} {reason}") from None
        return EXACT[exact].evaluate(request), Explanation(exact, tuple(candidates), gave_up=name)
    return result, Explanation(name, tuple(candidates), error)


def energy(request: Request, method: str) -> float:
    """½ Σ_i q_i Φ_i of charges at their own places, over half of the pairs where the engine can do that."""
    name, candidates = (OF_FEW, []) if method == "auto" and _few(request) else _chosen(request, method)
    by_halves = getattr(EXACT.get(name), "energy", None)
    if by_halves is not None:
        return by_halves(request.positions, request.weights, request.profile, request.exclude_self)
    values = to_numpy(_sums(request, method, name, candidates)[0].potential)
    return 0.5 * float(np.sum(values.astype(float) * to_numpy(request.weights)))


def differentiate(request: Request, tangent: Tangent, method: str) -> Result:
    """Derivatives along a tangent by the named engine, or by the fastest exact one for ``auto``."""
    if method in FAST:
        raise ValueError(f"method: {_named(request, method)} has no derivatives")
    return EXACT[_chosen(request, method)[0]].jvp(request, tangent)


def _chosen(request: Request, method: str) -> tuple[str, list[Candidate]]:
    """The named engine or, where it is needless, an exact one; for ``auto`` the fastest; and all that were asked."""
    if method == "auto":
        return _fastest(request)
    name = _named(request, method)
    if name not in FAST or not (reason := FAST[name].needless(request)):
        return name, []
    candidates = _asked(EXACT, request)
    return _shortest(candidates).method, [Candidate(name, reason, math.inf), *candidates]


def _named(request: Request, method: str) -> str:
    if not isinstance(method, str) or (method not in EXACT and method not in FAST):
        raise ValueError(f"method: expected auto or one of {', '.join([*EXACT, *FAST])}, got {method!r}")
    engine = EXACT.get(method) or FAST[method]
    if reason := engine.refusal(request):
        raise ValueError(f"method: {method} can't serve this: {reason}")
    if method in FAST and request.rtol is None:
        raise ValueError(f"rtol: method {method} needs one")
    return method


def _fastest(request: Request) -> tuple[str, list[Candidate]]:
    candidates = _asked({OF_FEW: EXACT[OF_FEW]} if _few(request) else EXACT, request)
    exact = _shortest(candidates)
    if request.rtol is None or exact.seconds <= table().worth_a_plan:
        return exact.method, candidates
    check = exact.seconds * min(1.0, SAMPLE / request.targets.shape[0])
    points = request.targets.shape[0] + request.positions.shape[0]
    for name, engine in FAST.items():
        if reason := engine.needless(request):
            candidates.append(Candidate(name, engine.refusal(request) or reason, math.inf))
            continue
        if _shortest(candidates).seconds <= table().least(name) and not engine.refusal(request):
            continue  # its answer would take time, and change nothing
        (answer,) = _asked({name: engine}, request)
        candidates.append(answer._replace(seconds=answer.seconds + check))
        if answer.seconds <= table().hard_to_beat * points:
            break
    return _shortest(candidates).method, candidates


def _few(request: Request) -> bool:
    """Whether no other engine than that of few pairs need be asked."""
    return request.pairs <= FEW_PAIRS and not EXACT[OF_FEW].refusal(request)


def _asked(engines: Mapping[str, Engine], request: Request) -> list[Candidate]:
    """What each engine says of a request; one that refuses would take for ever."""
    answers = ((name, engine, engine.refusal(request)) for name, engine in engines.items())
    return [Candidate(name, why, math.inf if why else engine.seconds(request)) for name, engine, why in answers]


def _shortest(candidates: list[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: candidate.seconds)
