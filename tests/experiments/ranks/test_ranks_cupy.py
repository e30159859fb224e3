"""Ranks whose arrays are CuPy's, where it has a device: on the stand-in, by way of the host."""

from __future__ import annotations

import importlib.util

import pytest
from ranks_support import ROOT, needs_mpi, preset, run

pytestmark = [needs_mpi, pytest.mark.usefixtures("cupy")]

CASES = ("coulomb", "coulomb with batch-norm", "began", "mmd_gan")


def test_cupy_gradients_of_two_ranks_are_those_of_one_process():
    script = str(ROOT / "tests" / "support" / "ranks_gradients.py")
    words = (script, "--device", "cuda", "--batch", "8", "7", "--cases", *CASES)
    status, out, err = run(2, *words, python=("-m", "mpi4py"))
    assert status == 0, err
    found = [float(line.split("; ")[3]) for line in out.splitlines()]
    assert len(found) == 2 * len(CASES)
    assert max(found) < 1e-12


def test_cupy_runs_on_two_ranks_and_says_how_gradients_travel(tmp_path):
    stand_in = ("--import", "cpucupy") if importlib.util.find_spec("cpucupy") else ()
    words = (*stand_in, "run", str(preset(tmp_path, 8)), "--out", str(tmp_path / "run"), "--device", "cuda")
    status, out, err = run(2, *words)
    assert status == 0, err
    way = next(line for line in out.splitlines() if line.startswith("ranks: 2 "))
    assert "NCCL" in way
    assert (tmp_path / "run" / "report.html").exists()
