"""Peak memory of a process, as the operating system sees it.

Neither Python's nor NumPy's accounting sees what compiled loops and finufft allocate.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

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


def _status(field: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6
