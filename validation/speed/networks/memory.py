"""Peak memory of updates in a new process: ``python -m validation.speed.networks.memory WHO SIZE BASE BATCH``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from .. import process_memory
from ..process_memory import Peak, highest, restart
from ..rows import OURS

UPDATES = 2  # the second has what the first has left behind
WARM = 8, 4, 2  # size, base and batch of an update that loads what is compiled


def measure(who: str, size: int, base: int, batch: int) -> Peak:
    """Use with all packages before the networks were made, and at its highest; see :func:`process_memory.measure`."""
    return process_memory.measure(__name__, who, str(size), str(base), str(batch))


def main(who: str, size: str, base: str, batch: str) -> None:
    """Do two updates and print the memory before and at its peak in MB as JSON."""
    for _ in range(UPDATES):
        _updates(who, *WARM)
    before = restart()
    _updates(who, int(size), int(base), int(batch))
    print(json.dumps([before, highest()]))


def _updates(who: str, size: int, base: int, batch: int) -> None:
    step = _step(who, size, base, batch)
    for _ in range(UPDATES):
        step()


def _step(who: str, size: int, base: int, batch: int) -> Callable[[], object]:
    from .update import coulomb_gan

    if who == OURS:
        return coulomb_gan(size, base, batch).step
    from .torch_calls import updates

    return updates(size, base, batch, [who])[who]


if __name__ == "__main__":
    main(*sys.argv[1:])
