"""Locks, and systems that have none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from coulombfield import locks
from experiments.files import WriteError
from experiments.runs.folder import RecordError, RunFolder

WITHOUT = """
import sys
sys.modules["fcntl"] = sys.modules["resource"] = None
import numpy as np
import coulombfield as cf
import experiments.__main__
import validation.__main__
import validation.speed.process_memory
from coulombfield.trajectory import Trajectory, Writer
with Trajectory(sys.argv[1]) as trajectory:
    print(len(trajectory))
try:
    Writer(sys.argv[1] + ".new")
except OSError as error:
    print(error)
"""


@pytest.mark.slow
def test_without_fcntl_all_but_writing_works(tmp_path):
    """Imports and reading, in a process that has no such module, as on Windows."""
    from trajectory_support import start, write

    path = tmp_path / "a.h5md"
    write(path, start(), 2)
    (tmp_path / "a.h5md.journal").touch()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(path)], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.stderr == ""
    frames, refusal = done.stdout.splitlines()
    assert frames == "3"
    assert "can't be locked: it takes fcntl, which Linux and macOS have" in refusal
    assert str(path) in refusal
    assert sorted(os.listdir(tmp_path)) == ["a.h5md", "a.h5md.journal"]


def test_without_fcntl_no_run_is_begun(tmp_path, monkeypatch):
    made = RunFolder.create(tmp_path / "made", "name")
    monkeypatch.setattr(locks, "fcntl", None)
    with pytest.raises(WriteError, match=r"run: can't be written \(can't be locked: it takes fcntl"):
        RunFolder.create(tmp_path / "run", "name")
    with pytest.raises(RecordError, match=r"made: can't be locked: it takes fcntl"), made.locked():
        pass
    assert not made.busy
    assert os.listdir(tmp_path) == ["made"]


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.raises(OSError, match=f"can't be locked: No locks available: '{tmp_path}'"):
        locks.open_locked(tmp_path, os.O_RDONLY)


def test_one_holds_alone_and_many_share(tmp_path):
    alone = locks.open_locked(tmp_path, os.O_RDONLY)
    for shared in (False, True):
        with pytest.raises(BlockingIOError, match="another process holds it"):
            locks.open_locked(tmp_path, os.O_RDONLY, shared=shared)
    os.close(alone)
    for file in [locks.open_locked(tmp_path, os.O_RDONLY, shared=True) for _ in range(2)]:
        os.close(file)
