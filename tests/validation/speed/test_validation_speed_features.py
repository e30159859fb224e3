"""The benchmark of feature networks: that it measures what it says, whatever the speed may be."""

import importlib.util
import json

import pytest

from validation.__main__ import main
from validation.speed.features import benchmark as features
from validation.speed.features.cases import CASES


def test_quick_run_has_a_row_for_each_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(features, "QUICK_BATCH", 1)
    monkeypatch.setattr(features, "QUICK_SIZE", 32)
    torch = importlib.util.find_spec("torch") is not None
    file = tmp_path / "rows.json"
    arguments = ["speed", "features", "--quick", "--seconds", "0.01", "--agreement", "--json", str(file)]
    assert main(arguments) == 0
    rows = json.loads(file.read_text())
    timed = [row for row in rows if row["table"] == "features"]
    assert [row["name"] for row in timed] == list(CASES)
    assert all(0 < row["ours_min_s"] <= row["ours_s"] <= row["ours_max_s"] and row["batch"] == 1 for row in timed)
    assert all((row["ratio"] is not None) == torch for row in timed)
    differences = {(row["name"], row["quantity"]) for row in rows if row["table"] == "agreement"}
    assert differences == ({(name, part) for name in CASES for part in ("features", "logits")} if torch else set())
    assert "images/s" in capsys.readouterr().out


def test_unknown_networks_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["speed", "features", "--only", "inception_v9"])
    assert "unknown 'inception_v9'; expected some of efficientnet_lite0" in capsys.readouterr().err
