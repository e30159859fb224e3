"""Peak memory of a process, as the operating system sees it, or of a GPU, as the pool that holds it does.

Neither Python's nor NumPy's accounting sees what compiled loops and finufft allocate.
"""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from coulombfield.arrays import select_device

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class Peak(NamedTuple):
    """Memory of a process that did some work."""

    before: float
    """In use, or the highest use, before the work, with all packages [MB]."""
    after: float
    """Highest use in all [MB]."""


def measure(module: str, *arguments: str) -> Peak:
    """Run a module, which prints both numbers as JSON in its last line, in a new process.

    Raises
    ------
    RuntimeError
        If the process fails; the message has the last line that it wrote.
    """
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def highest() -> float:
    """Highest use of this process so far [MB]."""
    if STATUS.exists():  # Linux, whose ru_maxrss begins with that of the process that started this one
        return _status("VmHWM")
    import resource  # which Windows lacks

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES / 1e6


def restart() -> float:
    """Let the highest use begin again where the present one is, if the system allows it; return it [MB]."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return highest()
    return _status("VmRSS")


class Meter(NamedTuple):
    """How the peak memory of some work is told."""

    restart: Callable[[], float]
    """Lets the highest use begin again, and returns the present one [MB]."""
    highest: Callable[[], float]
    """Highest use since [MB]."""


def meter(device: str, *, torch: bool = False) -> Meter:
    """Of this process on a CPU, or of a GPU as CuPy or PyTorch holds it.

    Both keep what they once had for the next array, so that what they hold is the highest use; CUDA itself takes some
    hundred MB more, which are the same for all.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda``.
    torch : bool
        Whether PyTorch does the work.
    """
    if device == "cpu":
        return Meter(restart, highest)
    if torch:
        cuda = importlib.import_module("torch").cuda

        def restart_torch() -> float:
            gc.collect()
            cuda.empty_cache()
            cuda.reset_peak_memory_stats()
            return cuda.memory_reserved() / 1e6

        return Meter(restart_torch, lambda: cuda.max_memory_reserved() / 1e6)
    pool = select_device(device).xp.get_default_memory_pool()

    def restart_pool() -> float:
        gc.collect()  # a network refers to itself by way of its workspace
        pool.free_all_blocks()
        return pool.total_bytes() / 1e6

    return Meter(restart_pool, lambda: pool.total_bytes() / 1e6)


def _status(field: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6
