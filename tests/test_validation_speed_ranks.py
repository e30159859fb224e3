"""The benchmark of ranks: that it measures what it says, whatever the speed may be."""

from __future__ import annotations

import json

import pytest
import ranks_support

from validation.__main__ import main


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
    assert "unknown 'sailing'; expected some of training" in capsys.readouterr().err
