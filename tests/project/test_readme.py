"""The README's Python, run as it stands there."""

import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from experiments.__main__ import main
from tests.experiments.test_images import SMALL

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    yield tmp_path
    plt.close("all")  # other tests count figures


@pytest.mark.slow
def test_the_blocks_run_one_after_the_other(in_folder):
    """As they stand there, but for the million charges: what serves so many takes half a minute to compile.

    The run that one of them loads is a short one of the same preset.
    """
    assert len(BLOCKS) >= 5
    overrides = [word for override in SMALL for word in ("--set", override)]
    assert main(["run", "digits", "--out", "runs/digits", "--device", "cpu", *overrides]) == 0
    names = {}
    for block in BLOCKS:
        exec(compile(block.replace("1_000_000", "1_000"), str(README), "exec"), names)
    assert names["end"].step > names["start"].step
    assert names["images"].shape == (16, 8, 8, 1)
    assert (in_folder / "flow.png").stat().st_size > 5_000
