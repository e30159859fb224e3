"""Peak memory of forward passes in a new process: ``python -m validation.speed.inception.memory WHO SIZE BATCH``."""

from __future__ import annotations

import json
import sys

from .. import process_memory
from ..process_memory import Peak, highest, restart

PASSES = 2  # the second has what the first has left behind
WARM = 75, 2  # size and batch of a pass that loads what is compiled


def measure(who: str, size: int, batch: int) -> Peak:
    """Use with all packages before the network was made, and at its highest; see :func:`process_memory.measure`."""
    return process_memory.measure(__name__, who, str(size), str(batch))


def main(who: str, size: str, batch: str) -> None:
    """Do two passes and print the memory before and at its peak in MB as JSON."""
    _passes(who, *WARM)
    before = restart()
    _passes(who, int(size), int(batch))
    print(json.dumps([before, highest()]))


def _passes(who: str, size: int, batch: int) -> None:
    from .benchmark import calls

    call = calls(size, batch, (who,))[who]
    for _ in range(PASSES):
        call()


if __name__ == "__main__":
    main(*sys.argv[1:])
