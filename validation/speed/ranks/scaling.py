"""Sums over 1 and 2 ranks of one thread each: the same problem, and one that grows with the ranks; beside threads."""

from __future__ import annotations

from typing import Any

from .bench import Bench

ORDER = 10
PROGRAM = "validation.speed.ranks.sums_program"
SIZES = {"simd": 150_000, "nufft": 4_000_000, "split": 400_000}
QUICK_SIZES = {"simd": 6_000, "nufft": 20_000, "split": 20_000}


def run(bench: Bench) -> None:
    """Time each method, print, and keep a row for each time."""
    for method, size in (QUICK_SIZES if bench.quick else SIZES).items():
        print(f"{method}: potential and field of N charges at their own places, m = 2; least times")
        threads = _row(bench, "threads", method, size, 1, 2)
        one = _row(bench, "strong", method, size, 1, 1)
        two = _row(bench, "strong", method, size, 2, 1)
        smaller = _row(bench, "half", method, size // 2, 1, 1)
        # The pairs of twice as many charges are four times as many.
        grown = _row(bench, "weak", method, size, 2, 1, two) if method != "simd" else None
        notes = [f"2 ranks against 1: {one / two:.2f} times as fast"]
        notes.append(f"against 2 threads of one process: {threads / two:.2f} times as fast")
        if grown is not None:
            notes.append(f"twice the charges on 2 ranks: {smaller / grown:.2f} of the speed of 1 rank with half")
        print(f"  {'; '.join(notes)}")


def _row(
    bench: Bench, table: str, method: str, size: int, ranks: int, threads: int, known: float | None = None
) -> float:
    """A row, timed unless its time is known; the time."""
    row: dict[str, Any] = {"table": table, "name": method, "charges": size, "ranks": ranks, "threads": threads}
    if known is not None:
        earlier = bench.find(lambda each: {**each, "table": table} | row == {**each, "table": table})[-1]
        bench.rows.append({**earlier, "table": table})
        return known
    how = "alone" if threads > 1 else "ranks"
    found = bench.launch(ranks, threads, PROGRAM, method, str(size), str(bench.seconds), how)
    share = found["exchange"] / found["seconds"]
    text = f"N = {size:<10,}{ranks} rank{'s' if ranks > 1 else ' '} × {threads} thread{'s' if threads > 1 else ' '}"
    exchange = f", {share:.1%} of it exchange and waiting" if ranks > 1 else ""
    bench.add({**row, **found, "exchange_share": share}, f"{text}  {found['seconds']:8.3f} s{exchange}")
    return found["seconds"]
