"""Peak memory of one sum, in a process of its own: ``python -m validation.speed.sums_memory CASE N DTYPE OUTPUT RTOL``.

Neither Python's nor NumPy's accounting sees what compiled loops and finufft allocate; the operating system's does.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import coulombfield

from .sums_cases import CASES

STATUS = Path("/proc/self/status")
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class Peak(NamedTuple):
    """Memory of a process that computed one sum."""

    before: float
    """Highest use before the sum, with the packages and the charges [MB]."""
    after: float
    """Highest use in all [MB]."""


def measure(case: str, count: int, dtype: str, output: str, rtol: float | None) -> Peak:
    """Run this module in a new process.

    Raises
    ------
    RuntimeError
        If the process fails; the message has the last line that it wrote.
    """
    arguments = [case, str(count), dtype, output, str(rtol or 0)]
    done = subprocess.run([sys.executable, "-m", __name__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def main(case: str, count: str, dtype: str, output: str, rtol: str) -> None:
    """Sum once and print the peaks in MB as JSON."""
    problem = CASES[case].problem(int(count), dtype)
    charges, kernel = problem.charges, problem.case.kernel
    before = _peak()
    function = coulombfield.potential if output == "potential" else coulombfield.potential_and_field
    function(charges.positions, charges, kernel, rtol=float(rtol) or None)
    print(json.dumps([before, _peak()]))


def _peak() -> float:
    if STATUS.exists():  # Linux, whose ru_maxrss begins with that of the process that started this one
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
