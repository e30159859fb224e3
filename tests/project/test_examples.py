"""The programs of examples/ run as they stand, and each draws its figure."""

import runpy
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_draws_a_figure(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(path)])
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()))
    matplotlib.use("Agg")
    try:
        runpy.run_path(str(path), run_name="__main__")
        assert len(shown) == 1
        assert all(axes.has_data() for axes in plt.figure(shown[0]).axes)
    finally:
        plt.close("all")
    assert not any(tmp_path.iterdir()), "an example leaves files in the working directory"
