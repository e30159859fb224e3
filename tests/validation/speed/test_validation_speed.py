"""The benchmark of field sums: that it measures what it says, whatever the speed may be."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from charge_clouds import pair_sum, plummer_field_pair, plummer_pair
from threadpoolctl import threadpool_info, threadpool_limits

from coulombfield import Coulomb
from coulombfield.sums import direct, selection
from coulombfield.sums.request import Request, Result
from validation.__main__ import main
from validation.speed import timing
from validation.speed.busy import benchmark as busy
from validation.speed.mixture import benchmark as mixture
from validation.speed.sums import benchmark as sums
from validation.speed.sums import memory as sums_memory
from validation.speed.sums.cases import CASES, DTYPES, Problem
from validation.speed.sums.oracle import errors, oracle
from validation.speed.sums.peers import PEERS, Peer
from validation.speed.sums.rounds import in_turns

TINY = ["--quick", "--largest", "64", "--seconds", "1e-3"]
# fmt: off
DOCUMENTED = [
    "table", "case", "engine", "peer", "dtype", "output", "dimension", "n", "rtol", "min_s", "median_s", "max_s",
    "interactions_per_s", "ratio", "error_potential", "error_field", "l2_potential", "l2_field", "picked", "aim",
    "peak_mb", "extra_mb", "note", "device", "share_of_product", "share_of_rate", "share_of_bandwidth", "counted",
]
# fmt: on


def speed_sums(tmp_path, *arguments):
    """Rows that the command writes."""
    file = tmp_path / "rows.json"
    assert main(["speed", "sums", *TINY, "--json", str(file), *arguments]) == 0
    return json.loads(file.read_text())


def engine(function, seconds=1e-6, refusal=""):
    """An exact engine that gives what ``function`` makes of the right sums."""
    return SimpleNamespace(
        refusal=lambda request: refusal,
        seconds=lambda request: seconds,
        evaluate=lambda request: Result(*(x if x is None else function(x) for x in direct.evaluate(request))),
    )


def test_every_engine_that_does_not_refuse_has_rows_and_figures_are_drawn(tmp_path, capsys):
    rows = speed_sums(tmp_path, "--only", "mixture", "--figures", str(tmp_path / "new" / "figures"))
    assert all(list(row) == DOCUMENTED for row in rows)
    problem = CASES["mixture"].problem(64, "float64")
    request = Request(problem.points, *problem[1:], problem.case.kernel.profile, False, True, True, 1e-6)
    able = {name for name, each in {**selection.EXACT, **selection.FAST}.items() if not each.refusal(request)}
    for dtype in DTYPES:
        for output in sums.OUTPUTS:
            some = [r for r in rows if (r["table"], r["dtype"], r["output"]) == ("cases", dtype, output)]
            assert {row["engine"] for row in some} == able | {"auto"}
            for row in (row for row in some if not row["note"]):
                assert 0 < row["min_s"] <= row["median_s"] <= row["max_s"]
                assert row["interactions_per_s"] == pytest.approx(64**2 / row["median_s"])
                assert (row["error_field"] is None) == (output == "potential")
    picks = {row["picked"] for row in rows if row["engine"] == "auto" and not row["note"]}
    assert picks <= able
    assert picks
    assert {row["rtol"] for row in rows if row["table"] == "tolerances" and row["engine"] == "auto"} == {1e-3, 1e-9}
    files = list((tmp_path / "new" / "figures").iterdir())
    assert {file.name for file in files} == {"sums-error.png"} | {
        f"sums-time-{dtype}-{name}.png" for dtype in DTYPES for name in ("potential", "potential-and-field")
    }
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    printed = capsys.readouterr().out
    assert all(name in printed for name in able)


def test_every_aim_has_a_row_with_its_text(tmp_path):
    rows = speed_sums(tmp_path, "--only", "aims")
    ours = [row for row in rows if row["engine"] == "auto"]
    assert len(ours) == len(sums.AIMS)
    for row, aim in zip(ours, sums.AIMS, strict=True):
        assert row["aim"] == f"{aim.text} at N = {aim.n:,}"
        assert (row["case"], row["dtype"], row["output"], row["rtol"]) == (aim.case, aim.dtype, aim.output, aim.rtol)
    assert {row["case"] for row in rows if row["engine"] == "bare GEMMs"} == {"images-3072", "images-3072-near"}


def test_a_wrong_engine_shows_its_error_and_a_slow_one_its_estimate(tmp_path, monkeypatch):
    monkeypatch.setitem(selection.EXACT, "wrong", engine(lambda x: x * 1.01))
    monkeypatch.setitem(selection.EXACT, "slow", engine(lambda x: x, seconds=1e4))
    monkeypatch.setitem(selection.EXACT, "shy", engine(lambda x: x, refusal="it would rather not"))
    monkeypatch.setitem(selection.EXACT, "nan", engine(lambda x: x * np.nan))
    broken = engine(lambda x: x + 1)
    broken.approximate = lambda request, tolerance, known: broken.evaluate(request)
    broken.needless = lambda request: ""
    broken.plan = lambda request, tolerance, room=1.0: None
    broken.least = lambda request: 0.0
    monkeypatch.setitem(selection.FAST, "broken", broken)
    rows = {
        (row["engine"], row["dtype"], row["output"]): row
        for row in speed_sums(tmp_path, "--only", "mixture")
        if row["table"] == "cases"
    }
    wrong = rows["wrong", "float64", "potential + field"]
    for output in ("potential", "field"):
        assert wrong[f"l2_{output}"] == pytest.approx(0.01)
        assert 0 < wrong[f"error_{output}"] < 0.01
    slow = rows["slow", "float64", "potential"]
    assert slow["note"] == "skipped: about 1e+04 s a call"
    assert slow["median_s"] is None
    assert ("shy", "float64", "potential") not in rows
    nan = rows["nan", "float64", "potential"]
    assert nan["note"] == "not finite"
    assert nan["error_potential"] is None
    assert rows["broken", "float64", "potential"]["note"].startswith("failed: ArithmeticError: method: broken")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bare", [False, True])
def test_the_oracle_sums_pair_by_pair(dtype, bare, monkeypatch):
    monkeypatch.setattr("validation.speed.sums.oracle.TILE", 60)  # several tiles
    problem = CASES["cube-0.1-3"].problem(40, dtype)
    found = oracle(problem, softening=0.0, exclude_self=True) if bare else oracle(problem)
    assert len(found.rows) == 40
    softening = 0.0 if bare else 0.1
    pairs = plummer_pair(3, softening), plummer_field_pair(3, softening)

    def without_own(pair):
        return (lambda d: pair(d) if np.any(d) else 0 * d[..., 0]) if bare else pair

    tolerance = 1e-14 if dtype == "float32" else 1e-17
    value, size = pair_sum(problem.points, problem.points, problem.weights, without_own(pairs[0]))
    assert np.all(abs(found.potential - value) <= tolerance * size)
    assert np.allclose(np.asarray(found.potential_size, float), np.asarray(size, float), rtol=1e-13)
    for axis in range(3):

        def along(d, axis=axis):
            return pairs[1](d)[axis] if np.any(d) else 0 * d[0]

        value, _ = pair_sum(problem.points, problem.points, problem.weights, along)
        assert np.all(abs(found.field[:, axis] - value) <= tolerance * found.field_size)
    _, size = pair_sum(
        problem.points, problem.points, problem.weights,
        lambda d: np.sqrt(np.sum(pairs[1](d) ** 2)) if np.any(d) else 0 * d[0],
    )  # fmt: skip
    assert np.allclose(np.asarray(found.field_size, float), np.asarray(size, float), rtol=1e-13)


def test_errors_are_relative_to_the_sums_of_magnitudes():
    exact = oracle(CASES["sharp"].problem(50, "float64"))
    potential, field = exact.potential + 0.25 * exact.potential_size, exact.field.copy()
    field[:, 1] -= 0.125 * exact.field_size
    found = errors(potential, field, exact)
    assert found.error_potential == pytest.approx(0.25)
    assert found.error_field == pytest.approx(0.125)
    assert found.l2_potential == pytest.approx(
        0.25 * np.linalg.norm(exact.potential_size) / np.linalg.norm(exact.potential)
    )
    assert errors(None, field, exact).error_potential is None


def test_peers_are_measured_like_engines_and_none_stops_the_rest(tmp_path, monkeypatch):
    def fails(problem, field, rtol):
        raise MemoryError("too many pairs\nfor this machine")

    for name in [name for name in PEERS if name != "scipy cdist"]:
        monkeypatch.delitem(sums.PEERS, name)
    monkeypatch.setitem(sums.PEERS, "absent", Peer(("no_such_module",), "no-such", lambda problem, field: "", fails))
    monkeypatch.setitem(sums.PEERS, "failing", Peer((), "", lambda problem, field: "", fails, note="noted"))
    rows = speed_sums(tmp_path, "--peers", "--only", "cube-0.1-1")
    [absent] = [row for row in rows if row["engine"] == "absent"]
    assert (absent["table"], absent["note"]) == ("peers", "not installed: pip install no-such")
    notes = {row["note"] for row in rows if row["engine"] == "failing"}
    assert notes == {"noted; failed: MemoryError: too many pairs"}
    scipy = [row for row in rows if row["engine"] == "scipy cdist"]
    assert [row["dtype"] for row in scipy] == ["float64"] * 2
    assert all(row["peer"] and row["ratio"] > 0 and row["l2_potential"] < 1e-13 for row in scipy)
    assert scipy[1]["l2_field"] < 1e-12


def test_peers_that_sum_something_else_are_measured_against_that(tmp_path, monkeypatch):
    def bare(problem, field, rtol):
        request = Request(problem.points, *problem[1:], None, True, True, field)
        return lambda: direct.evaluate(request._replace(profile=Coulomb(1.0).profile))

    for name in list(PEERS):
        monkeypatch.delitem(sums.PEERS, name)
    monkeypatch.setitem(sums.PEERS, "bare", Peer((), "", lambda problem, field: "", bare, bare=True))
    rows = [row for row in speed_sums(tmp_path, "--peers", "--only", "cube-1-1") if row["engine"] == "bare"]
    assert len(rows) == 4
    assert all(row["l2_potential"] < 1e-5 for row in rows)


def test_large_sizes_of_a_slow_peer_are_left_out_by_its_rate(monkeypatch):
    bench = sums._Bench(1e-3, {}, sums.QUICK)
    problem = CASES["mixture"].problem(100, "float64")
    like = bench._like("cases", problem, "potential", None)
    bench._peers = {"slow": Peer((), "", lambda problem, field: "", lambda *_: pytest.fail("prepared"))}
    bench._seen["mixture", "slow", "float64", "potential"] = 10, 0.02
    assert not list(bench._rivals(problem, like, lambda bare=False: None))
    assert bench.rows[0].note == "skipped: about 2 s a call by its rate"


def test_near_duplicates_are_a_tenth():
    points = CASES["images-3072-near"].problem(200, "float64").points
    gram = points @ points.T
    squares = np.diag(gram)[:, None] + np.diag(gram)[None] - 2 * gram
    near = (squares < 1.0) & ~np.eye(200, dtype=bool)  # the others are about 2048 apart
    assert near.any(axis=1).sum() == 40  # twenty copies and what they are copies of
    assert len(np.unique(points, axis=0)) == 190


def test_cases_are_the_same_at_every_call():
    first, second = (CASES["clusters"].problem(70, "float32") for _ in range(2))
    assert isinstance(first, Problem)
    assert np.array_equal(first.points, second.points)
    assert np.array_equal(first.weights, second.weights)


def test_a_long_call_is_timed_once_and_a_short_one_several_times():
    calls = {"long": 0, "short": 0, "known": 0}

    def count(name, seconds=0.0):
        def call():
            calls[name] += 1
            time.sleep(seconds)

        return call

    spreads = in_turns(
        {"long": count("long", 0.02), "short": count("short"), "known": count("known")}, 0.01, {"known": 5.0}
    )
    assert calls["long"] == 1
    assert calls["short"] > 3
    assert calls["known"] == 0
    assert spreads["known"] == (5.0, 5.0, 5.0)
    assert spreads["long"].minimum >= 0.02
    assert spreads["short"].maximum < 0.02


ALLOCATING = """
import coulombfield, numpy
from validation.speed.sums import memory
coulombfield.potential = lambda *arguments, **options: numpy.ones(25_000_000)
memory.main("mixture", "64", "float64", "potential", "0")
"""


def test_memory_is_measured_in_a_process_of_its_own(monkeypatch):
    peak = sums_memory.measure("mixture", 64, "float64", "potential", None)
    assert 20 < peak.before < peak.after < 2000
    done = subprocess.run([sys.executable, "-c", ALLOCATING], check=True, capture_output=True)
    before, after = json.loads(done.stdout)
    assert 195 < after - before < 210  # [MB] of the array
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback:\n  ...\nMemoryError: too much\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(RuntimeError, match=r"^MemoryError: too much$"):
        sums_memory.measure("mixture", 64, "float64", "potential", None)


def test_sizes_go_up_to_the_largest_or_are_it():
    case = CASES["mixture"]
    assert sums.sizes(case, 10**6, False) == [10**3, 10**4, 10**5, 10**6]
    assert sums.sizes(case, 500, False) == [500]
    assert sums.sizes(case, 10**6, True) == [1000, 3000]
    assert sums.sizes(CASES["images-12288"], 10**6, False) == [128, 512, 2048]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed", "sums", "--seconds", "0"], "--seconds: expected a positive number, got 0"),
        (["speed", "mixture", "--seconds", "nan"], "--seconds: expected a positive number, got nan"),
        (["speed", "sums", "--largest", "63"], "--largest: expected a whole number of at least 64, got 63"),
        (["speed", "sums", "--largest", "1e400"], "--largest: expected a positive number, got 1e400"),
        (["speed", "sums", "--largest", "100.5"], "--largest: expected a whole number of at least 64, got 100.5"),
        (["speed", "sums", "--only", "mixture,nothing"], "--only: unknown 'nothing'; expected some of mixture, sharp"),
        (["speed", "sums", "--json", "/no/such/rows.json"], "--json: no folder /no/such"),
        (["speed", "sums", "--json", "/"], "--json: / is a folder"),
        (["speed", "sums", "--figures", "/dev/null/figures"], "--figures: can't make the folder /dev/null/figures"),
        (["speed", "mixture", "--quick"], "unrecognized arguments: --quick"),
    ],
)
def test_bad_options_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    assert exit_code.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("rtol", "calls"), [(1e-4, 2), (None, 1)])
def test_a_call_with_a_tolerance_is_timed_after_its_first_however_long_that_was(rtol, calls, capsys):
    """At another size it may be another method's, which is compiled in that call."""
    bench = sums._Bench(0.01, {}, sums.STANDARD)
    made = []

    def call():
        made.append(None)
        time.sleep(0.05)
        return None, None

    for count in (100, 200):
        made.clear()
        row = sums.Row("cases", "a case", "auto", False, "float64", "potential", 2, count, rtol)
        bench._compete([sums.Contender(row, call, lambda: None)])
    assert len(made) == calls


