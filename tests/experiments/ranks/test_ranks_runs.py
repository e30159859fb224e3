"""Runs on several processes: who writes and prints, how they end, and what they resume to."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import ranks_support
from ranks_support import children, end, preset, run, start, start_apart

from experiments.__main__ import main
from experiments.runs.checkpoint import CheckpointFolder, leaves
from experiments.runs.folder import RunFolder

pytestmark = [ranks_support.needs_mpi, pytest.mark.slow]

UPDATES = 100
KILLS = int(os.environ.get("COULOMBFIELD_TEST_KILLS", "2"))
"""Moments at which a rank is killed; ten take half a minute."""
FAULTS = {"PYTHONPATH": f"{ranks_support.ROOT}{os.pathsep}{ranks_support.ROOT / 'tests' / 'support'}"}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return preset(tmp_path_factory.mktemp("ranks"), UPDATES)


@pytest.fixture(scope="module")
def uninterrupted(small) -> tuple[Path, str]:
    """Folder of a run on two ranks, and what it printed."""
    folder = small.parent / "whole"
    status, out, err = run(2, "run", str(small), "--out", str(folder), "--device", "cpu")
    assert status == 0, err
    return folder, out


def final(folder: Path) -> tuple[dict, list]:
    """State and recorded lines at the end, but for times."""
    found = CheckpointFolder(folder / "checkpoints", 9).latest_good(print)
    state = dict(leaves(found.state["experiment"]))
    records = [
        {k: v for k, v in r.items() if k not in ("seconds", "updates_per_s")} for r in RunFolder(folder).read_metrics()
    ]
    return {"step": found.step, **state}, records


def test_one_rank_prints_and_writes(uninterrupted):
    folder, out = uninterrupted
    assert out.count("folder: ") == 1
    assert out.count("ranks: 2 on 1 machine, 1 thread each") == 1
    assert "a minibatch of 8 is 4 a rank" in out
    assert (folder / "report.html").exists()
    assert RunFolder(folder).read_starts()[0]["ranks"] == 2
    found = CheckpointFolder(folder / "checkpoints", 9).latest_good(print)
    streams = json.loads(found.state["experiment"]["streams"])
    assert [each["branch"] for each in streams] == ["rank 0 of 2", "rank 1 of 2"]
    assert streams[0]["streams"]["latent"] != streams[1]["streams"]["latent"]
    steps = [record["step"] for record in RunFolder(folder).read_metrics() if "losses" in record]
    assert steps == [*range(3, UPDATES, 3), UPDATES]


def test_a_rank_that_is_killed_ends_all_and_the_run_resumes_to_the_same_bits(small, uninterrupted):
    """By turns one rank or the other, right after a checkpoint more."""
    folder = small.parent / "killed"
    words = ("run", str(small), "--out", str(folder), "--device", "cpu")
    for kill in range(KILLS):
        before = set(folder.glob("checkpoints/step-*.h5"))
        process = start(2, *words)
        deadline = time.monotonic() + ranks_support.SECONDS
        while process.poll() is None and set(folder.glob("checkpoints/step-*.h5")) <= before:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        victims = children(process)
        assert len(victims) == 2 or process.poll() is not None
        for victim in victims[kill % 2 :][:1]:
            os.kill(victim, signal.SIGKILL)
        since = time.monotonic()
        status, *_ = end(process)
        assert time.monotonic() - since < 10
        assert status != 0 or (folder / "report.html").exists()
        words = ("resume", str(folder))
    status, _, err = run(2, *words)
    assert status == 0, err
    np.testing.assert_equal(final(folder), final(uninterrupted[0]))


def test_sigterm_to_one_rank_stops_all_at_one_update(tmp_path):
    folder = tmp_path / "run"
    process = start(2, "run", str(preset(tmp_path, 10**6)), "--out", str(folder), "--device", "cpu")
    deadline = time.monotonic() + ranks_support.SECONDS
    while not list(folder.glob("checkpoints/step-*.h5")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(children(process)[1], signal.SIGTERM)
    status, _, err = end(process)
    assert status == 128 + signal.SIGTERM
    assert err.count("stopped by SIGTERM at update ") == 1
    assert "continue with: python -m experiments resume" in err


def test_another_number_of_ranks_goes_on_with_new_streams_and_says_so(small, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["run", str(small), "--out", str(folder), "--device", "cpu", "--set", "training.updates=20"]) == 0
    capsys.readouterr()
    status, out, err = run(2, "resume", str(folder), "--set", "training.updates=24")
    assert status == 0, err
    assert out.count("ranks: 1 before, 2 now: random streams begin anew") == 1
    assert main(["resume", str(folder), "--set", "training.updates=28"]) == 0
    assert "ranks: 2 before, 1 now: random streams begin anew" in capsys.readouterr().out
    state, _ = final(folder)
    assert state["step"] == 28
    assert "from update 24" in state["streams"]
    assert "rank" not in state["streams"].replace("rank 0 of 1 from update 24", "")


def test_ranks_that_disagree_all_say_in_what(small, tmp_path):
    words = ("run", str(small), "--device", "cpu", "--out", str(tmp_path / "run"))
    status, _, err = end(start_apart((*words, "--seed", "1"), (*words, "--set", 'dtype="float32"', "--seed", "1")))
    assert status == 2
    lines = [line for line in err.splitlines() if "ranks have to agree" in line]
    assert sorted(line[:7] for line in lines) == ["rank 0:", "rank 1:"]
    assert all("on rank 1, dtype is 'float32', not 'float64'" in line for line in lines)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("bug", 1, ["rank 1: Traceback", "RuntimeError: a bug on rank 1"]),
        (
            "full disk",
            1,
            ["step-000000012.h5: can't be written (No space left on device); when it can be written again"],
        ),
        ("other code", 2, ["rank 0: error: ", "rank 1: error: ", "version of numpy is '1.0', not", "code (checksum"]),
        ("other rounding", 1, ["stopped at step 4: parameters of rank 1 are no longer those of rank 0"]),
    ],
)
def test_what_goes_wrong_on_one_rank_ends_all(small, tmp_path, fault, status, said):
    """Without ``-m mpi4py``, which would end all of them for an exception, but not tell a user's mistake from a bug."""
    words = ("--import", "ranks_faults", "run", str(small), "--out", str(tmp_path / "run"), "--device", "cpu")
    found, _, err = run(2, *words, environment={"RANKS_FAULT": fault, **FAULTS})
    assert found == status, err
    assert all(text in err for text in said), err
    assert err.count("error: ") <= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "PRESET", "--set", "training.batch=1"), "error: training.batch: expected at least a sample for each"),
        (("run", "PRESET", "--seeds", "0-1"), "error: run --seeds: expected one process, got 2"),
        (("run", "figure-1"), "error: figure-1: expected one process, since it is not divided over ranks, got 2"),
        (("sample", "runs/none"), "error: sample: expected one process, got 2"),
        (("run",), "the following arguments are required: NAME"),
    ],
)
def test_a_mistake_that_all_ranks_make_is_told_once(small, tmp_path, words, said):
    status, _, err = run(2, *(word.replace("PRESET", str(small)) for word in words), cwd=tmp_path)
    assert status == 2
    assert err.count(said) == 1, err


def test_a_mistake_of_one_rank_ends_all(small, tmp_path):
    words = ("run", str(small), "--device", "cpu", "--out", str(tmp_path / "run"))
    status, _, err = end(start_apart(words, (*words, "--set", "training.bitch=1")))
    assert status == 2
    assert err.count("error: rank 1: training.bitch: unknown key") == 1
