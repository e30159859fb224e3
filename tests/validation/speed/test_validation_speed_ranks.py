"""The benchmark of ranks: its tables are found, and its model does what its formula says, whatever the speed may be."""

import json

import pytest
import ranks_support

from validation.__main__ import main
from validation.speed.ranks import bench, model, scaling
from validation.speed.ranks.benchmark import names


def rows_of(name, count, whole, half, two):
    ran = [("strong", count, 1, whole), ("half", count // 2, 1, half), ("strong", count, 2, two)]
    return [{"table": t, "name": name, "charges": n, "ranks": r, "threads": 1, "seconds": s} for t, n, r, s in ran]


def test_the_tables_are_the_files_with_a_run_those_that_look_at_others_last():
    found = names()
    assert {"scaling", "model"} <= set(found)
    assert found.index("scaling") < found.index("model")
    assert "training" in found
    assert "bench" not in found


def test_the_model_is_fitted_to_the_runs(monkeypatch, capsys):
    some = bench.Bench(0.1, quick=True)
    some.rows += rows_of("nufft", 10**6, 1.1, 0.6, 0.7) + rows_of("simd", 10**5, 20.0, 5.0, 10.0)
    fast = {"bandwidth": 1e30, "latency": 0.0}
    monkeypatch.setattr(some, "launch", lambda *_: fast)
    monkeypatch.setattr(model, "NETWORK", fast)
    model.run(some)
    said = {(row["name"], row["ranks"], row["charges"]): row["seconds"] for row in some.rows if row["table"] == "model"}
    assert said["nufft", 2, 10**6] == pytest.approx(0.1 + 0.5)
    assert said["nufft", 64, 10**8] == pytest.approx(0.1 + 100 / 64)
    assert said["simd", 64, 10**7] == pytest.approx(2e5 / 64)
    assert said["gpus", 8, 10**7] == pytest.approx(1e14 / 8 / model.GPU_RATE)
    assert "assumptions" in capsys.readouterr().out


def test_messages_take_their_time():
    slow = {"bandwidth": 1e3, "latency": 1.0}
    assert model.predicted("simd", 1000, 4, 1e-9, 0.0, slow) == pytest.approx(0.75 * 12 + 8)
    assert model.predicted("nufft", 1000, 1, 1e-3, 0.5, slow) == pytest.approx(1.5)
    assert model.predicted("nufft", 1000, 2, 1e-3, 0.5, slow) == pytest.approx(1.0 + 20 + 2 * model.MODE_BYTES / 1e3)


def test_rows_hold_what_was_run(monkeypatch):
    some = bench.Bench(0.1, quick=True)
    monkeypatch.setattr(some, "launch", lambda ranks, *_: {"seconds": 2.0 / ranks, "exchange": 0.5 / ranks})
    scaling.run(some)
    for method, size in scaling.QUICK_SIZES.items():
        rows = [row for row in some.rows if row["name"] == method]
        tables = ["threads", "strong", "strong", "half"] + (["weak"] if method != "simd" else [])
        assert [row["table"] for row in rows] == tables
        assert [row["charges"] for row in rows] == [size, size, size, size // 2, size][: len(rows)]
        assert all(row["exchange_share"] == 0.25 for row in rows)


def test_without_runs_the_model_says_so(capsys):
    model.run(bench.Bench(0.1, quick=True))
    assert "no runs to fit" in capsys.readouterr().out


def test_without_mpiexec_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(bench.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(bench.shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match="pip install mpi4py mpich"):
        bench.Bench(0.1, quick=True).launch(2, 1, "validation.speed.ranks.sums_program")


@ranks_support.needs_mpi
def test_both_ways_are_timed_in_turns(capsys, tmp_path):
    file = tmp_path / "ranks.json"
    assert main(["speed", "ranks", "--only", "training", "--quick", "--seconds", "0.01", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())
    assert row["name"] == "digits, minibatch 64"
    assert row["ratio"] > 0
    assert 0 < row["exchange_share"] < 1
    assert "exchanges and waiting" in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["speed", "ranks", "--only", "sailing"])
    assert "unknown 'sailing'; expected some of" in capsys.readouterr().err