def test_flows_are_timed_and_the_energy_stays(capsys, tmp_path):
    file = tmp_path / "flows.json"
    assert main(["speed", "flows", "--quick", "--seconds", "0.01", "--json", str(file)]) == 0
    *steps, verlet, yoshida = json.loads(file.read_text())
    assert [row["size"] for row in steps] == [1_000, 10_000, 2_500, 2_500]
    assert all(0 < row["min_s"] <= row["median_s"] <= row["max_s"] for row in steps)
    assert all(row["ratio"] == row["anew_median_s"] / row["median_s"] for row in steps)
    for drift, most in ((verlet, 2e-3), (yoshida, 1e-5)):  # the same however many steps follow
        errors = drift["largest_errors"]
        assert 0 < max(errors) < min(most, 1.05 * errors[0])
    assert "steps/s" in capsys.readouterr().out


def test_the_mixture_is_timed_with_as_many_blas_threads_as_a_run_has(monkeypatch):
    found = []

    def take_turns(calls, seconds, timer):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        found.extend(pool["num_threads"] for pool in pools)
        return dict.fromkeys(calls, timing.Spread(1.0, 1.0, 1.0))

    monkeypatch.setattr(mixture, "take_turns", take_turns)
    with threadpool_limits(2, user_api="blas"):
        mixture.run(0.1)
    assert found
    assert set(found) == {1}


