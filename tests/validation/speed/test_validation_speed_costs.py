"""Calibration finds the costs that times were made of, writes them, and takes them back; auto has its verdict."""

import dataclasses
import json

import numpy as np
import pytest

from coulombfield.sums import costs
from coulombfield.sums.selection import EXACT
from validation.__main__ import main
from validation.speed import timing
from validation.speed.sums import auto, calibration
from validation.speed.timing import Spread


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    path = tmp_path / "costs.json"
    monkeypatch.setenv(costs.VARIABLE, str(path))
    monkeypatch.setattr(costs, "_found", None)
    return path


def exact_groups():
    return [group for group in calibration.all_groups() if group.engine in ("simd", "direct")]


def machine(table):
    """What an engine's times are on a machine whose costs are those of a table."""

    def measure(engine, request):
        with costs.using(table):
            return EXACT[engine].seconds(request)

    return measure


def test_costs_are_found_again_and_what_is_not_measured_stays(file, capsys):
    true = dataclasses.replace(
        costs.BUILT_IN, operation_float32=4e-11, operation_float64=9e-11, exponential_float32=20.0, direct_axis=1e-9
    )
    rows = calibration.run(machine(true), exact_groups())
    found = costs.parsed(file.read_text())
    for group in exact_groups():
        ratios = calibration._estimates(found, group) / calibration._estimates(true, group)
        assert np.all(np.abs(np.log(ratios)) < 0.1), ratios
    assert abs(np.log(found.operation_float32 / true.operation_float32)) < 0.1
    assert abs(np.log(found.exponential_float32 / true.exponential_float32)) < 0.1
    assert found.tree_pair == costs.BUILT_IN.tree_pair
    assert {row["name"]: row["now"] for row in rows}["direct_axis"] == found.direct_axis
    shown = capsys.readouterr().out
    assert "operation_float32" in shown
    assert str(file) in shown


def test_forget_removes_the_table(file, capsys):
    costs.write(costs.BUILT_IN)
    assert main(["speed", "sums", "--forget"]) == 0
    assert not file.exists()
    assert main(["speed", "sums", "--forget"]) == 0
    assert "there is no table" in capsys.readouterr().out


def test_every_engine_that_decides_by_the_table_is_calibrated():
    told = {name for group in calibration.all_groups() for name in group.names}
    left = set(costs.NAMES) - told
    assert {name.partition("_")[0] for name in left} <= {"root", "call", "sparse", "cuda", "worth", "hard"}
    for group in calibration.all_groups():
        assert len(group.requests) >= 3


def test_there_are_sixty_kinds_of_each_sort():
    assert len(set(auto.KINDS)) == len(auto.KINDS) == 60
    assert {kind.dtype for kind in auto.KINDS} == {"float32", "float64"}
    assert len({kind.dimension for kind in auto.KINDS}) > 5
    assert any(kind.rtol for kind in auto.KINDS)
    assert any(kind.targets for kind in auto.KINDS)


def test_the_verdict_names_the_worst(tmp_path, monkeypatch, capsys):
    def in_turns(calls, seconds, known, timer):
        slow = next(iter(name for name in calls if name != "auto"))
        return {name: Spread(1.0, 2.0 if name in ("auto", slow) else 1.0, 3.0) for name in calls}

    monkeypatch.setattr(timing, "seconds_a_call", lambda call, repeats: 1.0)
    monkeypatch.setattr(auto, "in_turns", in_turns)
    monkeypatch.setattr(auto, "KINDS", auto.KINDS[:2])
    assert main(["speed", "sums", "--only", "auto", "--quick", "--json", str(tmp_path / "rows.json")]) == 0
    assert "auto: 0 of 1 kinds within 1.5 times the best engine's time; the worst 2.00 times" in capsys.readouterr().out
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {row["engine"] for row in rows if row["table"] == "auto"} == {"auto", "simd", "gram"}
