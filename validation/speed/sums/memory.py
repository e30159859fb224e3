"""Peak memory of a sum in a new process: ``python -m validation.speed.sums.memory CASE N DTYPE OUTPUT RTOL``."""

from __future__ import annotations

import json
import sys

import coulombfield

from .. import process_memory
from ..process_memory import Peak, highest
from .cases import CASES


def measure(case: str, count: int, dtype: str, output: str, rtol: float | None) -> Peak:
    """Highest use before the sum, with the packages and the charges, and in all; see :func:`process_memory.measure`."""
    return process_memory.measure(__name__, case, str(count), dtype, output, str(rtol or 0))


def main(case: str, count: str, dtype: str, output: str, rtol: str) -> None:
    """Sum once and print the peaks in MB as JSON."""
    problem = CASES[case].problem(int(count), dtype)
    charges, kernel = problem.charges, problem.case.kernel
    before = highest()
    function = coulombfield.potential if output == "potential" else coulombfield.potential_and_field
    function(charges.positions, charges, kernel, rtol=float(rtol) or None)
    print(json.dumps([before, highest()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
