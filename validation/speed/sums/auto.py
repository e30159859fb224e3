"""Whether ``method="auto"`` takes the fastest engine, or one not much slower: 60 kinds of sums."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from coulombfield import Charges, Plummer, explain, potential_and_field
from coulombfield.arrays import Device
from coulombfield.rng import Streams
from coulombfield.sums.engines import EXACT, FAST
from coulombfield.sums.request import Request

from ..timing import CPU, Spread, timer_of
from .rounds import in_turns

AIM = 1.5  # times the best engine's time
HOPELESS = 30.0  # times the shortest estimate from which an engine is not timed
BEATEN = 4.0  # times auto's time from which one call says enough
LONGEST = 5.0  # seconds a call, estimated, beyond which only the engine that auto takes is timed


class Kind(NamedTuple):
    """Charges in the unit cube and what is asked of them."""

    dimension: int
    charges: int
    targets: int | None
    """None for the charges' own places."""
    softening: float
    exponent: float
    dtype: str
    rtol: float | None

    def __str__(self) -> str:
        targets = "" if self.targets is None else f", {self.targets} targets"
        rtol = "" if self.rtol is None else f", rtol {self.rtol:g}"
        return (
            f"m = {self.dimension}, N = {self.charges}{targets}, ε = {self.softening:g}, d = {self.exponent:g}, "
            f"{self.dtype}{rtol}"
        )


_LOW = tuple(
    Kind(dimension, charges, None, 0.1, exponent, dtype, None)
    for dimension in (1, 3, 8)
    for charges in (300, 2000, 6000)
    for dtype, exponent in (("float32", 1.0), ("float64", 2.5))
)
_HIGH = tuple(
    Kind(dimension, charges, None, 1.0, exponent, dtype, None)
    for dimension in (9, 32, 256, 3072)
    for charges in (100, 1000)
    for dtype, exponent in (("float32", 1.0), ("float64", 3.0))
)
_TOLERANT = tuple(
    Kind(dimension, charges, None, softening, 1.0, dtype, rtol)
    for dimension in (1, 2, 3)
    for charges in (15_000, 60_000)
    for softening in (0.01, 0.3)
    for dtype, rtol in (("float32", 1e-3), ("float64", 1e-6))
)
_FEW_TARGETS = tuple(Kind(2, 200_000, 100, 0.1, 1.0, dtype, None) for dtype in ("float32", "float64"))
KINDS = (*_LOW, *_HIGH, *_TOLERANT, *_FEW_TARGETS)
"""All of them."""


class Verdict(NamedTuple):
    """How auto did with one kind."""

    kind: Kind
    picked: str
    best: str
    ratio: float
    """Median time of auto over that of the best engine."""
    spreads: dict[str, Spread]


def run(seconds: float, *, quick: bool = False, device: Device = CPU) -> Iterator[Verdict]:
    """Time all kinds, or a few small ones; print each and what they come to."""
    kinds = [kind for kind in KINDS if kind.charges <= 1000][::4] if quick else KINDS
    verdicts = []
    for kind in kinds:
        verdict = judge(kind, seconds, device)
        verdicts.append(verdict)
        others = ", ".join(f"{name} {1e3 * spread.median:.3g}" for name, spread in verdict.spreads.items())
        print(f"  {verdict.ratio:5.2f}x  {kind}: {verdict.picked} ({others} ms)", flush=True)
        yield verdict
    print(summary(verdicts), flush=True)


def summary(verdicts: list[Verdict]) -> str:
    """One line for a reader."""
    worst = max(verdicts, key=lambda verdict: verdict.ratio)
    within = sum(verdict.ratio <= AIM for verdict in verdicts)
    return (
        f"auto: {within} of {len(verdicts)} kinds within {AIM:g} times the best engine's time; the worst "
        f"{worst.ratio:.2f} times, {worst.picked} for {worst.best} ({worst.kind})"
    )


def judge(kind: Kind, seconds: float, device: Device = CPU) -> Verdict:
    """Time auto and every engine that serves a kind, in turns."""
    calls, timer = calls_of(kind, device), timer_of(device)
    own = calls["auto"]
    picked = explain(own.func, *own.args, **own.keywords)[1].method
    known: dict[str, float] = {}
    for name, call in calls.items():
        call()  # compiles what it needs
        known[name] = timer(call, 1)
    close = {name: call for name, call in calls.items() if known[name] <= BEATEN * known["auto"]}
    spreads = in_turns(close, seconds, known, timer)
    spreads |= {name: Spread.of([known[name]]) for name in calls if name not in close}
    best = min((name for name in spreads if name != "auto"), key=lambda name: spreads[name].median)
    return Verdict(kind, picked, best, spreads["auto"].median / spreads[best].median, spreads)


def calls_of(kind: Kind, device: Device = CPU) -> dict[str, Any]:
    """A call by auto and by each engine that serves, by name; none that should take hopelessly long."""
    rng = Streams(seed=0).stream("points")
    points = device.put(rng.uniform(0, 1, (kind.charges, kind.dimension)).astype(kind.dtype))
    weights = device.put(rng.standard_normal(kind.charges).astype(kind.dtype))
    targets = points if kind.targets is None else device.xp.ascontiguousarray(points[: kind.targets])
    charges, kernel = Charges(points, weights), Plummer(kind.exponent, kind.softening)
    request = Request(targets, points, weights, kernel.profile, False, True, True, kind.rtol)
    engines: dict[str, Any] = {**EXACT, **(FAST if kind.rtol is not None else {})}
    estimates = {name: each.seconds(request) for name, each in engines.items() if not each.refusal(request)}
    limit = min(LONGEST, HOPELESS * min(estimates.values()))
    sums: Callable[..., Any] = functools.partial(potential_and_field, targets, charges, kernel, rtol=kind.rtol)
    names = [name for name, each in estimates.items() if math.isfinite(each) and each <= limit]
    return {name: functools.partial(sums, method=name) for name in ("auto", *names)}
