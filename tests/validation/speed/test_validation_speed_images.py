"""The benchmarks of metrics of images at small sizes: rows as they are written, and the ways agree."""

import json

import pytest

from validation.__main__ import main
from validation.speed.fid import benchmark as fid
from validation.speed.neighbours import benchmark as neighbours


def test_the_distances_of_both_ways_agree(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fid, "QUICK", (60, 5))
    assert main(["speed", "fid", "--quick", "--seconds", "0.01", "--json", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    parts = ["statistics", "distance", "one set", "both sets"]
    assert [(row["name"], row["part"]) for row in rows] == [
        (name, part) for name in ("ours", "sqrtm") for part in parts
    ]
    one = {row["part"]: row["median_s"] for row in rows if row["name"] == "ours"}
    assert one["both sets"] == pytest.approx(one["statistics"] + one["distance"])
    assert one["one set"] == pytest.approx(one["statistics"] / 2 + one["distance"])
    difference = float(capsys.readouterr().out.rpartition(" ")[2])
    assert difference < 1e-8


def test_the_neighbours_of_all_ways_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "QUICK", (5, 40, 48))
    assert main(["speed", "neighbours", "--quick", "--seconds", "0.01", "--json", str(tmp_path / "rows.json")]) == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["name"] for row in rows[:2]] == ["ours, uint8", "ours, float32"]
    assert all(row["alike"] == 5 for row in rows)
    assert rows[0]["memory_mb"] >= 0
