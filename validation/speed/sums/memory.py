"""Peak memory of a sum in a new process.

``python -m validation.speed.sums.memory CASE N DTYPE OUTPUT RTOL DEVICE``.
"""

from __future__ import annotations

import json
import sys

import coulombfield
from coulombfield.arrays import Device, select_device

from .. import process_memory
from ..process_memory import Peak, highest, meter
from ..timing import CPU, kind_of
from .cases import CASES


def measure(case: str, count: int, dtype: str, output: str, rtol: float | None, device: Device = CPU) -> Peak:
    """Highest use before the sum, with the packages and the charges, and in all; see :func:`process_memory.measure`."""
    return process_memory.measure(__name__, case, str(count), dtype, output, str(rtol or 0), kind_of(device))


def main(case: str, count: str, dtype: str, output: str, rtol: str, device: str = "cpu") -> None:
    """Sum once and print the peaks in MB as JSON."""
    memory, problem = meter(device), CASES[case].problem(int(count), dtype).on(select_device(device))
    charges, kernel = problem.charges, problem.case.kernel
    before = highest() if device == "cpu" else memory.restart()
    function = coulombfield.potential if output == "potential" else coulombfield.potential_and_field
    function(charges.positions, charges, kernel, rtol=float(rtol) or None)
    print(json.dumps([before, memory.highest()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
