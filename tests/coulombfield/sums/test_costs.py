"""The table of costs: it decides the engine, a machine's own is read and written, and a bad file harms nothing."""

import dataclasses
import json
import logging

import numpy as np
import pytest
from charge_clouds import cloud

from coulombfield import Charges, Plummer, explain, potential
from coulombfield.profiles import Work
from coulombfield.sums import costs
from coulombfield.sums.costs import BUILT_IN, NAMES

CHEAP, DEAR = 1e-15, 1e3


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where the machine's table is, with nothing read yet."""
    path = tmp_path / "folder" / "costs.json"
    monkeypatch.setenv(costs.VARIABLE, str(path))
    monkeypatch.setattr(costs, "_found", None)
    return path


def engine_taken(table, dimension=3, count=2000, rtol=None):
    positions, weights = cloud(np.random.default_rng(0), count, dimension)
    with costs.using(table):
        _, why = explain(potential, positions, Charges(positions, weights), Plummer(), rtol=rtol)
    finite = [candidate for candidate in why.candidates if candidate.seconds < np.inf]
    assert why.method == min(finite, key=lambda candidate: candidate.seconds).method
    return why.method


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({"gram_call": DEAR, "direct_call": DEAR}, "simd"),
        ({"simd_call": DEAR, "direct_call": DEAR}, "gram"),
        ({"simd_call": DEAR, "gram_call": DEAR}, "direct"),
    ],
)
def test_the_engine_whose_estimate_is_the_least_is_taken(changes, method):
    assert engine_taken(dataclasses.replace(BUILT_IN, **changes)) == method


def test_a_fast_engine_is_looked_for_where_exact_ones_are_dear():
    cheap = {name: CHEAP for name in NAMES if name.startswith(("nufft_", "transform_", "spread_", "grid_"))}
    table = dataclasses.replace(BUILT_IN, **cheap, worth_a_plan=CHEAP)
    pytest.importorskip("finufft")
    assert engine_taken(table, 2, 2100, rtol=1e-2) == "nufft"
    assert engine_taken(dataclasses.replace(table, worth_a_plan=DEAR), 2, 2100, rtol=1e-2) == "simd"


@pytest.mark.parametrize("name", NAMES)
def test_each_cost_says_its_unit_and_what_was_measured(name):
    field = next(field for field in dataclasses.fields(costs.Costs) if field.name == name)
    assert field.metadata["unit"] in ("s", "operations")
    assert field.metadata["what"]
    assert getattr(BUILT_IN, name) > 0


def test_work_is_priced_by_its_kind_and_dtype():
    table = dataclasses.replace(BUILT_IN, root=3.0, power_float32=5.0, power_float64=7.0)
    assert table.operations(Work(others=2.0, roots=1.0, powers=2.0), 4) == 15.0
    assert table.operations(Work(others=2.0, roots=1.0, powers=2.0), 8) == 19.0


def test_what_is_written_is_read_and_can_be_forgotten(file):
    assert costs.forget() is None
    assert costs.table() == BUILT_IN
    own = dataclasses.replace(BUILT_IN, simd_call=3e-5)
    assert costs.write(own) == file
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert costs.table() == BUILT_IN  # looked for once in a process
    costs._found = None
    assert costs.table() == own
    assert costs.forget() == file
    costs._found = None
    assert costs.table() == BUILT_IN


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: "",
        lambda content: "[" * 100_000,
        lambda content: json.dumps([1]),
        lambda content: json.dumps(content | {"format": costs.FORMAT + 1}),
        lambda content: json.dumps(content | {"costs": [1.0]}),
        lambda content: json.dumps(content | {"costs": content["costs"] | {"of_old": 1.0}}),
        lambda content: json.dumps(content | {"costs": dict(list(content["costs"].items())[1:])}),
        lambda content: json.dumps(content | {"costs": content["costs"] | {"simd_call": 0.0}}),
        lambda content: json.dumps(content | {"costs": content["costs"] | {"simd_call": "fast"}}),
        lambda content: json.dumps(content | {"costs": content["costs"] | {"simd_call": float("nan")}}),
        lambda content: json.dumps(content | {"costs": content["costs"] | {"simd_call": 10**400}}),
        lambda content: json.dumps(content | {"costs": content["costs"] | {"simd_call": 1e308}}),
        lambda content: "\udcff",
    ],
)
def test_a_bad_file_is_one_line_and_the_built_in_table(file, caplog, spoil):
    costs.write(BUILT_IN)
    content = json.loads(file.read_text())
    file.write_bytes(spoil(content).encode(errors="surrogateescape"))
    with caplog.at_level(logging.WARNING, "coulombfield"):
        assert costs.table() == BUILT_IN
        costs.table()
    assert len(caplog.records) == 1
    assert len(caplog.text.splitlines()) == 1
    assert str(file) in caplog.text or "utf-8" in caplog.text


def test_a_folder_in_its_place_harms_nothing(file, caplog):
    file.mkdir(parents=True)
    with caplog.at_level(logging.WARNING, "coulombfield"):
        assert costs.table() == BUILT_IN
    assert len(caplog.records) == 1


def test_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.delenv(costs.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert costs.file() == tmp_path / "coulombfield" / "costs.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert costs.file().name == "costs.json"
    monkeypatch.setenv(costs.VARIABLE, "")
    assert costs.file() is None
    with pytest.raises(ValueError, match=costs.VARIABLE):
        costs.write(BUILT_IN)
