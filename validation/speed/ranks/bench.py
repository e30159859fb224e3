"""What the tables of ranks share: programs that mpiexec starts, and rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def find_mpiexec() -> str | None:
    """The mpiexec beside this Python, or another on the PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def thread_counts(threads: int) -> dict[str, str]:
    """Environment variables that give a process so many threads."""
    return dict.fromkeys(("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))


class Bench:
    """Collects rows.

    Parameters
    ----------
    seconds : float
        Time to spend on each row [s].
    quick : bool
        Whether problems are to be small.
    """

    def __init__(self, seconds: float, *, quick: bool):
        self.seconds, self.quick = seconds, quick
        self.rows: list[dict[str, Any]] = []

    def launch(self, ranks: int, threads: int, module: str, *arguments: str) -> Any:
        """What a module, run on so many ranks of so many threads each, prints as JSON in its last line.

        Raises
        ------
        RuntimeError
            If there is no mpiexec, or the program fails; with the last line that it wrote.
        """
        mpiexec = find_mpiexec()
        if mpiexec is None:
            raise RuntimeError("ranks: no mpiexec is there (pip install mpi4py mpich)")
        environment = {**os.environ, **thread_counts(threads)}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [mpiexec, "-n", str(ranks), sys.executable, "-m", "mpi4py", "-m", module, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        return json.loads(done.stdout.splitlines()[-1])

    def add(self, row: dict[str, Any], text: str) -> None:
        """Print a row and keep it."""
        print(f"  {text}", flush=True)
        self.rows.append(row)

    def find(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """The rows so far that are wanted."""
        return [row for row in self.rows if wanted(row)]
