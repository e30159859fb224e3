"""One process or several: what the environment says, and what one process does not import."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import ranks_support
from closed_output import ClosedOutput

from experiments.ranks import launch
from experiments.ranks.alone import ALONE, Ranks, Shares


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 1),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, 1),
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, 4),
        ({"OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "0"}, 2),
        ({"PMIX_RANK": "1"}, 0),
        ({"SLURM_NTASKS": "8"}, 1),
    ],
)
def test_the_environment_tells_how_many_processes_there_are(environment, expected):
    assert launch.launched(environment) == expected


def python(code: str, **environment: str) -> tuple[int, str]:
    """Exit status and errors of a process that is not one of several but for what its environment says."""
    own = {**os.environ, "PYTHONPATH": str(ranks_support.ROOT), **environment}
    result = subprocess.run(
        [sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False, timeout=120
    )
    return result.returncode, result.stderr


@pytest.mark.slow
def test_one_process_does_not_import_mpi():
    code = "import sys; from experiments.__main__ import main; main(['list']); assert 'mpi4py' not in sys.modules"
    assert python(code) == (0, "")


@pytest.mark.parametrize(("rank", "lines"), [("0", 1), ("1", 0)])
def test_without_mpi4py_the_error_says_what_to_install(rank, lines):
    code = "import sys; sys.modules['mpi4py'] = None; from experiments.__main__ import main; sys.exit(main(['list']))"
    said = 'error: 2 processes were started, but mpi4py is not installed: pip install -e ".[mpi]"\n'
    assert python(code, PMI_SIZE="2", PMI_RANK=rank) == (2, said * lines)


def test_shares_are_as_equal_as_can_be_and_cover_all():
    for size in (1, 2, 3, 5):
        for whole in range(size, 12):
            found = []
            for rank in range(size):
                shares = company(rank, size).shares(whole)
                found += range(whole)[shares.rows]
                assert shares.own == len(range(whole)[shares.rows])
                assert max(shares.counts) - min(shares.counts) <= 1
                assert sum(shares.weights) == pytest.approx(1)
            assert found == list(range(whole))
    with pytest.raises(ValueError, match="at least a sample for each of the 5 ranks, got 4"):
        company(0, 5).shares(4)


def company(rank: int, size: int) -> Ranks:
    ranks = Ranks()
    ranks.rank, ranks.size = rank, size
    return ranks


def test_one_process_has_the_whole_of_everything():
    assert ALONE.shares(7) == Shares((7,), 0)
    assert ALONE.shares(7).weights == (1.0,)
    assert ALONE.first


def test_the_others_are_ended_when_what_was_said_has_been_read(monkeypatch):
    """MPICH throws away what it has not read by then."""
    reads, writes = os.pipe()
    found = []

    def abort(status):
        found.append((status, os.read(reads, 99) if launch._unread(writes) else b""))

    monkeypatch.setattr(launch, "STDERR", writes)
    monkeypatch.setattr(launch.os, "_exit", lambda status: None)
    monkeypatch.setattr(launch.time, "sleep", lambda seconds: found.append(os.read(reads, 3)))
    os.write(writes, b"a bug\n")
    launch._abort(SimpleNamespace(Abort=abort), 1)
    assert found == [b"a b", b"ug\n", (1, b"")]


@pytest.mark.parametrize("stderr", [None, io.StringIO(), ClosedOutput()])
def test_the_others_are_ended_where_nobody_can_be_told_why(stderr, monkeypatch):
    found = []
    comm = SimpleNamespace(size=2, rank=1, Abort=found.append)
    monkeypatch.setitem(launch.sys.modules, "mpi4py.MPI", SimpleNamespace(COMM_WORLD=comm))
    monkeypatch.setattr(launch.sys, "stderr", stderr)
    monkeypatch.setattr(launch, "STDERR", -1)
    monkeypatch.setattr(launch.os, "_exit", found.append)
    launch.fail()
    assert found == [1, 1]