def test_calls_are_timed_beside_busy_processes(monkeypatch, capsys, tmp_path):
    seen, file = [], tmp_path / "busy.json"
    started = busy.subprocess.Popen

    def start(*arguments, **options):
        seen.append(started(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(busy.subprocess, "Popen", start)
    monkeypatch.setattr(busy, "cases", lambda: {"a sum": lambda: sum(range(100))})
    assert main(["speed", "busy", "--seconds", "0.01", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    assert [(row["name"], row["busy"]) for row in rows] == [("a sum", 0), ("a sum", 1), ("a sum", 2)]
    assert rows[0]["ratio_to_quiet"] == 1
    assert all(0 < row["min_s"] <= row["median_s"] <= row["max_s"] for row in rows)
    assert "beside 2 busy" in capsys.readouterr().out
    assert len(seen) == busy.FEWEST * sum(busy.BUSY)
    assert all(process.poll() is not None for process in seen)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the time that a process has taken from /proc")
def test_busy_processes_compute_until_the_end():
    with busy.busy_processes(1) as (process,):
        assert process.poll() is None
        stat = Path(f"/proc/{process.pid}/stat")
        before = int(stat.read_text().split()[13])  # its time in ticks
        while int(stat.read_text().split()[13]) == before:
            time.sleep(0.05)
    assert process.poll() is not None


def test_a_library_that_keeps_its_threads_is_told(monkeypatch):
    monkeypatch.setattr(timing, "threadpool_limits", lambda *_, **__: contextlib.nullcontext())
    with (
        threadpool_limits(2, user_api="blas"),
        pytest.raises(RuntimeError, match="asked for 1 threads, has 2"),
        timing.blas_threads(1),
    ):
        pass
