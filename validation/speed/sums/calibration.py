"""Measuring this machine's costs of field sums, the table by which ``method="auto"`` chooses.

Each engine is timed on a few requests that differ in what they have much of: pairs, axes, powers, modes, cells. Its
estimate is a sum of costs times such numbers, and so nearly linear in each cost. The costs are found by least squares
of the logarithms of estimate and time, drawn a little towards one common change of all: where requests can't tell two
costs apart, these keep their ratio.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from coulombfield import Coulomb, Gaussian, Plummer, RadialKernel
from coulombfield.rng import Streams
from coulombfield.sums import costs
from coulombfield.sums.costs import Costs
from coulombfield.sums.request import Request
from coulombfield.sums.selection import EXACT, FAST

CALLS = 7  # of each request, of which the median counts
LONGEST = 1.0  # seconds that the calls of a request may take in sum, after three
PULL = 0.1  # of the common change, in the logarithms of a time that is off
ROUNDS = 8  # of the fit, which is linear only nearby
PROBE = 1.05  # by which a cost is changed to see what hangs on it
FURTHEST = np.log(100.0)  # that a cost may change


class Group(NamedTuple):
    """Requests to one engine, and the costs that they tell."""

    engine: str
    names: tuple[str, ...]
    requests: tuple[Request, ...]


Measure = Callable[[str, Request], float]
"""Seconds that the named engine takes for a request."""


def run(measure: Measure | None = None, groups: Sequence[Group] | None = None) -> list[dict[str, Any]]:
    """Measure, print old costs beside new ones, and write the table; the rows are those of the print.

    Parameters
    ----------
    measure : callable, optional
        What tells times instead of a clock.
    groups : sequence of Group, optional
        What to measure instead of :func:`all_groups`.
    """
    before = costs.table()
    after = calibrated(costs.BUILT_IN, measure or seconds_of, all_groups() if groups is None else groups)
    rows = []
    for field in dataclasses.fields(Costs):
        old, new = getattr(before, field.name), getattr(after, field.name)
        rows.append({"table": "costs", "name": field.name, "unit": field.metadata["unit"], "before": old, "now": new})
        print(f"  {field.name:<20} {old:9.3g} -> {new:9.3g} {field.metadata['unit']:<11} {field.metadata['what']}")
    print(f"written to {costs.write(after)}; --forget removes it")
    return rows


def forget() -> None:
    """Remove the machine's own table, and say so."""
    path = costs.forget()
    print(f"removed {path}" if path else f"there is no table of this machine's ({costs.file() or costs.VARIABLE})")


def calibrated(start: Costs, measure: Measure, groups: Sequence[Group]) -> Costs:
    """The table that fits what was measured; what no request tells goes along with what is like it."""
    found = start
    for group in groups:
        print(f"timing {group.engine} ...", flush=True)
        times = np.array([measure(group.engine, request) for request in group.requests])
        found = fitted(found, group, times)
    return _with_the_rest(start, found)


def fitted(table: Costs, group: Group, times: np.ndarray) -> Costs:
    """The table with a group's costs such that its estimates are close to the times, shape (requests,).

    With step_k the change of the logarithm of cost k, Gauss and Newton's way: log estimate + Σ_k e_k step_k, with the
    elasticity e_k, is to be log time.
    """
    counts = len(group.names)
    seconds = np.array([costs.UNITS[name] == "s" for name in group.names])
    # A change of all seconds by one factor is free, and what is counted in operations stays as it is.
    pull = PULL * (np.eye(counts) - np.outer(seconds, seconds) / np.sum(seconds))
    total = np.zeros(counts)
    start = np.array([getattr(table, name) for name in group.names])
    for _ in range(ROUNDS):
        logs = np.log(_estimates(table, group))
        elasticities = np.empty((len(times), counts))
        for k, name in enumerate(group.names):
            more = dataclasses.replace(table, **{name: PROBE * getattr(table, name)})
            elasticities[:, k] = (np.log(_estimates(more, group)) - logs) / np.log(PROBE)
        rows, wanted = np.concatenate([elasticities, pull]), np.concatenate([np.log(times) - logs, -pull @ total])
        step = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        total = np.clip(total + np.clip(step, -1.0, 1.0), -FURTHEST, FURTHEST)
        table = dataclasses.replace(table, **dict(zip(group.names, (start * np.exp(total)).tolist(), strict=True)))
    return table


def _estimates(table: Costs, group: Group) -> np.ndarray:
    engine = (EXACT | FAST)[group.engine]
    with costs.using(table):
        return np.array([engine.seconds(request) for request in group.requests])


