"""Programs of several processes for the tests of ranks, which end whatever they do."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240  # a program that hangs fails its test, and others don't wait for it

SMALL = """
base = "gaussian-mixture-quick"
title = "A small GAN"
seed = 4
dtype = "float64"

[training]
updates = {updates}
batch = 8
log_every = 3
evaluate_every = 20
checkpoint_every = 4
keep_checkpoints = 3

[data]
kind = "gaussian_mixture"
points = 200
held_out = 40

[gan]
softening = {{ start = 1.0, kind = "constant", end = 0.0 }}

[generator]
layers = {{ hidden = [5] }}
optimizer = {{ rate = {{ start = 1e-3, kind = "constant", end = 0.0 }} }}

[discriminator]
layers = {{ hidden = [5] }}
optimizer = {{ rate = {{ start = 1e-3, kind = "constant", end = 0.0 }} }}

[[metrics]]
kind = "energy"
samples = 20
"""


def preset(folder: Path, updates: int, name: str = "small.toml") -> Path:
    """A preset whose updates take a millisecond."""
    path = folder / name
    path.write_text(SMALL.format(updates=updates))
    return path


@functools.cache
def _mpiexec() -> tuple[str, ...]:
    """The command before the number of processes, and whatever it needs; empty where there is none."""
    beside = Path(sys.executable).with_name("mpiexec")
    command = str(beside) if beside.exists() else shutil.which("mpiexec")
    if command is None:
        return ()
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    return (command, "--oversubscribe") if "Open MPI" in version or "PRRTE" in version else (command,)


needs_mpi = pytest.mark.skipif(
    not _mpiexec() or not any((Path(p) / "mpi4py").is_dir() for p in sys.path), reason="no mpi4py or no mpiexec"
)


def start(size: int, *words: str, python: tuple[str, ...] = (), **options: object) -> subprocess.Popen:
    """Start so many processes of ``python -m experiments WORDS``, or of other words after ``python``."""
    program = [sys.executable, *(python or ("-m", "experiments")), *words]
    return launch([*_mpiexec(), "-n", str(size), *program], **options)


def start_apart(*programs: tuple[str, ...], **options: object) -> subprocess.Popen:
    """Start one process of each of these ``python -m experiments WORDS``, all together."""
    command = list(_mpiexec())
    for index, words in enumerate(programs):
        command += [*([":"] if index else []), "-n", "1", sys.executable, "-m", "experiments", *words]
    return launch(command, **options)


def launch(command: list[str], environment: dict[str, str] | None = None, **options: object) -> subprocess.Popen:
    own = {
        "PYTHONPATH": str(ROOT),
        "NUMBA_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, **own, **(environment or {})}, **{**streams, **options})


def end(process: subprocess.Popen, seconds: float = SECONDS) -> tuple[int, str, str]:
    """Exit status, output and errors; a program that does not end is ended, and the test fails."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"still running after {seconds} s\n{out}\n{err}")
    return process.returncode, out, err


def run(size: int, *words: str, python: tuple[str, ...] = (), **options: object) -> tuple[int, str, str]:
    """Exit status, output and errors of :func:`start`."""
    return end(start(size, *words, python=python, **options))


def children(process: subprocess.Popen) -> list[int]:
    """Numbers of the Python processes that an mpiexec has started, in the order of their numbers."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().rpartition(")")[::2]
        except OSError:
            continue
        found.append((int(status.parent.name), int(rest.split()[1]), name.partition("(")[2]))
    family = {process.pid}
    for _ in range(4):
        family |= {pid for pid, parent, _ in found if parent in family}
    return sorted(pid for pid, _, name in found if pid in family and name.startswith("python"))
