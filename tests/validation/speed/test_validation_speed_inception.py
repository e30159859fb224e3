"""The benchmark of the Inception network: that it measures what it says."""

import json

import numpy as np
import pytest

from validation.__main__ import main
from validation.speed.inception import benchmark as inception
from validation.speed.inception import memory as inception_memory
from validation.speed.process_memory import Peak
from validation.speed.rows import Difference


def rows(tmp_path, *arguments, code=0):
    """Rows that the command writes."""
    file = tmp_path / "rows.json"
    assert main(["speed", "inception", "--quick", "--seconds", "1e-3", "--json", str(file), *arguments]) == code
    return json.loads(file.read_text())


@pytest.fixture
def alone(monkeypatch):
    """Without PyTorch, whether it is installed or not."""
    monkeypatch.setattr(inception, "has_torch", lambda: False)


def test_one_row_for_the_forward_pass(tmp_path, capsys, alone):
    (row,) = rows(tmp_path)
    assert (row["table"], row["batch"], row["peer"], row["ratio"]) == ("inception", inception.QUICK_BATCH, "", None)
    assert 0 < row["ours_min_s"] <= row["ours_s"] <= row["ours_max_s"]
    assert "ours" in capsys.readouterr().out


def test_memory_is_measured_in_a_process_of_its_own(tmp_path, alone, monkeypatch):
    asked = []
    monkeypatch.setattr(inception_memory, "measure", lambda *who: asked.append(who) or Peak(100.0, 350.0))
    _, row = rows(tmp_path, "--memory")
    assert (row["table"], row["ours_mb"]) == ("memory", 250.0)
    assert asked == [("ours", inception.QUICK_SIZE, inception.QUICK_BATCH)]


def test_a_disagreement_fails(tmp_path, monkeypatch):
    """The bound is that of the precision."""
    monkeypatch.setattr(inception, "has_torch", lambda: True)
    monkeypatch.setattr(inception, "_time", lambda *_: inception.Row("inception", "forward"))
    monkeypatch.setattr(
        inception, "differences", lambda dtype, size: [Difference("Mixed_5b", np.dtype(dtype).name, 1e-6)]
    )
    _, single, double = rows(tmp_path, "--agreement", code=1)
    assert (single["note"], double["note"]) == ("", "above 1e-10")