def _with_the_rest(start: Costs, found: Costs) -> Costs:
    """Costs that are not timed, changed like those that are made of the same work."""

    def change(*names: str) -> float:
        return float(np.exp(np.mean([np.log(getattr(found, name) / getattr(start, name)) for name in names])))

    like = {
        ("sparse_axis",): change("gram_axis"),
        ("sparse_call", "sparse_pair", "sparse_gather", "sparse_coordinate", "sparse_copy"): change("gram_pair"),
        ("worth_a_plan",): change("nufft_call", "split_call", "tree_call"),
    }
    return dataclasses.replace(
        found, **{name: getattr(start, name) * factor for names, factor in like.items() for name in names}
    )


def seconds_of(engine: str, request: Request) -> float:
    """Median time of an engine's calls, after one that may compile loops [s]."""
    if engine in EXACT:
        call: Callable[[], object] = lambda: EXACT[engine].evaluate(request)  # noqa: E731
    else:
        assert request.rtol is not None
        tolerance = request.rtol / 4  # what engines estimate their time for
        call = lambda: FAST[engine].approximate(request, tolerance)  # noqa: E731
    call()
    times: list[float] = []
    while len(times) < 3 or (len(times) < CALLS and sum(times) < LONGEST):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def all_groups() -> list[Group]:
    """What is timed, in the order in which costs build on each other; fast engines only where they can be used."""
    groups = [
        Group(
            "simd",
            (
                "simd_call", "operation_float32", "operation_float64", "further_root", "quick_power",
                "power_float32", "power_float64", "exponential_float32", "exponential_float64",
            ),
            (_request(2, 2, "float32", Plummer(), None), *(_low(*kind) for kind in _kinds())),
        ),
        Group(
            "gram",
            ("gram_call", "gram_pair", "gram_axis", "gram_coordinate", "gram_near_axis", "gram_near_pair"),
            (
                _request(16, 9, "float32", Plummer(), None),
                _request(2000, 9, "float32", Plummer(), None),
                _request(2000, 256, "float32", Plummer(), None),
                _request(1000, 256, "float64", Plummer(), None),
                _request(600, 3072, "float32", Plummer(), None),
                _request(100, 3072, "float32", Plummer(), None),
                _request(1000, 256, "float32", Plummer(), None, spread=1e-4),
                _request(1000, 9, "float32", Plummer(), None, spread=1e-4),
            ),
        ),
        Group(
            "direct",
            ("direct_call", "direct_pair", "direct_axis"),
            (
                _request(4, 2, "float64", Plummer(), None),
                _request(700, 2, "float64", Plummer(), None),
                _request(250, 64, "float64", Plummer(), None),
            ),
        ),
    ]  # fmt: skip
    fast = {
        "nufft": (
            ("nufft_call", "nufft_coordinate", "nufft_mode"), (1, 2, 3), (30_000, 200_000), (0.05, 0.3), "float32",
        ),
        "split": (
            ("split_call", "split_neighbour", "split_point", "split_grid_point"), (1, 2, 3), (20_000, 100_000),
            (1e-3,), "float64",
        ),
        "tree": (
            ("tree_call", "tree_point", "tree_cell", "tree_proxy", "tree_product", "tree_pair"), (1, 2),
            (20_000, 100_000), (0.01, 0.3), "float64",
        ),
    }  # fmt: skip
    for engine, (names, dimensions, counts, softenings, dtype) in fast.items():
        requests = tuple(
            _request(count, dimension, kind, Plummer(1.0, softening), 1e-3 if kind == "float32" else 1e-6)
            for dimension in dimensions
            for softening in softenings
            for count in counts
            for kind in dict.fromkeys((dtype, "float64"))
        )
        served = tuple(request for request in requests if not FAST[engine].refusal(request))
        if engine == "nufft":
            names += tuple(name for name in costs.NAMES if name.startswith(("transform_", "spread_", "grid_")))
        if served:
            groups.append(Group(engine, names, served))
    return groups


def _kinds() -> list[tuple[str, RadialKernel, int]]:
    """What simd is timed with: each kind of work in each dtype, and one of more axes."""
    kernels = Plummer(), Plummer(1.5), Plummer(1.3), Coulomb(1.5), Gaussian(1.0)
    kinds: list[tuple[str, RadialKernel, int]] = [
        (dtype, kernel, 2) for dtype in ("float32", "float64") for kernel in kernels
    ]
    return [*kinds, ("float32", Plummer(), 8), ("float64", Plummer(), 8)]


def _low(dtype: str, kernel: RadialKernel, dimension: int) -> Request:
    return _request(3000, dimension, dtype, kernel, None)


def _request(
    count: int, dimension: int, dtype: str, kernel: RadialKernel, rtol: float | None, spread: float = 1.0
) -> Request:
    """Potential and field of charges in the unit cube, or in two clouds of some spread in opposite corners."""
    rng = Streams(seed=0).stream("points")
    points = rng.uniform(0, spread, (count, dimension))
    if spread < 1.0:
        points[::2] += 1.0
    weights = rng.standard_normal(count) / count
    points = points.astype(dtype)
    return Request(points, points, weights.astype(dtype), kernel.profile, True, True, True, rtol)
