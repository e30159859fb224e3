r"""What sums over many ranks should take, by a model that is fitted to the runs on one and two.

With N charges at their own places on R ranks, p bytes a charge, M bytes of modes, and messages of latency λ and
bandwidth B,

.. math:: t_\text{pairs} = \max\Bigl(\frac{c N^2}{R},\; \frac{R-1}{R} \frac{p N}{B}\Bigr) + 4 \lambda \log_2 R, \qquad
    t_\text{nufft} = \frac{a N}{R} + b + \Bigl(20 \lambda + \frac{2 M}{B}\Bigr) \log_2 R.

c, a and b are those of one rank, from runs with N and N/2 charges.
"""

from __future__ import annotations

import math
from typing import Any

from .bench import Bench
from .scaling import PROGRAM

ORDER = 90
RANKS = 2, 64
NETWORK = {"bandwidth": 12.5e9, "latency": 5e-6}
GPUS, GPU_RATE = 8, 5e11
CHARGES = {"simd": 10**7, "nufft": 10**8}
ASSUMPTIONS = f"""assumptions: every rank as fast as one thread here, equal shares; messages at
{NETWORK["bandwidth"] / 1e9:g} GB/s and {1e6 * NETWORK["latency"]:g} µs for each of log2(R) steps, those of pairs
hidden behind the work; GPUs that sum {GPU_RATE:.0e} pairs a second, which is assumed and not measured: sums over ranks
exchange NumPy arrays and run on no GPU so far"""
BYTES_A_CHARGE, MODE_BYTES = 12, 16 * 160**2


def run(bench: Bench) -> None:
    """Fit, and print what the model says beside what was measured; nothing where no runs are there."""
    fitted = {name: fit for name in CHARGES if (fit := _fit(bench, name)) is not None}
    if not fitted:
        print("model: no runs to fit; ask for the table 'scaling' too")
        return
    here = bench.launch(2, 1, PROGRAM, "messages")
    bandwidth, latency = here["bandwidth"] / 1e9, 1e6 * here["latency"]
    print(f"model: messages here {bandwidth:.1f} GB/s, a small thing told to all {latency:.0f} µs")
    for name, (slope, rest, size, measured) in fitted.items():
        said = predicted(name, size, 2, slope, rest, here)
        row = {"table": "model", "name": name, "charges": size, "ranks": 2, "seconds": said, "measured_s": measured}
        bench.add(row, f"{name}: N = {size:,} on 2 ranks {said:.3f} s by the model, {measured:.3f} s measured")
    print(ASSUMPTIONS)
    for name, (slope, rest, *_) in fitted.items():
        count = CHARGES[name]
        for ranks in (1, RANKS[-1]):
            seconds = predicted(name, count, ranks, slope, rest, NETWORK)
            row = {"table": "model", "name": name, "charges": count, "ranks": ranks, "seconds": seconds}
            bench.add(row, f"{name}: N = {count:,} on {ranks} rank{'s' if ranks > 1 else ''}: {seconds:.3g} s")
    if "simd" in fitted:
        seconds = predicted("simd", CHARGES["simd"], GPUS, 1 / GPU_RATE, 0.0, NETWORK)
        row = {"table": "model", "name": "gpus", "charges": CHARGES["simd"], "ranks": GPUS, "seconds": seconds}
        bench.add(row, f"pairs: N = {CHARGES['simd']:,} on {GPUS} GPUs: {seconds:.3g} s")


def predicted(name: str, count: int, ranks: int, slope: float, rest: float, network: dict[str, float]) -> float:
    """Seconds by the model."""
    steps, bandwidth, latency = math.log2(ranks), network["bandwidth"], network["latency"]
    if name == "simd":
        ring = (ranks - 1) / ranks * count * BYTES_A_CHARGE / bandwidth
        return max(slope * count**2 / ranks, ring) + 4 * latency * steps
    return slope * count / ranks + rest + (20 * latency + 2 * MODE_BYTES / bandwidth) * steps


def _fit(bench: Bench, name: str) -> tuple[float, float, int, float] | None:
    """Slope and rest of one rank's time, the number of charges of the runs, and the time on two ranks."""

    def time(table: str, ranks: int) -> dict[str, Any] | None:
        rows = bench.find(lambda row: (row["table"], row["name"], row.get("ranks")) == (table, name, ranks))
        return rows[0] if rows else None

    whole, half, two = time("strong", 1), time("half", 1), time("strong", 2)
    if whole is None or half is None or two is None:
        return None
    count = whole["charges"]
    if name == "simd":
        return whole["seconds"] / count**2, 0.0, count, two["seconds"]
    slope = max(0.0, (whole["seconds"] - half["seconds"]) / (count - half["charges"]))
    return slope, max(0.0, whole["seconds"] - slope * count), count, two["seconds"]
